/* SPDX-License-Identifier: MIT
 *
 * hvsim multivm: how many VMs fit into a host's memory, by running them. N VMs run one workload each, with their peaks
 * spread over time or together; the oracle adds up what they have. When the sum passes the budget, the VM that grew
 * most since the last look is the one that asked for memory that is not there: it fails, as under a host's
 * out-of-memory killer. N goes up until a VM fails. */
#define _GNU_SOURCE
#include "cli/peaks_option.h"
#include "cli/workload_options.h"
#include "scenario/hv_scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_VMS = 0x4000, KEY_BUDGET, KEY_PEAKS, VMS_MAX = 32 };

typedef struct multi_options {
	hv_workload_options workload;
	uint64_t vms, budget_bytes;
	const char *peaks;
} multi_options;

typedef struct multi {
	multi_options *options;
	hv_result *result;
	const hv_backing *backing;
	const hv_technique *technique;
	const hv_guest_allocator *allocator;
	const hv_program_kind *kind;
	const char *peaks;
	/* of one run */
	uint32_t n_vms;
	hv_trial *trials;
	hv_program programs[VMS_MAX];
	bool runs[VMS_MAX];
	uint32_t n_failed, n_unsound;
	uint64_t killed;
	char detail[220];
	hv_samples sum;
	double gib_min, peak_bytes;
} multi;

static const struct argp_option option_table[] = {
	{ "vms", KEY_VMS, "N", 0, "Try up to this many VMs, 1 to 32 (default 8)", 0 },
	{ "budget", KEY_BUDGET, "SIZE", 0, "Memory of the host (default: twice that of a VM)", 0 },
	{ "peaks", KEY_PEAKS, "WHEN", 0, "staggered, together, or both (default)", 0 },
	{ 0 }
};

static void vm_end(multi *self, uint32_t idx, const char *why)
{
	static hv_trial_outcome outcome;
	hv_trial_end(&self->trials[idx], &outcome);
	hv_program_destroy(&self->programs[idx]);
	self->runs[idx] = false;
	self->gib_min += outcome.gib_min;
	self->killed += outcome.load.n_killed;
	if (!outcome.sound) {
		self->n_unsound++;
		snprintf(self->detail, sizeof(self->detail), "%s", outcome.detail);
	}
	if (why == NULL)
		return;
	self->n_failed++;
	hv_result_say(self->result, "    VM %" PRIu32 " failed after %.0f simulated seconds: %s\n", idx + 1,
		      outcome.runtime_s, why);
}

static bool vm_begin(multi *self, uint32_t idx)
{
	const char *failed_step;
	hv_workload_options *options = &self->options->workload;
	hv_program *program = &self->programs[idx];
	uint64_t seed = options->common.seed + idx, delay_ns = 0;
	hv_err err = hv_workload_program(options, self->kind, seed, 0, program);
	if (err == HV_OK && self->peaks == hv_peaks[HV_PEAKS_STAGGERED]) {
		uint64_t cycle_ns = program->cycle_ns != 0 ? program->cycle_ns : hv_program_think_ns(program);
		delay_ns = cycle_ns * idx / self->n_vms;
		hv_program_destroy(program);
		err = hv_workload_program(options, self->kind, seed, delay_ns, program);
	}
	hv_trial_config config = hv_workload_trial(options, self->technique, self->allocator, self->backing);
	config.program = program;
	config.rig.vm.seed = seed;
	failed_step = "the workload";
	if (err == HV_OK)
		err = hv_trial_begin(&self->trials[idx], &config, &failed_step);
	self->runs[idx] = err == HV_OK;
	if (err == HV_OK)
		return true;
	hv_program_destroy(program);
	snprintf(self->detail, sizeof(self->detail), "%s: %s (%s)", failed_step, hv_err_text(err), strerror(errno));
	self->n_unsound++;
	return false;
}

/* One look at all. @return false: nobody runs any more */
static bool look(multi *self)
{
	uint64_t sum_bytes = 0, most_bytes = 0;
	uint32_t most_idx = 0, n_running = 0;
	for (uint32_t idx = 0; idx < self->n_vms; idx++) {
		if (!self->runs[idx])
			continue;
		if (!hv_trial_sample(&self->trials[idx])) {
			vm_end(self, idx, NULL);
			continue;
		}
		n_running++;
		sum_bytes += self->trials[idx].last_resident;
		if (self->trials[idx].grown_bytes >= most_bytes) {
			most_bytes = self->trials[idx].grown_bytes;
			most_idx = idx;
		}
	}
	if (hv_samples_add(&self->sum, (double)sum_bytes) != HV_OK)
		return false;
	self->peak_bytes = (double)sum_bytes > self->peak_bytes ? (double)sum_bytes : self->peak_bytes;
	if (n_running > 0 && sum_bytes > self->options->budget_bytes)
		vm_end(self, most_idx, "the host's budget is used up");
	return n_running > 0;
}

