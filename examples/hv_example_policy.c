/* SPDX-License-Identifier: MIT
 *
 * A policy as a plug-in: memory is taken at night only, and gently: the first action after a quiet period, then ever
 * less often. "Night" is the first half of every ten seconds, so that one can see it.
 * Build: cc -O2 -shared -fPIC -I hypervisor-sim/host examples/hv_example_policy.c -o nightly.so
 * Run: hvsim footprint --policy ./nightly.so --technique llfree-auto,llfree-manual */
#define HV_POLICY_EXPORT
#include "hv_policy.h"

#define NIGHT_NS UINT64_C(5000000000)

/* state: words[0] actions of this night, words[1] the night */
static hv_policy_decision nightly_decide(const hv_policy_input *input, hv_policy_state *state)
{
	uint64_t night = input->now_ns / (2 * NIGHT_NS), into_ns = input->now_ns % (2 * NIGHT_NS);
	if (hv_policy_starves(input))
		return hv_policy_feed(input, input->slack_bytes);
	if (into_ns >= NIGHT_NS)
		return hv_policy_watch(input);
	if (state->words[1] != night) {
		state->words[0] = 0;
		state->words[1] = night;
	}
	if (input->now_ns - input->last_ns < input->period_ns << (state->words[0] < 4 ? state->words[0] : 4))
		return hv_policy_watch(input);
	state->words[0]++;
	if (!input->takes_limits)
		return hv_policy_pass();
	if (input->used_bytes == HV_POLICY_UNKNOWN)
		return hv_policy_watch(input);
	return hv_policy_limit(hv_policy_limit_for(input->memory_bytes, input->used_bytes, input->slack_bytes));
}

const hv_policy hv_policy_plugin = {
	.abi = HV_POLICY_ABI,
	.needs = HV_POLICY_NEEDS_USED,
	.name = "nightly",
	.summary = "takes memory at night, ever less often",
	.decide = nightly_decide,
};
