/* SPDX-License-Identifier: MIT
 *
 * hvsim replay: execute the trace of a guest again, event by event, and compare what comes of each with what was
 * recorded; of a process tree: show its memory over time. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "rig/guest_trace.h"
#include "scenario/hv_scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { CURVE_LINES = 20 };

typedef struct replay_options {
	hv_options common;
	bool technique_given;
	const char *file;
	hv_trace trace;
} replay_options;

static error_t parse(int key, char *text, struct argp_state *state)
{
	replay_options *options = state->input;
	char why[220];
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case ARGP_KEY_ARG:
		if (options->file != NULL)
			argp_error(state, "'%s' is a second file; allowed: one", text);
		options->file = text;
		return 0;
	case ARGP_KEY_END:
		if (options->file == NULL)
			argp_error(state, "no trace is given; allowed: a file made by hvsim record");
		if (options->common.target_bytes == 0)
			options->common.target_bytes = HV_HUGE_BYTES;
		options->technique_given = strcmp(options->common.technique, "all") != 0;
		hv_options_check(&options->common, state);
		if (options->technique_given && hv_technique_find(options->common.technique) == NULL)
			argp_error(state, "--technique is '%s'; allowed: one", options->common.technique);
		if (hv_backing_find(options->common.backing) == NULL)
			argp_error(state, "--backing is '%s'; allowed: one", options->common.backing);
		if (hv_trace_open(&options->trace, options->file, why, sizeof(why)) != HV_OK)
			argp_error(state, "%s: %s", options->file, why);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void series_add(hv_samples *samples, double value)
{
	if (hv_samples_add(samples, value) != HV_OK)
		fprintf(stderr, "hvsim: %s\n", hv_err_text(HV_ERR_SYSTEM));
}

static void curve_emit(hv_result *result, hv_samples *series, double interval_s)
{
	static const char *const names[] = { "anonymous", "mapped-files", "page-cache-growth", "processes" };
	hv_row like = { .scenario = "replay", .technique = "-", .backing = "-", .phase = "processes", .quiet = true };
	for (size_t at = 0; at < 4; at++) {
		hv_session_series(result, &like, names[at], at < 3 ? "bytes" : "count", &series[at], interval_s);
		hv_samples_clear(&series[at]);
	}
}

/* The tree's memory, as a table of some lines and as series. */
static void processes_show(hv_trace *trace, hv_result *result)
{
	hv_samples series[4] = { { 0 } };
	hv_trace_event event;
	uint64_t n_samples = 0, now_us = 0, anon = 0, at = 0;
	while (hv_trace_next(trace, &event))
		n_samples += event.tag == HV_TRACE_SAMPLE;
	hv_trace_rewind(trace);
	hv_result_say(result, "%s\n%8s %12s %12s %12s %10s\n", trace->head.origin, "s", "anonymous", "mapped", "cache",
		      "processes");
	while (hv_trace_next(trace, &event)) {
		if (event.tag != HV_TRACE_SAMPLE)
			continue;
		char text[3][32];
		now_us += event.fields[0];
		anon += event.fields[1] - event.fields[2];
		uint64_t bytes[3] = { anon * HV_FRAME_BYTES, event.fields[3] * HV_FRAME_BYTES,
				      event.fields[4] * HV_FRAME_BYTES };
		for (size_t each = 0; each < 3; each++) {
			series_add(&series[each], (double)bytes[each]);
			hv_format_bytes(bytes[each], text[each], sizeof(text[each]));
		}
		series_add(&series[3], (double)event.fields[5]);
		if (at++ % (n_samples / CURVE_LINES + 1) == 0)
			hv_result_say(result, "%8.1f %12s %12s %12s %10" PRIu64 "\n", (double)now_us / 1e6, text[0],
				      text[1], text[2], event.fields[5]);
	}
	curve_emit(result, series, n_samples > 0 ? (double)now_us / 1e6 / (double)n_samples : 1);
	hv_result_say(result, "to run it in a VM: hvsim footprint --workload recorded --trace FILE\n");
}

static void guest_emit(hv_result *result, const hv_row *like, const hv_guest_counts *counts)
{
	hv_session_figure(result, like, "gets", "count", (double)counts->gets);
	hv_session_figure(result, like, "refused", "count", (double)counts->refused);
	hv_session_figure(result, like, "puts", "count", (double)counts->puts);
	hv_session_figure(result, like, "resizes", "count", (double)counts->moves);
	hv_session_figure(result, like, "installs", "count", (double)counts->installs);
	hv_session_figure(result, like, "differences", "count", (double)counts->differ);
}