static void emit(multi *self, double interval_s)
{
	char phase[64];
	snprintf(phase, sizeof(phase), "%s, %s, %" PRIu32 " VMs", self->kind->name, self->peaks, self->n_vms);
	hv_row like = { .scenario = "multivm",
			.technique = self->technique->name,
			.allocator = self->allocator->name,
			.device = "none",
			.backing = self->backing->name,
			.phase = phase,
			.proof = "residency oracle, sampled",
			.quiet = true };
	hv_session_figure(self->result, &like, "footprint", "GiB*min", self->gib_min);
	hv_session_figure(self->result, &like, "resident-peak", "bytes", self->peak_bytes);
	hv_session_figure(self->result, &like, "failed", "count", self->n_failed);
	hv_session_figure(self->result, &like, "killed", "count", (double)self->killed);
	hv_session_series(self->result, &like, "resident", "bytes", &self->sum, interval_s);
	for (uint32_t idx = 0; idx < self->n_vms; idx++) {
		char vm_phase[96];
		hv_row vm = like;
		snprintf(vm_phase, sizeof(vm_phase), "%s, VM %" PRIu32, phase, idx + 1);
		vm.phase = vm_phase;
		hv_session_series(self->result, &vm, "resident", "bytes", &self->trials[idx].resident, interval_s);
	}
	hv_result_say(self->result, "%-9s %-10s %-14s %3" PRIu32 " %9.2f %9.0f %7" PRIu32 "\n", self->kind->name,
		      self->peaks, self->technique->name, self->n_vms, self->gib_min, self->peak_bytes / (1 << 20),
		      self->n_failed);
}

/* @return true: all of them came to their end */
static bool run(multi *self, uint32_t n_vms)
{
	const hv_workload_options *options = &self->options->workload;
	self->n_vms = n_vms;
	self->n_failed = 0;
	self->killed = 0;
	self->gib_min = self->peak_bytes = 0;
	memset(self->runs, 0, sizeof(self->runs));
	bool up = true;
	for (uint32_t idx = 0; idx < n_vms && up; idx++)
		up = vm_begin(self, idx);
	uint64_t begin_ns = hv_now_ns();
	while (up && !hv_interrupted() && look(self)) {
		hv_session_progress("%s, %s: %" PRIu32 " VMs, %.0f simulated seconds ", self->technique->name,
				    self->peaks, n_vms,
				    (double)(hv_now_ns() - begin_ns) * (double)options->speed / 1e9);
		hv_sleep_ns(options->sample_ms * 1000000);
	}
	hv_session_progress(NULL);
	double wall_s = (double)(hv_now_ns() - begin_ns) / 1e9;
	for (uint32_t idx = 0; idx < n_vms; idx++)
		if (self->runs[idx])
			vm_end(self, idx, NULL);
	if (up && !hv_interrupted())
		emit(self, wall_s * (double)options->speed / (double)(self->sum.n_values + 1));
	for (uint32_t idx = 0; idx < n_vms; idx++)
		hv_trial_clear(&self->trials[idx]);
	hv_samples_clear(&self->sum);
	return up && self->n_failed == 0 && !hv_interrupted();
}

static void fit_find(multi *self)
{
	char name[160], phase[64];
	uint32_t fit = 0;
	self->n_unsound = 0;
	while (fit < self->options->vms && self->n_unsound == 0 && run(self, fit + 1))
		fit++;
	snprintf(name, sizeof(name), "%s, %s: no frame changed under its owner (H1), audit (A2)", self->technique->name,
		 self->peaks);
	hv_result_check(self->result, self->n_unsound == 0, name,
			self->n_unsound == 0 ? "all guests checked" : self->detail);
	if (hv_interrupted())
		return;
	char note[80] = "";
	if (fit == self->options->vms)
		snprintf(note, sizeof(note), "at least: more were not tried");
	snprintf(phase, sizeof(phase), "%s, %s", self->kind->name, self->peaks);
	hv_row like = { .scenario = "multivm",
			.technique = self->technique->name,
			.allocator = self->allocator->name,
			.device = "none",
			.backing = self->backing->name,
			.phase = phase,
			.proof = "run; the next one up fails",
			.note = note[0] != '\0' ? note : NULL,
			.quiet = true };
	hv_session_figure(self->result, &like, "fit", "VMs", fit);
	hv_result_say(self->result, "%-9s %-10s %-14s fit: %" PRIu32 "%s\n", self->kind->name, self->peaks,
		      self->technique->name, fit, fit == self->options->vms ? " or more" : "");
}

