/* SPDX-License-Identifier: MIT
 *
 * Options of policies that drive VMs; see qvm_policy_options.h. */
#define _GNU_SOURCE
#include "cli/qvm_policy_options.h"
#include "cli/hv_options.h"
#include "techniques/qvm_technique.h"

enum { KEY_PERIOD = 0x6100 };

static const struct argp_option option_table[] = {
	{ "period", KEY_PERIOD, "MS", 0, "Period of automatic techniques that the monitor drives, in milliseconds", 0 },
	{ 0 }
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	qvm_policy_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->policy;
		return 0;
	case KEY_PERIOD:
		options->period_ms = hv_options_number(state, "period", text, 1, 3600000);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &hv_policy_argp, 0, NULL, 0 }, { 0 } };
const struct argp qvm_policy_argp = { .options = option_table, .parser = parse, .children = children };

qvm_policy_options qvm_policy_options_default(uint64_t period_ms)
{
	return (qvm_policy_options){ .policy = hv_policy_options_default(), .period_ms = period_ms };
}

void qvm_policy_options_check(qvm_policy_options *options, uint64_t memory_bytes, struct argp_state *state)
{
	hv_policy_options_check(&options->policy, memory_bytes, state);
}

void qvm_policy_parameters(cJSON *object, const qvm_policy_options *options)
{
	hv_policy_parameters(object, &options->policy);
	cJSON_AddNumberToObject(object, "period_ms", (double)options->period_ms);
}

void qvm_policy_drive(const qvm_policy_options *options, qvm_rig_config *config)
{
	if (!qvm_technique_driven(config->technique))
		return;
	config->policy = options->policy.policy;
	config->policy_setup = &options->policy.setup;
	config->period_ns = options->period_ms * 1000000;
}

hv_move qvm_policy_pass(qvm_rig *rig)
{
	return rig->config.policy != NULL ? hv_monitor_next_pass(&rig->monitor)
					  : hv_monitor_do(&rig->monitor, HV_COMMAND_PASS, 0);
}
