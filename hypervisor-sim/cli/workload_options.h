/* SPDX-License-Identifier: MIT
 *
 * Options of the scenarios that run a program in a VM: which, from which trace, how fast, how it is watched. */
#ifndef HV_WORKLOAD_OPTIONS_H
#define HV_WORKLOAD_OPTIONS_H

#include "cli/hv_session.h"
#include "cli/policy_options.h"
#include "rig/trial.h"

typedef struct hv_workload_options {
	hv_options common;
	hv_policy_options policy; /**< scenarios that offer it have hv_policy_argp as a child parser too */
	const char *workload;     /**< a name, names separated by commas, or "all" */
	const char *trace;        /**< file; NULL = none */
	uint64_t speed, sample_ms, slack_bytes, ask_bytes;
	hv_trace loaded; /**< when trace was given and is one of processes */
} hv_workload_options;

/** Child parser; its input is an hv_workload_options. It has the common options as its own child. */
extern const struct argp hv_workload_argp;
hv_workload_options hv_workload_options_default(void);
/** Check all; loads the trace. Ends the program with a usage error. */
void hv_workload_options_check(hv_workload_options *options, struct argp_state *state);
void hv_workload_options_clear(hv_workload_options *options);

/** Is this program asked for, and possible? "all" leaves out what needs a trace when there is none. */
bool hv_workload_wants(const hv_workload_options *options, const hv_program_kind *kind);
/** Make the program. @return as hv_program_make() */
HV_MUST_CHECK hv_err hv_workload_program(hv_workload_options *options, const hv_program_kind *kind, uint64_t seed,
					 uint64_t delay_ns, hv_program *program);
/** The rig and the rest of a trial, all but the program; periods and delays in wall clock. */
hv_trial_config hv_workload_trial(const hv_workload_options *options, const hv_technique *technique,
				  const hv_guest_allocator *allocator, const hv_backing *backing);
void hv_workload_parameters(cJSON *object, const hv_workload_options *options);

#endif
