/* SPDX-License-Identifier: MIT
 *
 * hvsim footprint: resident memory over time while a guest runs a workload with bursts, by each technique. The memory
 * and what is done to it are real, the time between is simulated. Figures: GiB*min, runtime, CPU time of host and
 * guest, latency percentiles of allocations, refaults. */
#define _GNU_SOURCE
#include "cli/workload_options.h"
#include "scenario/hv_scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { TECHNIQUES_MAX = 64 };

/* What the comparison at the end needs. */
typedef struct summary {
	const char *technique;
	double gib_min, runtime_s, write_s;
} summary;

typedef struct footprint {
	hv_workload_options *options;
	hv_result *result;
	const hv_backing *backing;
	const hv_program_kind *kind;
	const hv_program *program;
	summary done[TECHNIQUES_MAX];
	size_t n_done;
	bool header_shown;
} footprint;

static void latencies_emit(hv_result *result, const hv_row *like, const hv_histogram *get_ns)
{
	static const struct {
		const char *name;
		double share;
	} points[] = { { "get-p50", 0.5 }, { "get-p99", 0.99 }, { "get-p99.9", 0.999 }, { "get-p99.99", 0.9999 } };
	for (size_t at = 0; at < sizeof(points) / sizeof(points[0]); at++)
		hv_session_figure(result, like, points[at].name, "ns",
				  (double)hv_histogram_at(get_ns, points[at].share));
	hv_session_figure(result, like, "get-max", "ns", (double)get_ns->max_value);
}

static void figures_emit(const footprint *self, const hv_row *like, const hv_trial *trial,
			 const hv_trial_outcome *outcome)
{
	hv_result *result = self->result;
	const hv_load_outcome *load = &outcome->load;
	double interval_s = (double)self->options->sample_ms * (double)self->options->speed / 1000;
	hv_session_figure(result, like, "footprint", "GiB*min", outcome->gib_min);
	hv_session_figure(result, like, "used", "GiB*min", outcome->used_gib_min);
	hv_session_figure(result, like, "resident-peak", "bytes", outcome->resident_peak);
	hv_session_figure(result, like, "runtime", "s", outcome->runtime_s);
	hv_session_figure(result, like, "host-cpu", "s", (double)outcome->host_cpu_ns / 1e9);
	hv_session_figure(result, like, "vcpu-system", "s", (double)load->system_ns / 1e9);
	hv_session_figure(result, like, "vcpu-user", "s", (double)load->user_ns / 1e9);
	hv_session_figure(result, like, "driver-cpu", "s", (double)outcome->driver_cpu_ns / 1e9);
	hv_session_figure(result, like, "write-time", "s", (double)load->write_ns / 1e9);
	hv_session_figure(result, like, "gets", "count", (double)load->get_ns.n_values);
	latencies_emit(result, like, &load->get_ns);
	hv_session_figure(result, like, "page-faults", "count", (double)load->faults);
	hv_session_figure(result, like, "installs", "count", (double)load->installs);
	hv_session_figure(result, like, "refaults", "frames", (double)load->refaults);
	hv_session_figure(result, like, "stall-time", "s", (double)load->stall_ns / 1e9);
	hv_session_figure(result, like, "killed", "count", (double)load->n_killed);
	hv_session_series(result, like, "resident", "bytes", &trial->resident, interval_s);
	hv_session_series(result, like, "guest-used", "bytes", &trial->used, interval_s);
}

static void line_show(footprint *self, const char *technique, const hv_trial_outcome *outcome)
{
	const hv_load_outcome *load = &outcome->load;
	if (!self->header_shown)
		hv_result_say(self->result,
			      "%-9s %-14s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s %6s\n%-9s %-14s %8s %8s %8s %8s "
			      "%8s %8s %8s %8s %8s %8s %8s %6s\n",
			      "workload", "technique", "GiB*min", "used", "peak", "runtime", "host", "vCPU sys",
			      "vCPU usr", "writing", "get p99", "p99.99", "refaults", "killed", "", "", "", "", "MiB",
			      "s", "CPU s", "s", "s", "s", "us", "us", "frames", "");
	self->header_shown = true;
	hv_result_say(self->result,
		      "%-9s %-14s %8.2f %8.2f %8.0f %8.1f %8.2f %8.2f %8.2f %8.2f %8.1f %8.0f %8" PRIu64 " %6" PRIu64
		      "\n",
		      self->kind->name, technique, outcome->gib_min, outcome->used_gib_min,
		      outcome->resident_peak / (1 << 20), outcome->runtime_s, (double)outcome->host_cpu_ns / 1e9,
		      (double)load->system_ns / 1e9, (double)load->user_ns / 1e9, (double)load->write_ns / 1e9,
		      (double)hv_histogram_at(&load->get_ns, 0.99) / 1000,
		      (double)hv_histogram_at(&load->get_ns, 0.9999) / 1000, load->refaults, load->n_killed);
}

