/* SPDX-License-Identifier: MIT
 *
 * Options of the scenarios that let a policy drive their VMs: which policy, and what it is told. */
#ifndef HV_POLICY_OPTIONS_H
#define HV_POLICY_OPTIONS_H

#include "host/policy_registry.h"
#include "host/policy_source.h"
#include "result/hv_result.h"

#include <argp.h>

typedef struct hv_policy_options {
	const char *name; /**< of a policy, or a shared object */
	const hv_policy *policy;
	hv_policy_setup setup;
} hv_policy_options;

/** Child parser; its input is an hv_policy_options. */
extern const struct argp hv_policy_argp;
/** period, reports to the user. */
hv_policy_options hv_policy_options_default(void);
/** Check all that no single option can. Ends the program with a usage error. */
void hv_policy_options_check(hv_policy_options *options, uint64_t memory_bytes, struct argp_state *state);
/** @return true: this machine lacks what the policy needs, and the result says so */
HV_MUST_CHECK bool hv_policy_options_skip(const hv_policy_options *options, hv_result *result);
/** @return false with the reason in why: this machine lacks what it needs */
HV_MUST_CHECK bool hv_policy_available(const hv_policy *policy, const hv_policy_setup *setup, char *why,
				       size_t why_bytes);
void hv_policy_parameters(cJSON *object, const hv_policy_options *options);

#endif
