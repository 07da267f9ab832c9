/* SPDX-License-Identifier: MIT
 *
 * Policy: keep what a guest has and does not use between two marks, --low and --high. Beyond a mark the limit goes to
 * the middle between them, so that small changes move nothing. Techniques without a limit make a pass, at most one a
 * period, while more than --high is resident and unused; what they took comes back by itself. */
#include "host/hv_policy.h"

static hv_policy_decision limit_decide(const hv_policy_input *input)
{
	uint64_t middle_bytes = input->low_bytes + (input->high_bytes - input->low_bytes) / 2;
	uint64_t free_bytes = input->limit_bytes > input->used_bytes ? input->limit_bytes - input->used_bytes : 0;
	uint64_t middle_limit = hv_policy_limit_for(input->memory_bytes, input->used_bytes, middle_bytes);
	if (hv_policy_starves(input))
		return hv_policy_feed(input, middle_bytes);
	bool low = free_bytes < input->low_bytes && middle_limit > input->limit_bytes;
	/* rounding may leave less than a huge frame to take: that is nothing to act upon */
	bool high = free_bytes > input->high_bytes && middle_limit < input->limit_bytes;
	if (low || (high && hv_policy_due(input)))
		return hv_policy_limit(middle_limit);
	return hv_policy_wait(HV_POLICY_POLL_NS);
}

static hv_policy_decision watermark_decide(const hv_policy_input *input, hv_policy_state *state)
{
	(void)state;
	if (input->used_bytes == HV_POLICY_UNKNOWN || input->low_bytes == HV_POLICY_UNKNOWN ||
	    input->high_bytes == HV_POLICY_UNKNOWN || input->high_bytes < input->low_bytes)
		return hv_policy_wait(input->period_ns);
	if (input->takes_limits)
		return limit_decide(input);
	bool much = input->resident_bytes != HV_POLICY_UNKNOWN && input->resident_bytes > input->used_bytes &&
		    input->resident_bytes - input->used_bytes > input->high_bytes;
	if (much && hv_policy_due(input))
		return hv_policy_pass();
	/* a look at resident memory costs more than the others */
	return hv_policy_wait(input->period_ns / 4 > HV_POLICY_POLL_NS ? input->period_ns / 4 : HV_POLICY_POLL_NS);
}

const hv_policy hv_policy_watermark = {
	.abi = HV_POLICY_ABI,
	.needs = HV_POLICY_NEEDS_USED | HV_POLICY_NEEDS_RESIDENT,
	.name = "watermark",
	.summary = "keeps what the guest has and does not use between --low and --high",
	.decide = watermark_decide,
};
