/* SPDX-License-Identifier: MIT
 *
 * Options of the scenarios that let a policy drive the passes of automatic techniques: those of hvsim
 * (cli/policy_options.h) and the period. */
#ifndef QVM_POLICY_OPTIONS_H
#define QVM_POLICY_OPTIONS_H

#include "cli/policy_options.h"
#include "rig/qvm_rig.h"

typedef struct qvm_policy_options {
	hv_policy_options policy;
	uint64_t period_ms; /**< 0 = the technique's usual one */
} qvm_policy_options;

/** Child parser; its input is a qvm_policy_options. */
extern const struct argp qvm_policy_argp;
/** @param period_ms  when the user gives none; 0 = the technique's */
qvm_policy_options qvm_policy_options_default(uint64_t period_ms);
/** Check what no single option can. Ends the program with a usage error. */
void qvm_policy_options_check(qvm_policy_options *options, uint64_t memory_bytes, struct argp_state *state);
void qvm_policy_parameters(cJSON *object, const qvm_policy_options *options);

/** Have it drive this technique's VM, if the monitor makes the passes; what QEMU's devices do by themselves no policy
 *  drives. */
void qvm_policy_drive(const qvm_policy_options *options, qvm_rig_config *config);
/** A pass as the policy would make it; without a policy at once. HV_ERR_TIMEOUT: the policy saw no reason to. */
hv_move qvm_policy_pass(qvm_rig *rig);

#endif
