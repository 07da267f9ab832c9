/* SPDX-License-Identifier: MIT
 *
 * A policy decides when an automatic technique acts. One file in policies/ with one descriptor hv_policy_NAME; the
 * build collects them. A policy sees numbers only and keeps no state: the monitor does. */
#ifndef HV_POLICY_H
#define HV_POLICY_H

#include "base/hv_base.h"

typedef struct hv_policy_input {
	uint64_t now_ns;
	uint64_t last_ns; /**< end of the last pass; before the first: when the policy was switched on */
	uint64_t period_ns;
} hv_policy_input;

typedef struct hv_policy_decision {
	bool act;         /**< make a pass now */
	uint64_t wait_ns; /**< else: ask again after this time */
} hv_policy_decision;

typedef struct hv_policy {
	const char *name, *summary;
	hv_policy_decision (*decide)(const hv_policy_input *input);
} hv_policy;

/** All policies, ended by NULL; collected by the build. */
extern const hv_policy *const hv_policies[];
/** @return NULL when unknown */
const hv_policy *hv_policy_find(const char *name);

#endif
