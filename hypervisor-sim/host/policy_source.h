/* SPDX-License-Identifier: MIT
 *
 * Where the numbers of a policy come from: the host's own records, the kernel, two small files, and the guest's agent.
 * Only what a policy needs is looked at. One thread per source. */
#ifndef HV_POLICY_SOURCE_H
#define HV_POLICY_SOURCE_H

#include "host/hv_host.h"
#include "host/hv_policy.h"
#include "memory/residency.h"

#define HV_PSI_HOST "/proc/pressure/memory"

/** What the user set. All zero: nothing (0 of low and high is UNKNOWN to a policy, unless has_marks). */
typedef struct hv_policy_setup {
	bool has_marks; /**< low_bytes and high_bytes are set */
	uint64_t low_bytes, high_bytes, slack_bytes;
	double threshold_percent;
	const char *pressure_path; /**< NULL = of the host */
	const char *target_path;   /**< NULL = none */
	/** A person should know this; NULL = nobody listens. Any thread. */
	void (*report)(void *context, const char *text);
	void *report_context;
} hv_policy_setup;

/** What an agent in the guest tells; any thread. */
typedef void (*hv_guest_numbers_fn)(void *context, uint64_t *used_bytes, uint64_t *wanted_bytes);

typedef struct hv_policy_source {
	hv_policy_setup setup;
	const hv_host *host;
	bool shared_state; /**< the host can read the guest's allocator */
	hv_residency residency;
	bool residency_open;
	hv_guest_numbers_fn guest; /**< NULL = nobody in the guest */
	void *guest_context;
	uint64_t target_bytes; /**< the last good figure */
	uint64_t bad_since_ns; /**< of the target file; 0 = it is good */
	bool bad_told;
} hv_policy_source;

/** setup: copied; NULL = nothing set. */
void hv_policy_source_open(hv_policy_source *self, const hv_host *host, bool shared_state,
			   const hv_policy_setup *setup);
void hv_policy_source_close(hv_policy_source *self);
/** Fill in what is needed, the user's settings, and the time; all else becomes unknown. */
void hv_policy_source_look(hv_policy_source *self, uint32_t needs, hv_policy_input *input);

typedef struct hv_psi {
	double some_avg10, full_avg10;
	uint64_t some_us, full_us;
} hv_psi;
/** Read a file of pressure stall information. @return false with the reason in why */
HV_MUST_CHECK bool hv_psi_read(const char *path, hv_psi *psi, char *why, size_t why_bytes);
/** Read a figure such as 512M, or max, from the first line of a file. @return false with the reason in why */
HV_MUST_CHECK bool hv_target_read(const char *path, uint64_t *bytes, char *why, size_t why_bytes);

#endif
