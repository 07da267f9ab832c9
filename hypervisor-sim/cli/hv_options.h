/* SPDX-License-Identifier: MIT
 *
 * The options that scenarios share, as an argp child, and their checks. What is wrong is said together with what is
 * allowed; usage errors end the program with 2 before anything is made. */
#ifndef HV_OPTIONS_H
#define HV_OPTIONS_H

#include "techniques/hv_technique.h"

#include <argp.h>

enum { HV_EXIT_CHECK = 1, HV_EXIT_USAGE = 2, HV_EXIT_INTERRUPTED = 130 };

typedef struct hv_options {
	const char *technique; /**< a name, names separated by commas, or "all" */
	const char *backing;   /**< likewise */
	bool backing_given;    /**< by the user */
	const char *allocator; /**< of the guest; NULL = the technique's own */
	bool dma;              /**< with the DMA device */
	const char *json;      /**< NULL = none */
	bool live;             /**< show what the VMs do */
	uint64_t memory_bytes, target_bytes;
	uint64_t block_bytes, slow_bytes;
	uint64_t report_order, report_delay_ms, report_batch; /**< delay: UINT64_MAX = the scenario's default */
	uint64_t iterations, vcpus, batch_huge, fill_order, seed, period_ms, timeout_ms;
} hv_options;

/** Child parser; its input is an hv_options, filled with defaults by the scenario or hv_options_default(). */
extern const struct argp hv_options_argp;
hv_options hv_options_default(void);

/** Check everything that no single option can; ends the program with a usage error. */
void hv_options_check(const hv_options *options, const struct argp_state *state);

/** What the drivers of the guest are told. */
hv_tuning hv_options_tuning(const hv_options *options, uint64_t default_delay_ms);
/** The guest allocator for a technique. @return NULL with the reason in why: they do not go together */
const hv_guest_allocator *hv_options_allocator(const hv_options *options, const hv_technique *technique, char *why,
					       size_t why_bytes);

/** The value of an option that is any size. Ends the program with a usage error. */
uint64_t hv_options_size(const struct argp_state *state, const char *name, const char *text);
/** The value of an option that is a whole number. Ends the program with a usage error. */
uint64_t hv_options_number(const struct argp_state *state, const char *name, const char *text, uint64_t low,
			   uint64_t high);
/** Every name of the list must be "all" alone, or one of name_at(0), name_at(1)...: NULL ends them. Else it ends the
 *  program with a usage error that names them. */
void hv_options_names(const struct argp_state *state, const char *kind, const char *list,
		      const char *(*name_at)(size_t idx));
/** The target for a technique: one that moves less than a huge frame at once is slow, and moves less memory. */
uint64_t hv_options_target(const hv_options *options, const hv_technique *technique);

/** What a scenario's parser returns for a key that is none of its own: an argument is a usage error. */
error_t hv_options_other(int key, const char *text, const struct argp_state *state);

/** Is this technique, or backing, among those asked for? */
bool hv_options_wants(const char *list, const char *name);

#endif
