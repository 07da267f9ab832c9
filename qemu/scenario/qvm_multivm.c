/* SPDX-License-Identifier: MIT
 *
 * multivm: several VMs on one host, of which each in turn (or all together) fills memory, holds it, and lets it go.
 * What all memory files hold together is watched: its peak and its area tell what a technique saves against VMs that
 * keep all that they ever touched. A technique that is given limits is resized around each load, as by an orchestrator
 * that knows of it; an automatic one acts by itself. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "scenario/qvm_scenario.h"
#include "scenario/shared/qvm_crowd.h"
#include "scenario/shared/qvm_hold.h"
#include "techniques/qvm_technique.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { KEY_VMS = 0x400, KEY_BUDGET, KEY_PEAKS, KEY_FILL, KEY_HOLD, KEY_PAUSE, SECONDS_MAX = 3600 };

/* What a guest's kernel and agent need beside the load. */
#define LIVE_ON_BYTES (UINT64_C(256) << 20)

typedef struct multi_options {
	qvm_options common;
	uint64_t vms, budget_bytes, fill_bytes, hold_s, pause_s;
	const char *peaks;
} multi_options;

typedef struct multi_sums {
	double gib_min, peak_bytes, runtime_s;
} multi_sums;

typedef struct multi {
	const multi_options *options;
	hv_result *result;
	const qvm_technique *technique;
	const char *peaks;
	bool staggered;
	qvm_crowd crowd;
	_Atomic uint64_t n_verified;
	/* by the looks */
	double over_s;
	uint64_t last_ns;
	bool over, blamed[QVM_MEMBERS_MAX];
	uint32_t n_blamed;
	/* of technique none, for the comparison: staggered, together */
	multi_sums base[2];
} multi;

/* One turn: memory, a load, no load any more. */
static bool load_once(multi *self, qvm_member *member)
{
	qvm_hold hold = { 0 };
	const multi_options *options = self->options;
	if (!qvm_member_resize(member, HV_COMMAND_GROW, options->common.memory_bytes))
		return false;
	bool ok = qvm_hold_begin(&hold, &member->rig) && qvm_hold_set(&hold, options->fill_bytes);
	bool on = ok && qvm_member_sleep(member, options->hold_s * UINT64_C(1000000000));
	ok = ok && (!on || qvm_hold_verify(&hold));
	ok = qvm_hold_end(&hold) && ok;
	if (!ok)
		return qvm_member_fault(member, "load", hold.why);
	atomic_fetch_add(&self->n_verified, on);
	return qvm_member_resize(member, HV_COMMAND_SHRINK, options->common.target_bytes);
}

/* @return false: it failed. A member that is told to stop has not. */
static bool work(qvm_member *member)
{
	multi *self = member->crowd->context;
	bool ok = true, on = true;
	qvm_series_automatic(&member->rig, true);
	for (uint64_t round = 0; ok && on && round < self->options->common.iterations; round++) {
		if (self->staggered)
			on = qvm_member_turn(member, round * self->options->vms + member->idx);
		ok = !on || load_once(self, member);
		on = on && ok && qvm_member_sleep(member, self->options->pause_s * UINT64_C(1000000000));
		if (self->staggered && on)
			qvm_member_turn_over(member);
	}
	qvm_series_automatic(&member->rig, false);
	return ok;
}

/* Above the budget somebody asked for memory that is not there: the one that grew most. */
static void budget_look(qvm_crowd *crowd)
{
	multi *self = crowd->context;
	uint64_t budget_bytes = self->options->budget_bytes;
	bool was_over = self->over;
	uint32_t most = 0;
	hv_session_progress("%s, %s: %" PRIu32 " VMs, %" PRIu64 " MiB ", self->technique->technique->name, self->peaks,
			    crowd->n_members, crowd->watch.last_bytes >> 20);
	self->over = crowd->watch.last_bytes > budget_bytes;
	if (was_over)
		self->over_s += (double)(crowd->watch.last_ns - self->last_ns) / 1e9;
	self->last_ns = crowd->watch.last_ns;
	if (was_over || !self->over)
		return;
	for (uint32_t idx = 1; idx < crowd->n_members; idx++)
		if (crowd->members[idx].watch.grown_bytes > crowd->members[most].watch.grown_bytes)
			most = idx;
	self->n_blamed += !self->blamed[most];
	self->blamed[most] = true;
}