static void technique_run(multi *self)
{
	char why[160];
	self->allocator = hv_options_allocator(&self->options->workload.common, self->technique, why, sizeof(why));
	if (self->allocator == NULL) {
		hv_result_skip(self->result, self->technique->name, why);
		return;
	}
	for (const hv_program_kind *const *kind = hv_program_kinds; *kind != NULL; kind++) {
		for (size_t at = 0; at < HV_N_PEAKS && hv_workload_wants(&self->options->workload, *kind); at++) {
			self->kind = *kind;
			self->peaks = hv_peaks[at];
			if (hv_peaks_wants(self->options->peaks, self->peaks) && !hv_interrupted())
				fit_find(self);
		}
	}
}

static void run_all(multi_options *options, hv_result *result)
{
	char budget[32], why[160];
	static multi self;
	if (hv_policy_options_skip(&options->workload.policy, result))
		return;
	self = (multi){ .options = options, .result = result };
	self.trials = calloc(VMS_MAX, sizeof(*self.trials));
	self.backing = hv_backing_find(options->workload.common.backing);
	if (self.trials == NULL || !hv_backing_available(self.backing, why, sizeof(why))) {
		hv_result_skip(result, options->workload.common.backing, self.trials == NULL ? "no memory" : why);
		free(self.trials);
		return;
	}
	hv_result_say(result, "budget %s\n%-9s %-10s %-14s %3s %9s %9s %7s\n",
		      hv_format_bytes(options->budget_bytes, budget, sizeof(budget)), "workload", "peaks", "technique",
		      "VMs", "GiB*min", "peak MiB", "failed");
	for (const hv_technique *const *each = hv_techniques; *each != NULL && !hv_interrupted(); each++) {
		self.technique = *each;
		if (hv_options_wants(options->workload.common.technique, (*each)->name))
			technique_run(&self);
	}
	free(self.trials);
}

static void check(multi_options *options, struct argp_state *state)
{
	hv_workload_options_check(&options->workload, state);
	uint64_t available_bytes = hv_meminfo_bytes("MemAvailable");
	if (hv_backing_find(options->workload.common.backing) == NULL)
		argp_error(state, "--backing is '%s'; allowed: one", options->workload.common.backing);
	if (options->budget_bytes == 0)
		options->budget_bytes = 2 * options->workload.common.memory_bytes;
	/* the VM that passes the budget is stopped at the next look: leave room for what it takes until then */
	if (available_bytes != 0 && options->budget_bytes > available_bytes / 2)
		argp_error(state,
			   "--budget is more than half of what this machine has available; allowed: up to %" PRIu64 "M",
			   available_bytes >> 21);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	multi_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->workload;
		state->child_inputs[1] = &options->workload.policy;
		return 0;
	case KEY_VMS:
		options->vms = hv_options_number(state, "vms", text, 1, VMS_MAX);
		return 0;
	case KEY_BUDGET:
		if (!hv_parse_bytes(text, &options->budget_bytes) || options->budget_bytes == 0)
			argp_error(state, "--budget is '%s'; allowed: a size above zero such as 1G", text);
		return 0;
	case KEY_PEAKS:
		options->peaks = hv_peaks_option(state, text);
		return 0;
	case ARGP_KEY_END:
		check(options, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static int multivm_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { &hv_workload_argp, 0, NULL, 0 },
						      { &hv_policy_argp, 0, NULL, 0 },
						      { 0 } };
	static const struct argp argp = {
		.options = option_table,
		.parser = parse,
		.children = children,
		.doc = "How many VMs fit into a host's memory, by running them: N goes up until a VM "
		       "fails. Defaults: 512M a VM, one vCPU, workload bursts, techniques none, "
		       "base-auto and llfree-auto."
	};
	multi_options options = { .workload = hv_workload_options_default(), .vms = 8, .peaks = "both" };
	options.workload.workload = "bursts";
	options.workload.speed = 20;
	options.workload.sample_ms = 5;
	options.workload.common.technique = "none,base-auto,llfree-auto";
	options.workload.common.memory_bytes = UINT64_C(512) << 20;
	options.workload.common.vcpus = 1;
	hv_result result;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!hv_session_open(&result, &options.workload.common, "multivm"))
		return HV_EXIT_USAGE;
	hv_workload_parameters(result.parameters, &options.workload);
	cJSON_AddNumberToObject(result.parameters, "budget_bytes", (double)options.budget_bytes);
	cJSON_AddNumberToObject(result.parameters, "vms_max", (double)options.vms);
	cJSON_AddStringToObject(result.parameters, "peaks", options.peaks);
	run_all(&options, &result);
	int status = hv_session_close(&result, &options.workload.common, hv_interrupted());
	hv_workload_options_clear(&options.workload);
	return status;
}

const hv_scenario hv_scenario_multivm = {
	.name = "multivm",
	.summary = "how many VMs fit into a host's memory, measured by running them",
	.run = multivm_run,
};
