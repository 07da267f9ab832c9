/* SPDX-License-Identifier: MIT
 *
 * Policy: a pass every period, counted from the end of the last one, so that slow passes never queue up. */
#include "host/hv_policy.h"

static hv_policy_decision period_decide(const hv_policy_input *input)
{
	uint64_t since_ns = input->now_ns - input->last_ns;
	if (since_ns >= input->period_ns)
		return (hv_policy_decision){ .act = true };
	return (hv_policy_decision){ .wait_ns = input->period_ns - since_ns };
}

const hv_policy hv_policy_period = {
	.name = "period",
	.summary = "a pass every period",
	.decide = period_decide,
};
