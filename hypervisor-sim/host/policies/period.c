/* SPDX-License-Identifier: MIT
 *
 * Policy: act every period, counted from the end of the last action, so that slow ones never queue up. Techniques that
 * take limits get what the guest uses and some slack, and at once more when somebody in the guest waits for memory. */
#include "host/hv_policy.h"

static hv_policy_decision period_decide(const hv_policy_input *input, hv_policy_state *state)
{
	(void)state;
	if (hv_policy_starves(input))
		return hv_policy_feed(input, input->slack_bytes);
	if (!input->takes_limits && hv_policy_due(input))
		return hv_policy_pass();
	if (!input->takes_limits)
		return hv_policy_wait(input->period_ns - (input->now_ns - input->last_ns));
	if (hv_policy_due(input) && input->used_bytes != HV_POLICY_UNKNOWN)
		return hv_policy_limit(hv_policy_limit_for(input->memory_bytes, input->used_bytes, input->slack_bytes));
	return hv_policy_watch(input);
}

const hv_policy hv_policy_period = {
	.abi = HV_POLICY_ABI,
	.needs = HV_POLICY_NEEDS_USED,
	.name = "period",
	.summary = "every --period: a pass, or a limit of what the guest uses and --slack",
	.decide = period_decide,
};