static double ratio(double value, double of)
{
	return of > 0 ? value / of : 0;
}

/* What it saves against VMs of which nothing is taken. */
static void compare(multi *self, const hv_row *like, const multi_sums *sums)
{
	multi_sums *base = &self->base[self->staggered ? 0 : 1];
	hv_row row = *like;
	char note[100];
	if (self->technique->technique->grain_bytes == 0) {
		*base = *sums;
		return;
	}
	if (base->runtime_s <= 0)
		return;
	snprintf(note, sizeof(note), "against none; %.70s", like->note);
	row.note = note;
	hv_session_figure(self->result, &row, "footprint-ratio", "ratio", ratio(sums->gib_min, base->gib_min));
	hv_session_figure(self->result, &row, "peak-ratio", "ratio", ratio(sums->peak_bytes, base->peak_bytes));
	hv_session_figure(self->result, &row, "runtime-ratio", "ratio", ratio(sums->runtime_s, base->runtime_s));
}

static void emit(multi *self)
{
	char note[60], phase[64], vm_phase[96];
	qvm_crowd *crowd = &self->crowd;
	const hv_technique *technique = self->technique->technique;
	const qvm_rig *rig = &crowd->members[0].rig;
	multi_sums sums = { qvm_series_gib_min(&crowd->watch), (double)crowd->watch.peak_bytes,
			    (double)(crowd->watch.last_ns - crowd->watch.begin_ns) / 1e9 };
	double resize_s = 0;
	for (uint32_t idx = 0; idx < crowd->n_members; idx++)
		resize_s += (double)crowd->members[idx].resize_ns / 1e9;
	snprintf(note, sizeof(note), "accelerator %s", qvm_accel_text(rig->vm.accel));
	snprintf(phase, sizeof(phase), "fill, %s, %" PRIu32 " VMs", self->peaks, crowd->n_members);
	hv_row like = { .scenario = "multivm",
			.technique = technique->name,
			.allocator = technique->allocator,
			.device = self->options->common.vfio != NULL ? "vfio" : "none",
			.backing = qvm_rig_backing(rig),
			.phase = phase,
			.proof = "st_blocks of the memory files",
			.note = note,
			.quiet = true };
	qvm_series_emit(&crowd->watch, self->result, &like);
	hv_session_figure(self->result, &like, "runtime", "s", sums.runtime_s);
	hv_session_figure(self->result, &like, "resize-time", "s", resize_s);
	hv_session_figure(self->result, &like, "over-budget", "s", self->over_s);
	hv_session_figure(self->result, &like, "failed", "count", self->n_blamed);
	compare(self, &like, &sums);
	for (uint32_t idx = 0; idx < crowd->n_members; idx++) {
		hv_row vm = like;
		snprintf(vm_phase, sizeof(vm_phase), "%s, VM %" PRIu32, phase, idx + 1);
		vm.phase = vm_phase;
		qvm_series_emit_as(&crowd->members[idx].watch, self->result, &vm, "resident");
	}
	hv_result_say(self->result, "%-10s %-14s %3" PRIu32 " %9.2f %9.0f %9.1f %9.1f %11.1f %7" PRIu32 "\n",
		      self->peaks, technique->name, crowd->n_members, sums.gib_min, sums.peak_bytes / (1 << 20),
		      sums.runtime_s, resize_s, self->over_s, self->n_blamed);
}

