/* SPDX-License-Identifier: MIT
 *
 * Options of scenarios that run programs; see workload_options.h. */
#define _GNU_SOURCE
#include "cli/workload_options.h"

#include <inttypes.h>
#include <string.h>

enum { KEY_WORKLOAD = 'w', KEY_TRACE = 0x2000, KEY_SPEED, KEY_SAMPLE, KEY_SLACK, KEY_ASK };
enum { PERIOD_MS = 5000, REPORT_DELAY_MS = 2000, CONTROL_MS = 1000 };

static const struct argp_option option_table[] = {
	{ "workload", KEY_WORKLOAD, "NAME", 0,
	  "What the guest runs: compile, bursts, recorded (needs --trace), several, or all (default)", 0 },
	{ "trace", KEY_TRACE, "FILE", 0, "Process tree for the workload recorded; see hvsim record", 0 },
	{ "speed", KEY_SPEED, "N", 0,
	  "Simulated time over wall clock, 1 to 1000 (default 8); memory is real, so higher speeds weigh it more", 0 },
	{ "sample", KEY_SAMPLE, "MS", 0, "Look at resident memory this often, wall clock (default 25)", 0 },
	{ "slack", KEY_SLACK, "SIZE", 0,
	  "Techniques with a limit: what a guest keeps above what it uses (default: a sixteenth of its memory)", 0 },
	{ "ask-cache", KEY_ASK, "SIZE", 0,
	  "Ask guests with a driver each period to shrink the page cache to this (default: don't)", 0 },
	{ 0 }
};

