/* SPDX-License-Identifier: MIT
 *
 * multivm: several VMs on one host, of which each in turn (or all together) fills memory, holds it, and lets it go.
 * What all memory files hold together is watched: its peak and its area tell what a technique saves against VMs that
 * keep all that they ever touched. A technique that is given limits is resized around each load, as by an orchestrator
 * that knows of it; an automatic one acts by itself. When all together pass the budget, the VM that grew most since the
 * last look is ended, as by a host's out-of-memory killer; the others go on. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "cli/peaks_option.h"
#include "scenario/qvm_scenario.h"
#include "scenario/shared/qvm_crowd.h"
#include "scenario/shared/qvm_hold.h"
#include "techniques/qvm_technique.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { KEY_VMS = 0x400, KEY_BUDGET, KEY_NO_ENFORCE, KEY_FIT, KEY_PEAKS, KEY_FILL, KEY_HOLD, KEY_PAUSE };
enum { SECONDS_MAX = 3600, VMS = 3, VMS_FIT = 8 /* usually */ };

typedef struct multi_options {
	qvm_options common;
	uint64_t vms, budget_bytes, fill_bytes, hold_s, pause_s;
	bool enforce, fit;
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
	bool staggered, unsound; /**< unsound: a check has failed */
	qvm_crowd crowd;
	uint64_t n_verified[QVM_MEMBERS_MAX]; /**< loads; each by its VM's thread */
	/* by the looks */
	double over_s;
	uint64_t last_ns;
	bool over, blamed[QVM_MEMBERS_MAX];
	uint32_t n_blamed;
	/* of technique none, for the comparison: staggered, together; by the number of VMs */
	multi_sums base[HV_N_PEAKS][QVM_MEMBERS_MAX + 1];
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
	self->n_verified[member->idx] += on;
	return qvm_member_resize(member, HV_COMMAND_SHRINK, options->common.target_bytes);
}

/* @return false: it failed. A VM that is not to go on has not. */
static bool work(qvm_member *member)
{
	multi *self = member->crowd->context;
	bool ok = true, on = true;
	qvm_series_automatic(&member->rig, true);
	for (uint64_t round = 0; ok && on && round < self->options->common.iterations; round++) {
		if (self->staggered)
			on = qvm_member_turn(member);
		ok = !on || load_once(self, member);
		on = on && ok && qvm_member_sleep(member, self->options->pause_s * UINT64_C(1000000000));
		if (self->staggered && on)
			qvm_member_turn_over(member);
	}
	qvm_series_automatic(&member->rig, false);
	return ok;
}

/* Above the budget somebody asked for memory that is not there: the one that grew most. When it was ended, nobody else
 * is until its memory is back. */
static void budget_look(qvm_crowd *crowd)
{
	multi *self = crowd->context;
	bool was_over = self->over;
	hv_session_progress("%s, %s: %" PRIu32 " VMs, %" PRIu64 " MiB ", self->technique->technique->name, self->peaks,
			    crowd->n_members, crowd->watch.last_bytes >> 20);
	self->over = crowd->watch.last_bytes > self->options->budget_bytes;
	if (was_over)
		self->over_s += (double)(crowd->watch.last_ns - self->last_ns) / 1e9;
	self->last_ns = crowd->watch.last_ns;
	if (!self->over || (self->options->enforce ? qvm_crowd_losing(crowd) : was_over))
		return;
	qvm_member *most = qvm_crowd_grown_most(crowd);
	if (most == NULL || (self->options->enforce && !qvm_member_kill(most)))
		return;
	self->n_blamed += !self->blamed[most->idx];
	self->blamed[most->idx] = true;
}

static double ratio(double value, double of)
{
	return of > 0 ? value / of : 0;
}

/* What it saves against as many VMs of which nothing is taken; nothing can be said where one did not live to its end.
 */
