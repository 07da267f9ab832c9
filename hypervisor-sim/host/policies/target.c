/* SPDX-License-Identifier: MIT
 *
 * Policy: the VM shall have what a file says, read again and again, so that a person or a controller drives it while it
 * runs. Techniques that take limits get it as their limit, rounded down to huge frames and at least one; a guest that
 * does not have that much free is asked again every period. The others make a pass, at most one a period, while more
 * is resident. */
#include "host/hv_policy.h"

static hv_policy_decision target_decide(const hv_policy_input *input, hv_policy_state *state)
{
	(void)state;
	if (input->target_bytes == HV_POLICY_UNKNOWN)
		return hv_policy_wait(HV_POLICY_POLL_NS);
	uint64_t wanted = input->target_bytes - input->target_bytes % HV_POLICY_HUGE_BYTES;
	wanted = wanted > HV_POLICY_HUGE_BYTES ? wanted : HV_POLICY_HUGE_BYTES;
	wanted = wanted < input->memory_bytes ? wanted : input->memory_bytes;
	if (!input->takes_limits) {
		bool much = input->resident_bytes != HV_POLICY_UNKNOWN && input->resident_bytes > wanted;
		return much && hv_policy_due(input) ? hv_policy_pass() : hv_policy_wait(10 * HV_POLICY_POLL_NS);
	}
	/* state: the target that was tried last; a new one is tried at once */
	bool is_new = state->words[0] != wanted;
	if (input->limit_bytes == wanted || (!is_new && !hv_policy_due(input)))
		return hv_policy_wait(HV_POLICY_POLL_NS);
	state->words[0] = wanted;
	return hv_policy_limit(wanted);
}

const hv_policy hv_policy_target = {
	.abi = HV_POLICY_ABI,
	.needs = HV_POLICY_NEEDS_TARGET | HV_POLICY_NEEDS_RESIDENT,
	.name = "target",
	.summary = "the VM shall have what --target-file says, which may change while it runs",
	.decide = target_decide,
};
