/* SPDX-License-Identifier: MIT
 *
 * The monitor of one VM: the one thread that reclaims and returns. It executes what it is told (shrink, grow, one
 * pass), or acts by a policy; each move is timed on this thread, without the time it took to wake up. Installs are
 * served beside it by the install service. */
#ifndef HV_MONITOR_H
#define HV_MONITOR_H

#include "host/hv_policy.h"
#include "techniques/hv_technique.h"

#include <pthread.h>

/** What one command or pass did. */
typedef struct hv_move {
	hv_err err;
	uint64_t bytes; /**< that changed hands */
	uint64_t huge;  /**< whole huge frames of these */
	uint64_t elapsed_ns;
	uint64_t discard_calls;
} hv_move;

typedef enum hv_command { HV_COMMAND_NONE, HV_COMMAND_SHRINK, HV_COMMAND_GROW, HV_COMMAND_PASS } hv_command;

typedef struct hv_monitor {
	hv_host *host;
	const hv_technique *technique;
	const hv_policy *policy; /**< acts only while passes are allowed */
	uint64_t period_ns;
	pthread_t thread;
	pthread_mutex_t lock; /**< protects all below */
	pthread_cond_t changed;
	bool running, quit;
	bool in_pass;            /**< of the policy */
	uint64_t passes_allowed; /**< that the policy may still make; UINT64_MAX = no end */
	hv_command command;
	uint64_t limit_bytes;
	hv_move last;
	uint64_t last_ns;
	uint64_t n_passes; /**< made by the policy */
} hv_monitor;

/** policy may be NULL for techniques that are not automatic; period_ns 0 = the technique's usual one. */
HV_MUST_CHECK hv_err hv_monitor_start(hv_monitor *self, hv_host *host, const hv_technique *technique,
				      const hv_policy *policy, uint64_t period_ns);
/** Ends the thread after what it is doing. Idempotent. */
void hv_monitor_stop(hv_monitor *self);

/** Have the monitor do this, and wait until it is done. HV_ERR_INVAL when the technique can't. */
hv_move hv_monitor_do(hv_monitor *self, hv_command command, uint64_t limit_bytes);

/** Switch the policy on or off; switching on begins a period, switching off waits for the end of a pass that runs. */
void hv_monitor_policy(hv_monitor *self, bool on);
/** Passes that the policy has made, and the last of them. */
uint64_t hv_monitor_passes(hv_monitor *self, hv_move *last);
/** Switch the policy on, wait for its first pass, switch it off. */
hv_move hv_monitor_next_pass(hv_monitor *self);

#endif