static void compare(multi *self, const hv_row *like, const multi_sums *sums)
{
	multi_sums *base = &self->base[self->staggered ? HV_PEAKS_STAGGERED : HV_PEAKS_TOGETHER][self->crowd.n_members];
	hv_row row = *like;
	char note[160];
	if (self->options->enforce && self->n_blamed > 0)
		return;
	if (self->technique->technique->grain_bytes == 0) {
		*base = *sums;
		return;
	}
	if (base->runtime_s <= 0)
		return;
	snprintf(note, sizeof(note), "against none; %.130s", like->note);
	row.note = note;
	hv_session_figure(self->result, &row, "footprint-ratio", "ratio", ratio(sums->gib_min, base->gib_min));
	hv_session_figure(self->result, &row, "peak-ratio", "ratio", ratio(sums->peak_bytes, base->peak_bytes));
	hv_session_figure(self->result, &row, "runtime-ratio", "ratio", ratio(sums->runtime_s, base->runtime_s));
}

static hv_row row_like(const multi *self, const char *phase, const char *proof, const char *note)
{
	const hv_technique *technique = self->technique->technique;
	return (hv_row){ .scenario = "multivm",
			 .technique = technique->name,
			 .allocator = technique->allocator,
			 .device = self->options->common.vfio != NULL ? "vfio" : "none",
			 .backing = qvm_rig_backing(&self->crowd.members[0].rig),
			 .phase = phase,
			 .proof = proof,
			 .note = note,
			 .quiet = true };
}

/* What each VM held; of one that was ended, when. */
static void vms_emit(multi *self, const hv_row *like)
{
	char phase[96], note[160];
	const qvm_crowd *crowd = &self->crowd;
	for (uint32_t idx = 0; idx < crowd->n_members; idx++) {
		const qvm_member *member = &crowd->members[idx];
		hv_row vm = *like;
		snprintf(phase, sizeof(phase), "%s, VM %" PRIu32, like->phase, idx + 1);
		vm.phase = phase;
		if (member->lost) {
			double after_s = (double)(member->lost_ns - crowd->watch.begin_ns) / 1e9;
			snprintf(note, sizeof(note), "ended after %.1f s: the host's budget was used up; %.80s",
				 after_s, like->note);
			vm.note = note;
			hv_result_say(self->result,
				      "    VM %" PRIu32 " failed after %.1f s: the host's budget is used up\n", idx + 1,
				      after_s);
		}
		qvm_series_emit_as(&member->watch, self->result, &vm, "resident");
	}
}

static void emit(multi *self)
{
	char note[60], phase[64];
	qvm_crowd *crowd = &self->crowd;
	const qvm_rig *rig = &crowd->members[0].rig;
	multi_sums sums = { qvm_series_gib_min(&crowd->watch), (double)crowd->watch.peak_bytes,
			    (double)(crowd->watch.last_ns - crowd->watch.begin_ns) / 1e9 };
	double resize_s = 0;
	for (uint32_t idx = 0; idx < crowd->n_members; idx++)
		resize_s += (double)crowd->members[idx].resize_ns / 1e9;
	snprintf(note, sizeof(note), "accelerator %s", qvm_accel_text(rig->vm.accel));
	snprintf(phase, sizeof(phase), "fill, %s, %" PRIu32 " VMs", self->peaks, crowd->n_members);
	hv_row like = row_like(self, phase, "st_blocks of the memory files", note);
	qvm_series_emit(&crowd->watch, self->result, &like);
	hv_session_figure(self->result, &like, "runtime", "s", sums.runtime_s);
	hv_session_figure(self->result, &like, "resize-time", "s", resize_s);
	hv_session_figure(self->result, &like, "over-budget", "s", self->over_s);
	hv_session_figure(self->result, &like, "failed", "count", self->n_blamed);
	compare(self, &like, &sums);
	vms_emit(self, &like);
	hv_result_say(self->result, "%-10s %-14s %3" PRIu32 " %9.2f %9.0f %9.1f %9.1f %11.1f %7" PRIu32 "\n",
		      self->peaks, like.technique, crowd->n_members, sums.gib_min, sums.peak_bytes / (1 << 20),
		      sums.runtime_s, resize_s, self->over_s, self->n_blamed);
}