hv_workload_options hv_workload_options_default(void)
{
	hv_workload_options options = { .common = hv_options_default(),
					.policy = hv_policy_options_default(),
					.workload = "all",
					.speed = 8,
					.sample_ms = 25,
					.ask_bytes = UINT64_MAX };
	options.common.memory_bytes = UINT64_C(2) << 30;
	options.common.vcpus = 4;
	options.common.iterations = 1;
	return options;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	hv_workload_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case KEY_WORKLOAD:
		options->workload = text;
		return 0;
	case KEY_TRACE:
		options->trace = text;
		return 0;
	case KEY_SPEED:
		options->speed = hv_options_number(state, "speed", text, 1, 1000);
		return 0;
	case KEY_SAMPLE:
		options->sample_ms = hv_options_number(state, "sample", text, 1, 60000);
		return 0;
	case KEY_SLACK:
		options->slack_bytes = hv_options_size(state, "slack", text);
		return 0;
	case KEY_ASK:
		options->ask_bytes = hv_options_size(state, "ask-cache", text);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = { { &hv_options_argp, 0, NULL, 0 }, { 0 } };
const struct argp hv_workload_argp = { .options = option_table, .parser = parse, .children = children };

static const char *workload_name(size_t idx)
{
	return hv_program_kinds[idx] != NULL ? hv_program_kinds[idx]->name : NULL;
}

static void trace_load(hv_workload_options *options, const struct argp_state *state)
{
	char why[200];
	if (hv_trace_open(&options->loaded, options->trace, why, sizeof(why)) != HV_OK)
		argp_error(state, "--trace %s: %s", options->trace, why);
	if (options->loaded.head.kind != HV_TRACE_PROCESSES)
		argp_error(state, "--trace %s is of a guest; allowed: one of processes (hvsim record -- COMMAND)",
			   options->trace);
}

void hv_workload_options_check(hv_workload_options *options, struct argp_state *state)
{
	if (options->common.target_bytes == 0)
		options->common.target_bytes = HV_HUGE_BYTES;
	hv_options_check(&options->common, state);
	hv_options_names(state, "workload", options->workload, workload_name);
	if (options->common.memory_bytes < (UINT64_C(32) << 20))
		argp_error(state, "--memory is too small for a workload; allowed: from 32M");
	if (options->common.vcpus > options->common.memory_bytes >> 23)
		argp_error(state, "--vcpus is too many for this --memory; allowed: up to %" PRIu64,
			   options->common.memory_bytes >> 23);
	if (options->slack_bytes == 0)
		options->slack_bytes = options->common.memory_bytes / 16;
	options->policy.setup.slack_bytes = options->slack_bytes;
	hv_policy_options_check(&options->policy, options->common.memory_bytes, state);
	if (options->common.dma)
		argp_error(state, "--device dma is not for workloads; allowed: none");
	bool named = strcmp(options->workload, "all") != 0;
	for (const hv_program_kind *const *each = hv_program_kinds; *each != NULL; each++)
		if (named && (*each)->needs_trace && options->trace == NULL &&
		    hv_options_wants(options->workload, (*each)->name))
			argp_error(state, "--workload %s needs --trace FILE", (*each)->name);
	if (options->trace != NULL)
		trace_load(options, state);
}

void hv_workload_options_clear(hv_workload_options *options)
{
	hv_trace_close(&options->loaded);
}

bool hv_workload_wants(const hv_workload_options *options, const hv_program_kind *kind)
{
	return hv_options_wants(options->workload, kind->name) && (!kind->needs_trace || options->trace != NULL);
}

hv_err hv_workload_program(hv_workload_options *options, const hv_program_kind *kind, uint64_t seed, uint64_t delay_ns,
			   hv_program *program)
{
	hv_program_config config = { .seed = seed,
				     .memory_bytes = options->common.memory_bytes,
				     .n_vcpus = (uint32_t)options->common.vcpus,
				     .delay_ns = delay_ns,
				     .trace = &options->loaded };
	return hv_program_make(program, kind, &config);
}

/* Simulated milliseconds as wall clock, at least one. */
static uint64_t wall_ns(const hv_workload_options *options, uint64_t sim_ms)
{
	uint64_t ns = sim_ms * 1000000 / options->speed;
	return ns > 1000000 ? ns : 1000000;
}

hv_trial_config hv_workload_trial(const hv_workload_options *options, const hv_technique *technique,
				  const hv_guest_allocator *allocator, const hv_backing *backing)
{
	const hv_options *common = &options->common;
	hv_tuning tuning = hv_options_tuning(common, REPORT_DELAY_MS);
	tuning.report_delay_ns = wall_ns(options, tuning.report_delay_ns / 1000000);
	uint64_t usual_ms = technique->automatic ? PERIOD_MS : CONTROL_MS;
	uint64_t period_ns = wall_ns(options, common->period_ms != 0 ? common->period_ms : usual_ms);
	if (technique->guest->reports)
		period_ns = 1000000; /* reporting is always on: its delay decides */
	return (hv_trial_config){
		.rig = { .vm = { .memory_bytes = common->memory_bytes,
				 .backing = backing,
				 .allocator = allocator,
				 .n_vcpus = (uint32_t)common->vcpus,
				 .fill_order = (unsigned)common->fill_order,
				 .install_timeout_ns = common->timeout_ms * 1000000,
				 .seed = common->seed,
				 .tuning = tuning },
			 .technique = technique,
			 .policy = options->policy.policy,
			 .policy_setup = &options->policy.setup,
			 .period_ns = period_ns,
			 .discard = HV_DISCARD_VECTORED,
			 .batch_huge = (uint32_t)common->batch_huge },
		.speed = (double)options->speed,
		.ask_bytes = options->ask_bytes,
	};
}

void hv_workload_parameters(cJSON *object, const hv_workload_options *options)
{
	const hv_options *common = &options->common;
	uint64_t delay_ns = hv_options_tuning(common, REPORT_DELAY_MS).report_delay_ns;
	cJSON_AddStringToObject(object, "technique", common->technique);
	cJSON_AddStringToObject(object, "backing", common->backing);
	cJSON_AddStringToObject(object, "allocator", common->allocator != NULL ? common->allocator : "technique's");
	hv_policy_parameters(object, &options->policy);
	cJSON_AddStringToObject(object, "workload", options->workload);
	if (options->trace != NULL)
		cJSON_AddStringToObject(object, "trace", options->trace);
	cJSON_AddNumberToObject(object, "memory_bytes", (double)common->memory_bytes);
	cJSON_AddNumberToObject(object, "vcpus", (double)common->vcpus);
	cJSON_AddNumberToObject(object, "iterations", (double)common->iterations);
	cJSON_AddNumberToObject(object, "speed", (double)options->speed);
	cJSON_AddNumberToObject(object, "sample_ms", (double)options->sample_ms);
	cJSON_AddNumberToObject(object, "slack_bytes", (double)options->slack_bytes);
	if (options->ask_bytes != UINT64_MAX)
		cJSON_AddNumberToObject(object, "ask_cache_bytes", (double)options->ask_bytes);
	cJSON_AddNumberToObject(object, "period_ms", (double)(common->period_ms != 0 ? common->period_ms : PERIOD_MS));
	cJSON_AddNumberToObject(object, "control_ms",
				(double)(common->period_ms != 0 ? common->period_ms : CONTROL_MS));
	cJSON_AddNumberToObject(object, "report_order", (double)common->report_order);
	cJSON_AddNumberToObject(object, "report_delay_ms", (double)(delay_ns / 1000000));
	cJSON_AddNumberToObject(object, "report_batch", (double)common->report_batch);
	cJSON_AddNumberToObject(object, "batch", (double)common->batch_huge);
	cJSON_AddNumberToObject(object, "order", (double)common->fill_order);
	cJSON_AddNumberToObject(object, "block_bytes", (double)common->block_bytes);
	cJSON_AddNumberToObject(object, "seed", (double)common->seed);
}
