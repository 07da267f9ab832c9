/* SPDX-License-Identifier: MIT
 *
 * hvsim record: a trace of a real process tree (hvsim record -- COMMAND), or of a simulated guest that runs a program
 * in lockstep under a technique. */
#define _GNU_SOURCE
#include "cli/workload_options.h"
#include "rig/guest_trace.h"
#include "scenario/hv_scenario.h"
#include "trace/process_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { KEY_OUTPUT = 'o', KEY_INTERVAL = 0x3000, PERIOD_MS = 5000 };

typedef struct record_options {
	hv_workload_options workload;
	const char *output;
	uint64_t interval_ms;
	char **command; /**< NULL = record a guest */
	char made[32];  /**< the file's name when none was given */
} record_options;

static const struct argp_option option_table[] = {
	{ "output", KEY_OUTPUT, "FILE", 0, "The trace; it must not exist (default: trace-PID.llftrace)", 0 },
	{ "interval", KEY_INTERVAL, "MS", 0, "Look at the process tree this often, 1 to 10000 (default 20)", 0 },
	{ 0 }
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	record_options *options = state->input;
	char *end;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->workload;
		return 0;
	case KEY_OUTPUT:
		options->output = text;
		return 0;
	case KEY_INTERVAL:
		options->interval_ms = strtoull(text, &end, 10);
		if (*end != '\0' || text[0] == '-' || options->interval_ms < 1 || options->interval_ms > 10000)
			argp_error(state, "--interval is '%s'; allowed: 1 to 10000", text);
		return 0;
	case ARGP_KEY_ARG:
		options->command = &state->argv[state->next - 1];
		state->next = state->argc;
		return 0;
	case ARGP_KEY_END:
		if (options->command == NULL &&
		    (strcmp(options->workload.workload, "all") == 0 || strchr(options->workload.workload, ',') != NULL))
			argp_error(state, "what shall be recorded? Allowed: -- COMMAND..., or one --workload with one "
					  "--technique");
		hv_workload_options_check(&options->workload, state);
		if (options->command == NULL && hv_technique_find(options->workload.common.technique) == NULL)
			argp_error(state, "--technique is '%s'; allowed: one, to record a guest",
				   options->workload.common.technique);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int refused(const record_options *options, const char *why)
{
	fprintf(stderr, "hvsim: %s: %s\n", options->output, why);
	return HV_EXIT_USAGE;
}

static bool begin(const record_options *options, const hv_trace_head *head, hv_trace_writer *writer)
{
	hv_err err = hv_trace_create(writer, options->output, head);
	if (err != HV_OK)
		(void)refused(options,
			      err == HV_ERR_EXISTS ? "exists already; traces are never overwritten" : strerror(errno));
	return err == HV_OK;
}

static int end(const record_options *options, hv_trace_writer *writer, bool failed)
{
	uint64_t n_events = writer->n_events;
	bool written = hv_trace_finish(writer) == HV_OK;
	if (!written)
		fprintf(stderr, "hvsim: %s: not all of it could be written\n", options->output);
	printf("%s: %" PRIu64 " events\n", options->output, n_events);
	return failed || !written ? HV_EXIT_CHECK : hv_interrupted() ? HV_EXIT_INTERRUPTED : 0;
}

static void origin_text(char **command, char *text)
{
	size_t used = 0;
	for (char **each = command; *each != NULL && used < HV_TRACE_TEXT_MAX - 1; each++) {
		int chars = snprintf(text + used, HV_TRACE_TEXT_MAX - used, "%s%s", used > 0 ? " " : "", *each);
		used += chars > 0 ? (size_t)chars : 0;
	}
}

static int record_processes(const record_options *options)
{
	hv_trace_head head = { .kind = HV_TRACE_PROCESSES, .n_vcpus = (uint64_t)sysconf(_SC_NPROCESSORS_ONLN) };
	hv_trace_writer writer;
	hv_tree_summary summary;
	head.memory_bytes = hv_meminfo_bytes("MemTotal");
	origin_text(options->command, head.origin);
	if (!begin(options, &head, &writer))
		return HV_EXIT_USAGE;
	hv_err err =
		hv_tree_record(options->command, options->interval_ms * 1000000, hv_interrupted, &writer, &summary);
	if (err != HV_OK) {
		fprintf(stderr, "hvsim: %s: %s\n", options->command[0], strerror(errno));
		hv_trace_abandon(&writer, options->output);
		return HV_EXIT_USAGE;
	}
	printf("%.1f s, %" PRIu64 " looks (slowest %.1f ms), %" PRIu64 " processes seen, at most %" PRIu64 " at once\n"
	       "peak: %" PRIu64 " MiB anonymous, %" PRIu64 " MiB more in the page cache of %s\n",
	       (double)summary.elapsed_ns / 1e9, summary.n_samples, (double)summary.slowest_look_ns / 1e6,
	       summary.n_processes, summary.max_processes, summary.peak_anon_frames / 256,
	       summary.peak_cache_frames / 256, summary.cache_source);
	bool failed = !WIFEXITED(summary.status) || WEXITSTATUS(summary.status) != 0;
	if (failed && !hv_interrupted())
		fprintf(stderr, "hvsim: %s failed; the trace is whole\n", options->command[0]);
	return end(options, &writer, failed && !hv_interrupted());
}

static int record_on_rig(record_options *options, hv_rig *rig, hv_trace_writer *writer)
{
	hv_workload_options *workload = &options->workload;
	hv_program program;
	hv_guest_counts counts = { 0 };
	uint64_t period_ms = workload->common.period_ms != 0 ? workload->common.period_ms : PERIOD_MS;
	hv_guest_record config = { .period_ns = period_ms * 1000000,
				   .slack_bytes = workload->slack_bytes,
				   .stop = hv_interrupted };
	hv_err err = hv_workload_program(workload, hv_program_kind_find(workload->workload), workload->common.seed, 0,
					 &program);
	if (err == HV_OK) {
		err = hv_guest_trace_record(rig, &program, &config, writer, &counts);
		hv_program_destroy(&program);
	}
	if (err == HV_OK)
		err = counts.move_err;
	if (err != HV_OK)
		fprintf(stderr, "hvsim: %s\n", hv_err_text(err));
	printf("%" PRIu64 " gets (%" PRIu64 " refused), %" PRIu64 " puts, %" PRIu64 " resizes of %" PRIu64
	       " MiB, %" PRIu64 " installs\n",
	       counts.gets, counts.refused, counts.puts, counts.moves, counts.moved_bytes >> 20, counts.installs);
	return end(options, writer, err != HV_OK);
}

static int record_guest(record_options *options)
{
	const hv_options *common = &options->workload.common;
	const hv_technique *technique = hv_technique_find(common->technique);
	const hv_backing *backing = hv_backing_find(common->backing);
	char why[160] = "one backing, please";
	const char *failed_step;
	static hv_rig rig;
	const hv_guest_allocator *allocator = hv_options_allocator(common, technique, why, sizeof(why));
	if (allocator == NULL || backing == NULL || !hv_backing_available(backing, why, sizeof(why)))
		return refused(options, why);
	hv_trial_config trial = hv_workload_trial(&options->workload, technique, allocator, backing);
	trial.rig.vm.tuning.report_delay_ns = 1000000; /* the host waits for each pass: simulated time stands still */
	hv_trace_head head = {
		HV_TRACE_GUEST, common->seed, common->memory_bytes, common->vcpus, common->fill_order, "", "", ""
	};
	snprintf(head.technique, sizeof(head.technique), "%s", technique->name);
	snprintf(head.allocator, sizeof(head.allocator), "%s", allocator->name);
	snprintf(head.origin, sizeof(head.origin), "%s", options->workload.workload);
	hv_trace_writer writer;
	if (!begin(options, &head, &writer))
		return HV_EXIT_USAGE;
	hv_err err = hv_rig_create(&rig, &trial.rig, &failed_step);
	if (err != HV_OK) {
		hv_trace_abandon(&writer, options->output);
		return refused(options, failed_step);
	}
	int status = record_on_rig(options, &rig, &writer);
	hv_rig_destroy(&rig);
	return status;
}

static int record_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { &hv_workload_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = option_table,
		.parser = parse,
		.args_doc = "[-- COMMAND...]",
		.children = children,
		.doc = "Record what a real process tree does with memory (-- COMMAND...), or each allocation, free and "
		       "resize of a simulated guest (--workload, --technique)."
	};
	record_options options = { .workload = hv_workload_options_default(), .interval_ms = 20 };
	options.workload.common.vcpus = 1;
	options.workload.common.memory_bytes = UINT64_C(256) << 20;
	snprintf(options.made, sizeof(options.made), "trace-%d.llftrace", (int)getpid());
	options.output = options.made;
	if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	int status = options.command != NULL ? record_processes(&options) : record_guest(&options);
	hv_workload_options_clear(&options.workload);
	return status;
}

const hv_scenario hv_scenario_record = {
	.name = "record",
	.summary = "write a trace: memory of a real process tree, or the events of a guest",
	.run = record_run,
};