/* All went well, or what did not, and the console of whom it happened to. */
static void judge(multi *self)
{
	char name[120], detail[320] = "", tail[800];
	uint64_t n_short = 0, n_verified = 0;
	bool ok = true, all = true;
	for (uint32_t idx = 0; ok && idx < self->crowd.n_members; idx++) {
		qvm_member *member = &self->crowd.members[idx];
		ok = !member->failed;
		n_short += member->n_short;
		n_verified += self->n_verified[idx];
		all = all && (member->lost || self->n_verified[idx] == self->options->common.iterations);
		if (ok)
			continue;
		snprintf(detail, sizeof(detail), "%s", member->why);
		qvm_vm_console_tail(&member->rig.vm, tail, sizeof(tail));
		fprintf(stderr, "llfree-qemu: the end of the console of %s:\n%s\n", member->name, tail);
	}
	if (hv_interrupted())
		return;
	if (ok)
		snprintf(detail, sizeof(detail), "%" PRIu64 " loads verified, %" PRIu64 " resizes short", n_verified,
			 n_short);
	ok = ok && all;
	snprintf(name, sizeof(name), "%s, %s, %" PRIu32 " VMs: no wrong byte in a guest (H1)",
		 self->technique->technique->name, self->peaks, self->crowd.n_members);
	hv_result_check(self->result, ok, name, detail);
	self->unsound = self->unsound || !ok;
	if (ok)
		emit(self);
}

/* @return true: none of them was lost */
static bool vms_run(multi *self, uint32_t n_vms)
{
	const char *why = "", *name = self->technique->technique->name;
	self->crowd =
		(qvm_crowd){ .options = &self->options->common,
			     .config = { .technique = self->technique, .policy = qvm_series_policy(self->technique) },
			     .work = work,
			     .context = self,
			     .n_members = n_vms };
	memset(self->n_verified, 0, sizeof(self->n_verified));
	self->over_s = 0;
	self->over = false;
	self->n_blamed = 0;
	memset(self->blamed, 0, sizeof(self->blamed));
	hv_session_progress("%s: %" PRIu32 " VMs boot ", name, n_vms);
	hv_err err = qvm_crowd_begin(&self->crowd, &why);
	if (err == HV_OK && !hv_interrupted())
		qvm_crowd_run(&self->crowd, budget_look);
	hv_session_progress(NULL);
	self->unsound = self->unsound || err != HV_OK;
	if (err == HV_ERR_UNAVAILABLE)
		hv_result_skip(self->result, name, why);
	else if (err != HV_OK && !hv_interrupted())
		hv_result_check(self->result, false, name, why);
	else if (err == HV_OK)
		judge(self);
	qvm_crowd_end(&self->crowd);
	qvm_crowd_clear(&self->crowd);
	return self->n_blamed == 0;
}

/* Begin with one more than fit with all of their memory: up while none is lost, or down until none is. */
static void fit_find(multi *self)
{
	char phase[40], note[80];
	uint64_t whole = self->options->budget_bytes / self->options->common.memory_bytes + 1;
	uint32_t vms = (uint32_t)self->options->vms, n_vms = whole < vms ? (uint32_t)whole : vms;
	bool fits = vms_run(self, n_vms), up = fits;
	while (!self->unsound && !hv_interrupted() && (up ? fits && n_vms < vms : !fits && n_vms > 1)) {
		n_vms = up ? n_vms + 1 : n_vms - 1;
		fits = vms_run(self, n_vms);
	}
	if (self->unsound || hv_interrupted())
		return;
	uint32_t fit = fits ? n_vms : n_vms - 1;
	bool least = fit == vms;
	snprintf(phase, sizeof(phase), "fill, %s", self->peaks);
	snprintf(note, sizeof(note), "accelerator %s%s", qvm_accel_text(self->crowd.members[0].rig.vm.accel),
		 least ? "; at least: more were not tried" : "");
	hv_row like = row_like(self, phase, "run; the next one up fails", note);
	hv_session_figure(self->result, &like, "fit", "VMs", fit);
	hv_result_say(self->result, "%-10s %-14s fit: %" PRIu32 "%s\n", self->peaks, like.technique, fit,
		      least ? " or more" : "");
}

