/* SPDX-License-Identifier: MIT
 *
 * Options of impact scenarios; see impact_options.h. */
#define _GNU_SOURCE
#include "cli/impact_options.h"

enum { KEY_FLOAT = 0x4100, SHORT_DELAY_MS = 20, PERIOD_MS = 500 };

static const struct argp_option option_table[] = {
	{ "float", KEY_FLOAT, NULL, 0,
	  "Leave the vCPUs to the scheduler (default: each on a CPU of its own, where there are enough)", 0 },
	{ 0 }
};

hv_impact_options hv_impact_options_default(const hv_impact_spec *spec)
{
	hv_impact_options options = { .common = hv_options_default(),
				      .spec = spec,
				      .timing = hv_impact_timing_default() };
	options.common.memory_bytes = UINT64_C(2) << 30;
	options.common.slow_bytes = UINT64_C(256) << 20;
	options.common.vcpus = llfree_machine_cpus();
	options.common.period_ms = PERIOD_MS;
	return options;
}

/* What the target has for buffers: half of what no slot and no partly used huge frame takes. */
static uint64_t room_bytes(const hv_options *common)
{
	uint64_t slack_bytes = (4 + 3 * common->vcpus) * (uint64_t)HV_HUGE_BYTES;
	return common->target_bytes > slack_bytes ? (common->target_bytes - slack_bytes) / 2 : 0;
}

static void check(hv_impact_options *options, const struct argp_state *state)
{
	hv_options *common = &options->common;
	const hv_impact_measure *measure = options->spec->measure;
	if (common->target_bytes == 0)
		common->target_bytes = common->memory_bytes / 4 & ~(uint64_t)(HV_HUGE_BYTES - 1);
	hv_options_check(common, state);
	hv_impact_timing_check(&options->timing, state, measure->buffer_bytes, measure->buffer_parts * HV_HUGE_BYTES,
			       room_bytes(common), common->vcpus, common->target_bytes);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	hv_impact_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->timing;
		state->child_inputs[1] = &options->common;
		return 0;
	case KEY_FLOAT:
		options->floating = true;
		return 0;
	case ARGP_KEY_END:
		check(options, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static const struct argp_child children[] = { { &hv_impact_timing_argp, 0, NULL, 0 },
					      { &hv_options_argp, 0, NULL, 0 },
					      { 0 } };
const struct argp hv_impact_argp = { .options = option_table, .parser = parse, .children = children };

hv_impact_config hv_impact_options_config(const hv_impact_options *options, const hv_technique *technique,
					  const hv_guest_allocator *allocator, const hv_backing *backing)
{
	const hv_options *common = &options->common;
	return (hv_impact_config){
		.rig = { .vm = { .memory_bytes = common->memory_bytes,
				 .backing = backing,
				 .allocator = allocator,
				 .n_vcpus = (uint32_t)common->vcpus,
				 .fill_order = (unsigned)common->fill_order,
				 .install_timeout_ns = common->timeout_ms * 1000000,
				 .seed = common->seed,
				 .tuning = hv_options_tuning(common, SHORT_DELAY_MS) },
			 .technique = technique,
			 .policy = technique->automatic ? hv_policy_find("period") : NULL,
			 .period_ns = common->period_ms * 1000000,
			 .discard = HV_DISCARD_VECTORED,
			 .batch_huge = (uint32_t)common->batch_huge,
			 .dma = common->dma },
		.kernel = options->spec->kernel,
		.target_bytes = hv_options_target(common, technique),
		.buffer_bytes = options->timing.buffer_bytes,
		.burst_bytes = options->timing.burst_bytes,
		.window_ns = (uint64_t)(options->timing.duration_s * 1e9),
		.quantum_ns = options->timing.quantum_ms * 1000000,
		.floating = options->floating,
		.interrupted = options->spec->interrupted,
	};
}

void hv_impact_parameters(cJSON *object, const hv_impact_options *options)
{
	const hv_options *common = &options->common;
	cJSON_AddStringToObject(object, "technique", common->technique);
	cJSON_AddStringToObject(object, "backing", common->backing);
	cJSON_AddStringToObject(object, "allocator", common->allocator != NULL ? common->allocator : "technique's");
	cJSON_AddNumberToObject(object, "memory_bytes", (double)common->memory_bytes);
	cJSON_AddNumberToObject(object, "target_bytes", (double)common->target_bytes);
	cJSON_AddNumberToObject(object, "slow_bytes", (double)common->slow_bytes);
	cJSON_AddNumberToObject(object, "iterations", (double)common->iterations);
	cJSON_AddNumberToObject(object, "duration_s", options->timing.duration_s);
	cJSON_AddNumberToObject(object, "quantum_ms", (double)options->timing.quantum_ms);
	cJSON_AddNumberToObject(object, "buffer_bytes", (double)options->timing.buffer_bytes);
	cJSON_AddNumberToObject(object, "burst_bytes", (double)options->timing.burst_bytes);
	cJSON_AddNumberToObject(object, "vcpus", (double)common->vcpus);
	cJSON_AddBoolToObject(object, "pinned", !options->floating);
	cJSON_AddNumberToObject(object, "batch", (double)common->batch_huge);
	cJSON_AddNumberToObject(object, "order", (double)common->fill_order);
	cJSON_AddNumberToObject(object, "period_ms", (double)common->period_ms);
	cJSON_AddNumberToObject(object, "report_order", (double)common->report_order);
	cJSON_AddNumberToObject(object, "report_delay_ms",
				(double)(hv_options_tuning(common, SHORT_DELAY_MS).report_delay_ns / 1000000));
	cJSON_AddNumberToObject(object, "report_batch", (double)common->report_batch);
	cJSON_AddNumberToObject(object, "block_bytes", (double)common->block_bytes);
	cJSON_AddStringToObject(object, "device", common->dma ? "dma" : "none");
	cJSON_AddNumberToObject(object, "seed", (double)common->seed);
}