static void emit(footprint *self, const hv_trial *trial, const hv_trial_outcome *outcome)
{
	char name[160], note[100] = "";
	const hv_technique *technique = trial->config.rig.technique;
	if (self->options->ask_bytes != UINT64_MAX)
		snprintf(note, sizeof(note), "%s",
			 technique->guest->drive != NULL ? "asks the page cache to shrink"
							 : "has nobody in the guest to ask for page cache");
	hv_row like = { .scenario = "footprint",
			.technique = technique->name,
			.allocator = trial->config.rig.vm.allocator->name,
			.device = "none",
			.backing = self->backing->name,
			.phase = self->kind->name,
			.proof = "residency oracle, sampled",
			.note = note[0] != '\0' ? note : NULL,
			.quiet = true };
	figures_emit(self, &like, trial, outcome);
	line_show(self, technique->name, outcome);
	snprintf(name, sizeof(name), "%s, %s on %s: no frame changed under its owner (H1), audit (A2)", technique->name,
		 self->kind->name, self->backing->name);
	hv_result_check(self->result, outcome->sound, name, outcome->sound ? "1 guest checked" : outcome->detail);
	if (self->n_done < TECHNIQUES_MAX)
		self->done[self->n_done++] = (summary){ technique->name, outcome->gib_min, outcome->runtime_s,
							(double)outcome->load.write_ns / 1e9 };
}

static void trial_run(footprint *self, const hv_technique *technique, uint64_t iteration)
{
	char why[220];
	const char *failed_step;
	static hv_trial trial;
	static hv_trial_outcome outcome;
	const hv_guest_allocator *allocator = hv_options_allocator(&self->options->common, technique, why, sizeof(why));
	if (allocator == NULL) {
		hv_result_skip(self->result, technique->name, why);
		return;
	}
	hv_trial_config config = hv_workload_trial(self->options, technique, allocator, self->backing);
	config.program = self->program;
	hv_err err = hv_trial_begin(&trial, &config, &failed_step);
	if (err != HV_OK) {
		snprintf(why, sizeof(why), "%s: %s (%s)", failed_step, hv_err_text(err), strerror(errno));
		hv_result_check(self->result, false, technique->name, why);
		return;
	}
	double total_s = (double)hv_program_think_ns(self->program) / 1e9;
	uint64_t next_ns = trial.begin_ns, step_ns = self->options->sample_ms * 1000000;
	do {
		next_ns += step_ns;
		uint64_t now_ns = hv_now_ns();
		if (now_ns < next_ns)
			hv_sleep_ns(next_ns - now_ns);
		hv_session_progress("%s, %s, run %" PRIu64 ": %.0f of some %.0f simulated seconds ", technique->name,
				    self->kind->name, iteration + 1,
				    (double)(hv_now_ns() - trial.begin_ns) * config.speed / 1e9, total_s);
	} while (hv_trial_sample(&trial) && !hv_interrupted());
	hv_session_progress(NULL);
	hv_trial_end(&trial, &outcome);
	if (!hv_interrupted())
		emit(self, &trial, &outcome);
	hv_trial_clear(&trial);
}

/* Means over the iterations of one technique. @return false: it was not run */
static bool mean_of(const footprint *self, const char *technique, summary *mean)
{
	size_t n_runs = 0;
	*mean = (summary){ .technique = technique };
	for (size_t at = 0; at < self->n_done; at++) {
		const summary *each = &self->done[at];
		if (strcmp(each->technique, technique) != 0)
			continue;
		mean->gib_min += each->gib_min;
		mean->runtime_s += each->runtime_s;
		mean->write_s += each->write_s;
		n_runs++;
	}
	mean->gib_min /= n_runs > 0 ? (double)n_runs : 1;
	mean->runtime_s /= n_runs > 0 ? (double)n_runs : 1;
	mean->write_s /= n_runs > 0 ? (double)n_runs : 1;
	return n_runs > 0;
}

