/* SPDX-License-Identifier: MIT
 *
 * Options of impact scenarios; see impact_options.h. */
#define _GNU_SOURCE
#include "cli/impact_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { KEY_DURATION = 'd', KEY_QUANTUM = 0x4000, KEY_BUFFER, KEY_BURST, KEY_FLOAT };
enum { SHORT_DELAY_MS = 20, PERIOD_MS = 500, DURATION_MAX_S = 3600 };

static const struct argp_option option_table[] = {
	{ "duration", KEY_DURATION, "SECONDS", 0,
	  "Length of each window, resized or left alone; longer where its resizes are (default 2.5)", 0 },
	{ "quantum", KEY_QUANTUM, "MS", 0, "Step of the series, and of what is counted, in milliseconds (default 10)",
	  0 },
	{ "buffer", KEY_BUFFER, "SIZE", 0,
	  "Memory that each vCPU works in (default: of stream 64M, of ftq 2M; less when the target is small)", 0 },
	{ "float", KEY_FLOAT, NULL, 0,
	  "Leave the vCPUs to the scheduler (default: each on a CPU of its own, where there are enough)", 0 },
	{ "burst", KEY_BURST, "SIZE", 0,
	  "Automatic techniques: what the guest allocates, writes and frees in each period (default: an eighth of the "
	  "target)",
	  0 },
	{ 0 }
};

hv_impact_options hv_impact_options_default(const hv_impact_spec *spec)
{
	hv_impact_options options = { .common = hv_options_default(),
				      .spec = spec,
				      .duration_s = 2.5,
				      .quantum_ms = 10,
				      .burst_bytes = UINT64_MAX };
	options.common.memory_bytes = UINT64_C(2) << 30;
	options.common.slow_bytes = UINT64_C(256) << 20;
	options.common.vcpus = llfree_machine_cpus();
	options.common.period_ms = PERIOD_MS;
	return options;
}

/* What the target has for buffers: half of what no slot and no partly used huge frame takes. */
static uint64_t buffer_max_bytes(const hv_impact_options *options)
{
	uint64_t slack_bytes = (4 + 3 * options->common.vcpus) * (uint64_t)HV_HUGE_BYTES;
	uint64_t target_bytes = options->common.target_bytes;
	uint64_t part_bytes = options->spec->buffer_parts * HV_HUGE_BYTES;
	uint64_t room_bytes = target_bytes > slack_bytes ? (target_bytes - slack_bytes) / 2 : 0;
	return room_bytes / options->common.vcpus / part_bytes * part_bytes;
}

static void check(hv_impact_options *options, const struct argp_state *state)
{
	char low[32], high[32];
	uint64_t part_bytes = options->spec->buffer_parts * HV_HUGE_BYTES;
	if (options->common.target_bytes == 0)
		options->common.target_bytes = options->common.memory_bytes / 4 & ~(uint64_t)(HV_HUGE_BYTES - 1);
	hv_options_check(&options->common, state);
	uint64_t max_bytes = buffer_max_bytes(options);
	hv_format_bytes(part_bytes, low, sizeof(low));
	hv_format_bytes(max_bytes, high, sizeof(high));
	if (max_bytes == 0)
		argp_error(state, "--target is too small for the buffers of %" PRIu64 " vCPUs, %s each at least",
			   options->common.vcpus, low);
	if (options->buffer_bytes == 0)
		options->buffer_bytes =
			options->spec->buffer_bytes < max_bytes ? options->spec->buffer_bytes : max_bytes;
	if (options->buffer_bytes > max_bytes || options->buffer_bytes % part_bytes != 0)
		argp_error(state,
			   "--buffer does not fit; allowed for this --target and --vcpus: multiples of %s up to %s",
			   low, high);
	if (options->burst_bytes == UINT64_MAX)
		options->burst_bytes = options->common.target_bytes / 8 & ~(uint64_t)(HV_HUGE_BYTES - 1);
	if (options->burst_bytes > options->common.target_bytes / 2)
		argp_error(state, "--burst is too large; allowed: up to half of the target");
	if ((double)options->quantum_ms > options->duration_s * 1000)
		argp_error(state, "--quantum is longer than --duration");
}

static void duration_parse(hv_impact_options *options, const char *text, const struct argp_state *state)
{
	char *end;
	errno = 0;
	options->duration_s = strtod(text, &end);
	if (end == text || *end != '\0' || errno != 0 || !(options->duration_s >= 0.1) ||
	    options->duration_s > DURATION_MAX_S)
		argp_error(state, "--duration is '%s'; allowed: 0.1 to %d", text, DURATION_MAX_S);
}

static uint64_t size(const struct argp_state *state, const char *name, const char *text)
{
	uint64_t value = hv_options_size(state, name, text);
	if (value % HV_HUGE_BYTES != 0)
		argp_error(state, "--%s is '%s'; allowed: multiples of 2M", name, text);
	return value;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	hv_impact_options *options = state->input;
	uint64_t number = 0;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case KEY_DURATION:
		duration_parse(options, text, state);
		return 0;
	case KEY_QUANTUM:
		if (!hv_parse_bytes(text, &number) || number == 0 || number > 1000)
			argp_error(state, "--quantum is '%s'; allowed: 1 to 1000", text);
		options->quantum_ms = number;
		return 0;
	case KEY_BUFFER:
		options->buffer_bytes = size(state, "buffer", text);
		if (options->buffer_bytes == 0)
			argp_error(state, "--buffer is '%s'; allowed: a size above zero", text);
		return 0;
	case KEY_FLOAT:
		options->floating = true;
		return 0;
	case KEY_BURST:
		options->burst_bytes = size(state, "burst", text);
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is not an option; see --help", text);
		return EINVAL;
	case ARGP_KEY_END:
		check(options, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &hv_options_argp, 0, NULL, 0 }, { 0 } };
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
		.buffer_bytes = options->buffer_bytes,
		.burst_bytes = options->burst_bytes,
		.window_ns = (uint64_t)(options->duration_s * 1e9),
		.quantum_ns = options->quantum_ms * 1000000,
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
	cJSON_AddNumberToObject(object, "duration_s", options->duration_s);
	cJSON_AddNumberToObject(object, "quantum_ms", (double)options->quantum_ms);
	cJSON_AddNumberToObject(object, "buffer_bytes", (double)options->buffer_bytes);
	cJSON_AddNumberToObject(object, "burst_bytes", (double)options->burst_bytes);
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
