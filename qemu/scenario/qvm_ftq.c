/* SPDX-License-Identifier: MIT
 *
 * ftq: compute time of a real guest while it is resized. */
#include "scenario/qvm_scenario.h"
#include "scenario/shared/qvm_impact.h"

static int ftq_run(int argc, char **argv)
{
	static const qvm_impact_spec spec = {
		.scenario = "ftq",
		.doc = "Compute time of a guest (fixed time quanta on every vCPU) while its VM is shrunk to --target "
		       "and "
		       "grown again by each technique, beside the same without any resize. Defaults "
		       "here: " QVM_IMPACT_DEFAULTS,
		.measure = &hv_impact_work,
	};
	return qvm_impact_command(&spec, argc, argv);
}

const qvm_scenario qvm_scenario_ftq = {
	.name = "ftq",
	.summary = "work per fixed time quantum of a guest while its VM is resized",
	.run = ftq_run,
};