/* All went well, or what did not, and the console of whom it happened to. */
static void judge(multi *self)
{
	char name[120], detail[320] = "", tail[800];
	uint64_t n_short = 0;
	bool ok = true;
	for (uint32_t idx = 0; ok && idx < self->crowd.n_members; idx++) {
		qvm_member *member = &self->crowd.members[idx];
		ok = !member->failed;
		n_short += member->n_short;
		if (ok)
			continue;
		snprintf(detail, sizeof(detail), "%s", member->why);
		qvm_vm_console_tail(&member->rig.vm, tail, sizeof(tail));
		fprintf(stderr, "llfree-qemu: the end of the console of %s:\n%s\n", member->name, tail);
	}
	if (hv_interrupted())
		return;
	uint64_t n_wanted = self->options->vms * self->options->common.iterations;
	if (ok)
		snprintf(detail, sizeof(detail), "%" PRIu64 " loads verified, %" PRIu64 " resizes short",
			 atomic_load(&self->n_verified), n_short);
	ok = ok && atomic_load(&self->n_verified) == n_wanted;
	snprintf(name, sizeof(name), "%s, %s: no wrong byte in a guest (H1)", self->technique->technique->name,
		 self->peaks);
	hv_result_check(self->result, ok, name, detail);
	if (ok)
		emit(self);
}

static void technique_run(multi *self)
{
	const char *why = "", *name = self->technique->technique->name;
	self->crowd =
		(qvm_crowd){ .options = &self->options->common,
			     .config = { .technique = self->technique, .policy = qvm_series_policy(self->technique) },
			     .work = work,
			     .context = self,
			     .n_members = (uint32_t)self->options->vms };
	atomic_store(&self->n_verified, 0);
	self->over_s = 0;
	self->over = false;
	self->n_blamed = 0;
	memset(self->blamed, 0, sizeof(self->blamed));
	hv_session_progress("%s: %" PRIu64 " VMs boot ", name, self->options->vms);
	hv_err err = qvm_crowd_begin(&self->crowd, &why);
	if (err == HV_OK && !hv_interrupted())
		qvm_crowd_run(&self->crowd, budget_look);
	hv_session_progress(NULL);
	if (err == HV_ERR_UNAVAILABLE)
		hv_result_skip(self->result, name, why);
	else if (err != HV_OK && !hv_interrupted())
		hv_result_check(self->result, false, name, why);
	else if (err == HV_OK)
		judge(self);
	qvm_crowd_end(&self->crowd);
	qvm_crowd_clear(&self->crowd);
}

static void run_all(const multi_options *options, hv_result *result)
{
	static multi self;
	static const char *const all_peaks[] = { "staggered", "together" };
	char budget[32];
	self = (multi){ .options = options, .result = result };
	hv_result_say(result, "budget %s\n%-10s %-14s %3s %9s %9s %9s %9s %11s %7s\n",
		      hv_format_bytes(options->budget_bytes, budget, sizeof(budget)), "peaks", "technique", "VMs",
		      "GiB*min", "peak MiB", "runtime s", "resize s", "over budget", "failed");
	for (size_t at = 0; at < 2; at++) {
		self.peaks = all_peaks[at];
		self.staggered = at == 0;
		if (strcmp(options->peaks, "both") != 0 && strcmp(options->peaks, self.peaks) != 0)
			continue;
		/* none first: it is what the others are against */
		for (unsigned round = 0; round < 2; round++)
			for (const qvm_technique *const *each = qvm_techniques; *each != NULL && !hv_interrupted();
			     each++) {
				self.technique = *each;
				bool base = (*each)->technique->grain_bytes == 0;
				if (base == (round == 0) &&
				    qvm_options_wants(&options->common, (*each)->technique->name))
					technique_run(&self);
			}
	}
}

