/* SPDX-License-Identifier: MIT
 *
 * Policy: act while tasks wait for memory, by the kernel's pressure stall information (PSI) of the host or of a cgroup.
 * Pressure begins when some tasks waited for --threshold percent of the last ten seconds and ends below half of that.
 * Under it: every period a pass, or a limit of what the guest uses and --slack. Afterwards all is given again. */
#include "host/hv_policy.h"

static bool under_pressure(const hv_policy_input *input, hv_policy_state *state)
{
	double bound = state->words[0] != 0 ? input->threshold_percent / 2 : input->threshold_percent;
	state->words[0] = input->some_avg10 >= bound && input->some_avg10 > 0;
	return state->words[0] != 0;
}

static hv_policy_decision pressure_decide(const hv_policy_input *input, hv_policy_state *state)
{
	if (hv_policy_starves(input))
		return hv_policy_feed(input, input->slack_bytes);
	if (input->some_us == HV_POLICY_UNKNOWN) /* it can't be read now: all stays as it is */
		return hv_policy_watch(input);
	bool pressure = under_pressure(input, state);
	if (!input->takes_limits)
		return pressure && hv_policy_due(input) ? hv_policy_pass() : hv_policy_wait(10 * HV_POLICY_POLL_NS);
	if (!pressure && input->limit_bytes < input->memory_bytes)
		return hv_policy_limit(input->memory_bytes);
	if (pressure && hv_policy_due(input) && input->used_bytes != HV_POLICY_UNKNOWN)
		return hv_policy_limit(hv_policy_limit_for(input->memory_bytes, input->used_bytes, input->slack_bytes));
	return hv_policy_wait(input->limit_bytes < input->memory_bytes ? HV_POLICY_POLL_NS : 10 * HV_POLICY_POLL_NS);
}

const hv_policy hv_policy_pressure = {
	.abi = HV_POLICY_ABI,
	.needs = HV_POLICY_NEEDS_PRESSURE | HV_POLICY_NEEDS_USED,
	.name = "pressure",
	.summary = "acts while tasks of the host, or of a cgroup (--pressure), wait for memory",
	.decide = pressure_decide,
};