/* The same technique and allocator must decide as recorded; others are only compared. */
static void guest_judge(const replay_options *options, hv_result *result, hv_rig *rig, const hv_guest_counts *counts)
{
	char detail[200];
	const hv_trace_head *head = &options->trace.head;
	bool same = strcmp(rig->config.technique->name, head->technique) == 0 &&
		    strcmp(rig->config.vm.allocator->name, head->allocator) == 0;
	if (counts->differ > 0)
		hv_result_say(result, "first difference: %s\n", counts->first_difference);
	if (same && !hv_interrupted())
		hv_result_check(result, counts->differ == 0, "every decision is the recorded one",
				counts->differ > 0 ? counts->first_difference : "all events compared");
	hv_result_check(result, counts->move_err == HV_OK, "every resize ended well", hv_err_text(counts->move_err));
	hv_vm_begin(&rig->vm, HV_JOB_FREE, 0);
	hv_vm_wait(&rig->vm);
	bool sound = hv_rig_sound(rig, detail, sizeof(detail));
	hv_result_check(result, sound, "no frame changed under its owner (H1), audit (A2)",
			sound ? "1 guest checked" : detail);
}

static void guest_run(replay_options *options, hv_result *result, const hv_technique *technique,
		      const hv_guest_allocator *allocator)
{
	static hv_rig rig;
	const char *failed_step;
	char detail[220];
	hv_guest_counts counts;
	const hv_trace_head *head = &options->trace.head;
	hv_rig_config config = { .vm = { .memory_bytes = head->memory_bytes,
					 .backing = hv_backing_find(options->common.backing),
					 .allocator = allocator,
					 .n_vcpus = (uint32_t)head->n_vcpus,
					 .fill_order = (unsigned)head->order,
					 .install_timeout_ns = options->common.timeout_ms * 1000000,
					 .seed = head->seed,
					 .tuning = hv_options_tuning(&options->common, 1) },
				 .technique = technique,
				 .policy = technique->automatic ? hv_policy_find("period") : NULL,
				 .discard = HV_DISCARD_VECTORED,
				 .batch_huge = (uint32_t)options->common.batch_huge };
	hv_err err = hv_rig_create(&rig, &config, &failed_step);
	if (err != HV_OK) {
		snprintf(detail, sizeof(detail), "%s: %s (%s)", failed_step, hv_err_text(err), strerror(errno));
		hv_result_check(result, false, technique->name, detail);
		return;
	}
	err = hv_guest_trace_replay(&rig, &options->trace, hv_interrupted, &counts);
	hv_row like = { .scenario = "replay",
			.technique = technique->name,
			.allocator = allocator->name,
			.device = "none",
			.backing = options->common.backing,
			.phase = head->origin };
	if (err == HV_OK) {
		guest_emit(result, &like, &counts);
		guest_judge(options, result, &rig, &counts);
	} else {
		hv_result_check(result, false, technique->name, hv_err_text(err));
	}
	hv_rig_destroy(&rig);
}

/* What the trace says is a file's word: names are looked up, sizes held against the machine. @return false: told */
static bool guest_replay(replay_options *options, hv_result *result)
{
	const hv_trace_head *head = &options->trace.head;
	const char *name = options->technique_given ? options->common.technique : head->technique;
	const hv_technique *technique = hv_technique_find(name);
	char why[160], asked[32];
	uint64_t available_bytes = hv_meminfo_bytes("MemAvailable");
	if (options->common.allocator == NULL && !options->technique_given)
		options->common.allocator = head->allocator;
	snprintf(why, sizeof(why), "its allocator '%.40s' is unknown; name one with --allocator",
		 options->common.allocator != NULL ? options->common.allocator : "");
	const hv_guest_allocator *allocator =
		technique != NULL ? hv_options_allocator(&options->common, technique, why, sizeof(why)) : NULL;
	if (technique == NULL)
		fprintf(stderr, "hvsim: %s: its technique '%s' is unknown; name one with --technique\n", options->file,
			name);
	else if (allocator == NULL)
		fprintf(stderr, "hvsim: %s: %s\n", options->file, why);
	else if (available_bytes != 0 && head->memory_bytes > available_bytes)
		fprintf(stderr, "hvsim: %s: its guest has %s of memory, more than this machine has available\n",
			options->file, hv_format_bytes(head->memory_bytes, asked, sizeof(asked)));
	else {
		guest_run(options, result, technique, allocator);
		return true;
	}
	return false;
}

static int replay_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { &hv_options_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.parser = parse,
		.args_doc = "FILE",
		.children = children,
		.doc = "Execute the trace of a guest again and compare every decision with the recorded one; show the "
		       "trace of a process tree. Memory, vCPUs, seed and order are the trace's."
	};
	replay_options options = { .common = hv_options_default() };
	hv_result result;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	options.common.seed = options.trace.head.seed;
	if (!hv_session_open(&result, &options.common, "replay"))
		return HV_EXIT_USAGE;
	cJSON_AddStringToObject(result.parameters, "trace", options.file);
	cJSON_AddStringToObject(result.parameters, "origin", options.trace.head.origin);
	bool fine = true;
	if (options.trace.head.kind == HV_TRACE_PROCESSES)
		processes_show(&options.trace, &result);
	else
		fine = guest_replay(&options, &result);
	int status = hv_session_close(&result, &options.common, hv_interrupted());
	hv_trace_close(&options.trace);
	return fine ? status : HV_EXIT_USAGE;
}

const hv_scenario hv_scenario_replay = {
	.name = "replay",
	.summary = "execute a guest's trace again, decision by decision; show a process tree's",
	.run = replay_run,
};