static void check(multi_options *options, struct argp_state *state)
{
	char allowed[32];
	qvm_options *common = &options->common;
	uint64_t available_bytes = hv_meminfo_bytes("MemAvailable");
	qvm_options_check(common, state);
	if (common->memory_bytes <= LIVE_ON_BYTES)
		argp_error(state, "--memory is too small; allowed: above %s",
			   hv_format_bytes(LIVE_ON_BYTES, allowed, sizeof(allowed)));
	uint64_t most_bytes = common->memory_bytes - LIVE_ON_BYTES;
	if (options->fill_bytes == 0)
		options->fill_bytes = most_bytes < common->memory_bytes / 2 ? most_bytes : common->memory_bytes / 2;
	options->fill_bytes &= ~(uint64_t)(HV_HUGE_BYTES - 1);
	if (options->fill_bytes == 0 || options->fill_bytes > most_bytes)
		argp_error(state, "--fill must be at least 2M, and leave 256M of --memory: up to %s",
			   hv_format_bytes(most_bytes, allowed, sizeof(allowed)));
	if (options->budget_bytes == 0)
		options->budget_bytes = 2 * common->memory_bytes;
	if (available_bytes != 0 && common->memory_bytes * options->vms > available_bytes)
		argp_error(state, "%" PRIu64 " VMs of this --memory are more than this machine has available: %s",
			   options->vms, hv_format_bytes(available_bytes, allowed, sizeof(allowed)));
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	multi_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case KEY_VMS:
		options->vms = hv_options_number(state, "vms", text, 1, QVM_MEMBERS_MAX);
		return 0;
	case KEY_BUDGET:
		options->budget_bytes = hv_options_size(state, "budget", text);
		return 0;
	case KEY_FILL:
		options->fill_bytes = hv_options_size(state, "fill", text);
		return 0;
	case KEY_HOLD:
		options->hold_s = hv_options_number(state, "hold", text, 0, SECONDS_MAX);
		return 0;
	case KEY_PAUSE:
		options->pause_s = hv_options_number(state, "pause", text, 0, SECONDS_MAX);
		return 0;
	case KEY_PEAKS:
		options->peaks = text;
		if (strcmp(text, "staggered") != 0 && strcmp(text, "together") != 0 && strcmp(text, "both") != 0)
			argp_error(state, "--peaks is '%s'; allowed: staggered, together, both", text);
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

static int multivm_run(int argc, char **argv)
{
	static const struct argp_option known[] = {
		{ "vms", KEY_VMS, "N", 0, "VMs beside each other, 1 to 16 (default 3)", 0 },
		{ "budget", KEY_BUDGET, "SIZE", 0, "Memory of the host (default: twice that of a VM)", 0 },
		{ "peaks", KEY_PEAKS, "WHEN", 0, "staggered (default), together, or both", 0 },
		{ "fill", KEY_FILL, "SIZE", 0, "What a guest fills (default: half of its memory)", 0 },
		{ "hold", KEY_HOLD, "S", 0, "For how long it holds that (default 2)", 0 },
		{ "pause", KEY_PAUSE, "S", 0, "From its end to the next load (default 6)", 0 },
		{ 0 },
	};
	static const struct argp_child children[] = { { &qvm_options_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = known,
		.parser = parse,
		.children = children,
		.doc = "Several VMs on one host: each guest in turn fills memory, holds it and lets it go, "
		       "--iterations "
		       "times (default 2). Defaults: 1G a VM, techniques none, base-auto, virtio-mem and llfree-auto."
	};
	multi_options options = {
		.common = qvm_options_default(), .vms = 3, .hold_s = 2, .pause_s = 6, .peaks = "staggered"
	};
	options.common.technique = "none,base-auto,virtio-mem,llfree-auto";
	options.common.memory_bytes = UINT64_C(1) << 30;
	options.common.iterations = 2;
	hv_result result;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!qvm_session_open(&result, &options.common, "multivm"))
		return HV_EXIT_USAGE;
	cJSON_AddNumberToObject(result.parameters, "vms", (double)options.vms);
	cJSON_AddNumberToObject(result.parameters, "budget_bytes", (double)options.budget_bytes);
	cJSON_AddNumberToObject(result.parameters, "fill_bytes", (double)options.fill_bytes);
	cJSON_AddNumberToObject(result.parameters, "hold_s", (double)options.hold_s);
	cJSON_AddNumberToObject(result.parameters, "pause_s", (double)options.pause_s);
	cJSON_AddStringToObject(result.parameters, "peaks", options.peaks);
	run_all(&options, &result);
	return qvm_session_close(&result, &options.common, hv_interrupted());
}

const qvm_scenario qvm_scenario_multivm = {
	.name = "multivm",
	.summary = "several VMs on one host, whose guests fill and free memory in turn",
	.run = multivm_run,
};