static void technique_run(void *context, const qvm_technique *technique)
{
	multi *self = context;
	self->technique = technique;
	self->unsound = false;
	if (self->options->fit)
		fit_find(self);
	else
		(void)vms_run(self, (uint32_t)self->options->vms); /* its rows tell */
}

static void run_all(const multi_options *options, hv_result *result)
{
	static multi self;
	char budget[32];
	self = (multi){ .options = options, .result = result };
	hv_result_say(result, "budget %s\n%-10s %-14s %3s %9s %9s %9s %9s %11s %7s\n",
		      hv_format_bytes(options->budget_bytes, budget, sizeof(budget)), "peaks", "technique", "VMs",
		      "GiB*min", "peak MiB", "runtime s", "resize s", "over budget", "failed");
	for (size_t at = 0; at < HV_N_PEAKS; at++) {
		self.peaks = hv_peaks[at];
		self.staggered = at == HV_PEAKS_STAGGERED;
		if (!hv_peaks_wants(options->peaks, self.peaks))
			continue;
		qvm_series_techniques(&options->common, technique_run, &self);
	}
}

static void check(multi_options *options, struct argp_state *state)
{
	char allowed[32];
	qvm_options *common = &options->common;
	uint64_t available_bytes = hv_meminfo_bytes("MemAvailable");
	qvm_options_check(common, state);
	options->fill_bytes = qvm_hold_option(state, common->memory_bytes, options->fill_bytes);
	if (options->budget_bytes == 0)
		options->budget_bytes = 2 * common->memory_bytes;
	if (options->vms == 0)
		options->vms = options->fit ? VMS_FIT : VMS;
	if (options->fit && !options->enforce)
		argp_error(state, "--fit ends VMs: it does not go with --no-enforce");
	/* what is above the budget is ended: leave room for what it takes until then */
	uint64_t need_bytes = common->memory_bytes * options->vms;
	if (options->enforce && need_bytes > options->budget_bytes + common->memory_bytes)
		need_bytes = options->budget_bytes + common->memory_bytes;
	if (available_bytes != 0 && need_bytes > available_bytes)
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
	case KEY_NO_ENFORCE:
		options->enforce = false;
		return 0;
	case KEY_FIT:
		options->fit = true;
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
	static const struct argp_option known[] = {
		{ "vms", KEY_VMS, "N", 0, "VMs beside each other, 1 to 16 (default 3; with --fit up to so many, 8)",
		  0 },
		{ "budget", KEY_BUDGET, "SIZE", 0,
		  "Memory of the host (default: twice that of a VM); when it is used up, the VM that grew most is "
		  "ended",
		  0 },
		{ "no-enforce", KEY_NO_ENFORCE, NULL, 0, "End no VM: only tell for how long the budget was passed", 0 },
		{ "fit", KEY_FIT, NULL, 0, "Find how many VMs fit into the budget: run more until one is lost", 0 },
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
		.common = qvm_options_default(), .hold_s = 2, .pause_s = 6, .enforce = true, .peaks = "staggered"
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
	cJSON_AddBoolToObject(result.parameters, "enforce", options.enforce);
	cJSON_AddBoolToObject(result.parameters, "fit", options.fit);
	cJSON_AddStringToObject(result.parameters, "peaks", options.peaks);
	run_all(&options, &result);
	return qvm_session_close(&result, &options.common, hv_interrupted());
}

const qvm_scenario qvm_scenario_multivm = {
	.name = "multivm",
	.summary = "several VMs on one host, whose guests fill and free memory in turn",
	.run = multivm_run,
};
