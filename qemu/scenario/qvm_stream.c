/* SPDX-License-Identifier: MIT
 *
 * stream: memory bandwidth of a real guest while it is resized. */
#include "scenario/qvm_scenario.h"
#include "scenario/shared/qvm_impact.h"

static int stream_run(int argc, char **argv)
{
	static const qvm_impact_spec spec = {
		.scenario = "stream",
		.doc = "Memory bandwidth of a guest (STREAM copy on every vCPU) while its VM is shrunk to --target and "
		       "grown again by each technique, beside the same without any resize. Defaults "
		       "here: " QVM_IMPACT_DEFAULTS,
		.measure = &hv_impact_bandwidth,
	};
	return qvm_impact_command(&spec, argc, argv);
}

const qvm_scenario qvm_scenario_stream = {
	.name = "stream",
	.summary = "memory bandwidth of a guest while its VM is resized",
	.run = stream_run,
};