static double percent(double value, double of)
{
	return of > 0 ? 100 * (value / of - 1) : 0;
}

/* What the published comparison looks at, and what it leaves out: the time that writing takes. */
static void compare(footprint *self)
{
	summary base, ours;
	if (!mean_of(self, "base-auto", &base) || !mean_of(self, "llfree-auto", &ours))
		return;
	double gib = percent(ours.gib_min, base.gib_min), run = percent(ours.runtime_s, base.runtime_s),
	       writing = percent(ours.write_s, base.write_s);
	hv_result_say(self->result,
		      "%-9s llfree-auto against base-auto: %+.1f%% GiB*min, %+.1f%% runtime, %+.1f%% time in "
		      "allocations and first writes%s\n",
		      self->kind->name, gib, run, writing, writing > 5 ? " (installs cost more than faults here)" : "");
	hv_row like = { .scenario = "footprint",
			.technique = "llfree-auto",
			.backing = self->backing->name,
			.phase = self->kind->name,
			.note = "against base-auto",
			.quiet = true };
	hv_session_figure(self->result, &like, "footprint-ratio", "ratio", 1 + gib / 100);
	hv_session_figure(self->result, &like, "runtime-ratio", "ratio", 1 + run / 100);
	hv_session_figure(self->result, &like, "write-time-ratio", "ratio", 1 + writing / 100);
}

static void kind_run(footprint *self)
{
	hv_program program;
	const hv_options *common = &self->options->common;
	hv_err err = hv_workload_program(self->options, self->kind, common->seed, 0, &program);
	if (err != HV_OK) {
		hv_result_check(self->result, false, self->kind->name, hv_err_text(err));
		return;
	}
	self->program = &program;
	self->n_done = 0;
	for (uint64_t at = 0; at < common->iterations; at++)
		for (const hv_technique *const *each = hv_techniques; *each != NULL && !hv_interrupted(); each++)
			if (hv_options_wants(common->technique, (*each)->name))
				trial_run(self, *each, at);
	compare(self);
	hv_program_destroy(&program);
}

static void run_all(hv_workload_options *options, hv_result *result)
{
	static footprint self;
	self = (footprint){ .options = options, .result = result };
	if (hv_policy_options_skip(&options->policy, result))
		return;
	for (const hv_backing *const *backing = hv_backings; *backing != NULL; backing++) {
		char why[160];
		if (!hv_options_wants(options->common.backing, (*backing)->name))
			continue;
		if (!hv_backing_available(*backing, why, sizeof(why))) {
			hv_result_skip(result, (*backing)->name, why);
			continue;
		}
		self.backing = *backing;
		for (const hv_program_kind *const *kind = hv_program_kinds; *kind != NULL; kind++) {
			self.kind = *kind;
			if (hv_workload_wants(options, *kind) && !hv_interrupted())
				kind_run(&self);
		}
	}
	if (options->trace == NULL && strcmp(options->workload, "all") == 0)
		hv_result_skip(result, "workload recorded", "no --trace was given");
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	hv_workload_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = options;
		state->child_inputs[1] = &options->policy;
		return 0;
	case ARGP_KEY_END:
		hv_workload_options_check(options, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static int footprint_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { &hv_workload_argp, 0, NULL, 0 },
						      { &hv_policy_argp, 0, NULL, 0 },
						      { 0 } };
	static const struct argp argp = { .parser = parse,
					  .children = children,
					  .doc = "Resident memory over time of a VM whose guest runs a workload with "
						 "bursts, by each technique: GiB*min, runtime, CPU time, latency." };
	hv_workload_options options = hv_workload_options_default();
	hv_result result;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!hv_session_open(&result, &options.common, "footprint"))
		return HV_EXIT_USAGE;
	hv_workload_parameters(result.parameters, &options);
	run_all(&options, &result);
	int status = hv_session_close(&result, &options.common, hv_interrupted());
	hv_workload_options_clear(&options);
	return status;
}

const hv_scenario hv_scenario_footprint = {
	.name = "footprint",
	.summary = "resident memory over time under workloads with bursts, by each technique",
	.run = footprint_run,
};
