/* SPDX-License-Identifier: MIT
 *
 * footprint: what a VM's memory files hold over time while a recorded compile is replayed in its guest by processes,
 * from the memory that the technique resizes: anonymous memory as it came and went, page cache as memory that stays
 * until it is dropped at the end. A pause follows the compile and the drop, in which techniques take what is free. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "image/qvm_image.h"
#include "scenario/qvm_scenario.h"
#include "scenario/shared/qvm_course.h"
#include "scenario/shared/qvm_crowd.h"
#include "scenario/shared/qvm_hold.h"
#include "techniques/qvm_technique.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { KEY_TRACE = 0x400, KEY_FILL, KEY_SECONDS, KEY_PAUSE, SECONDS_MAX = 86400 };

typedef struct footprint_options {
	qvm_options common;
	const char *trace;
	uint64_t fill_bytes, seconds, pause_s;
	qvm_course course;
} footprint_options;

typedef struct footprint {
	const footprint_options *options;
	hv_result *result;
	const qvm_technique *technique;
	qvm_crowd crowd;
	_Atomic uint64_t anon_bytes, cache_bytes; /**< held by the guest's processes now */
	qvm_series used;
	/* of the last replay */
	double runtime_s;
	uint64_t end_bytes, dropped_bytes;
	double none_gib_min;
} footprint;

/* The course, not faster than recorded; slower where the guest is. */
static bool replay(footprint *self, qvm_member *member, qvm_hold *anon, qvm_hold *cache)
{
	const qvm_course *course = &self->options->course;
	uint64_t begin_ns = hv_now_ns();
	for (size_t at = 0; at < course->n_points; at++) {
		const qvm_course_point *point = &course->points[at];
		uint64_t now_ns = hv_now_ns() - begin_ns;
		if (now_ns < point->at_ns && !qvm_member_sleep(member, point->at_ns - now_ns))
			return true;
		if (!qvm_hold_set(anon, point->anon_bytes) || !qvm_hold_set(cache, point->cache_bytes))
			return false;
		atomic_store(&self->anon_bytes, anon->held_bytes);
		atomic_store(&self->cache_bytes, cache->held_bytes);
	}
	self->runtime_s = (double)(hv_now_ns() - begin_ns) / 1e9;
	return qvm_hold_verify(cache);
}

/* What is not used any more: taken by a limit, or by itself in the pause. */
static bool rest(footprint *self, qvm_member *member, uint64_t *resident_bytes)
{
	bool ok = qvm_member_resize(member, HV_COMMAND_SHRINK, self->options->common.target_bytes);
	bool on = qvm_member_sleep(member, self->options->pause_s * UINT64_C(1000000000));
	*resident_bytes = on ? qvm_rig_resident(&member->rig) : 0;
	return ok;
}

static bool work(qvm_member *member)
{
	footprint *self = member->crowd->context;
	qvm_hold anon = { 0 }, cache = { 0 };
	qvm_series_automatic(&member->rig, true);
	bool ok = qvm_hold_begin(&anon, &member->rig) && qvm_hold_begin(&cache, &member->rig) &&
		  replay(self, member, &anon, &cache);
	ok = qvm_hold_end(&anon) && ok;
	atomic_store(&self->anon_bytes, 0);
	ok = ok && rest(self, member, &self->end_bytes);
	ok = qvm_hold_end(&cache) && ok;
	atomic_store(&self->cache_bytes, 0);
	ok = ok && rest(self, member, &self->dropped_bytes);
	qvm_series_automatic(&member->rig, false);
	const char *why = anon.why[0] != '\0' ? anon.why : cache.why;
	return ok || qvm_member_fault(member, "replay", why);
}

static void look(qvm_crowd *crowd)
{
	footprint *self = crowd->context;
	uint64_t used_bytes = atomic_load(&self->anon_bytes) + atomic_load(&self->cache_bytes);
	if (!qvm_series_look(&self->used, crowd->watch.last_ns, used_bytes))
		qvm_series_clear(&self->used);
	hv_session_progress("%s: %" PRIu64 " MiB resident, %" PRIu64 " MiB used ", self->technique->technique->name,
			    crowd->watch.last_bytes >> 20, used_bytes >> 20);
}

static void emit(footprint *self)
{
	char note[160];
	const hv_technique *technique = self->technique->technique;
	const qvm_series *watch = &self->crowd.watch;
	const qvm_rig *rig = &self->crowd.members[0].rig;
	double gib_min = qvm_series_gib_min(watch), resize_s = (double)self->crowd.members[0].resize_ns / 1e9;
	snprintf(note, sizeof(note), "trace replay of %.60s; accelerator %s", self->options->course.origin,
		 qvm_accel_text(rig->vm.accel));
	hv_row like = { .scenario = "footprint",
			.technique = technique->name,
			.allocator = technique->allocator,
			.device = self->options->common.vfio != NULL ? "vfio" : "none",
			.backing = qvm_rig_backing(rig),
			.phase = "recorded",
			.proof = "st_blocks of the memory files",
			.note = note,
			.quiet = true };
	qvm_series_emit(watch, self->result, &like);
	hv_session_figure(self->result, &like, "used", "GiB*min", qvm_series_gib_min(&self->used));
	hv_session_figure(self->result, &like, "resident-end", "bytes", (double)self->end_bytes);
	hv_session_figure(self->result, &like, "resident-dropped", "bytes", (double)self->dropped_bytes);
	hv_session_figure(self->result, &like, "runtime", "s", self->runtime_s);
	hv_session_figure(self->result, &like, "resize-time", "s", resize_s);
	qvm_series_emit_as(&self->used, self->result, &like, "guest-used");
	if (technique->grain_bytes == 0)
		self->none_gib_min = gib_min;
	else if (self->none_gib_min > 0)
		hv_session_figure(self->result, &like, "footprint-ratio", "ratio", gib_min / self->none_gib_min);
	hv_result_say(self->result, "%-14s %8.2f %8.2f %8.0f %10.0f %10.0f %9.1f %9.1f\n", technique->name, gib_min,
		      qvm_series_gib_min(&self->used), (double)watch->peak_bytes / (1 << 20),
		      (double)self->end_bytes / (1 << 20), (double)self->dropped_bytes / (1 << 20), self->runtime_s,
		      resize_s);
}

static void technique_run(void *context, const qvm_technique *technique)
{
	footprint *self = context;
	const char *why = "", *name = technique->technique->name;
	self->technique = technique;
	self->crowd =
		(qvm_crowd){ .options = &self->options->common,
			     .config = { .technique = self->technique, .policy = qvm_series_policy(self->technique) },
			     .work = work,
			     .context = self,
			     .n_members = 1 };
	atomic_store(&self->anon_bytes, 0);
	atomic_store(&self->cache_bytes, 0);
	hv_session_progress("%s: booting ", name);
	hv_err err = qvm_crowd_begin(&self->crowd, &why);
	if (err == HV_OK && !hv_interrupted())
		qvm_crowd_run(&self->crowd, look);
	hv_session_progress(NULL);
	const qvm_member *member = &self->crowd.members[0];
	char what[100], detail[100];
	snprintf(what, sizeof(what), "%s: %s", name, err != HV_OK ? "start" : "no wrong byte in the guest (H1)");
	snprintf(detail, sizeof(detail), "%zu samples replayed", self->options->course.n_points);
	if (err == HV_ERR_UNAVAILABLE)
		hv_result_skip(self->result, name, why);
	else if (!hv_interrupted())
		hv_result_check(self->result, err == HV_OK && !member->failed, what,
				err != HV_OK     ? why
				: member->failed ? member->why
						 : detail);
	if (err == HV_OK && !member->failed && !hv_interrupted())
		emit(self);
	qvm_crowd_end(&self->crowd);
	qvm_crowd_clear(&self->crowd);
	qvm_series_clear(&self->used);
}

static void run_all(const footprint_options *options, hv_result *result)
{
	static footprint self;
	self = (footprint){ .options = options, .result = result };
	hv_result_say(result, "%-14s %8s %8s %8s %10s %10s %9s %9s\n", "technique", "GiB*min", "used", "peak MiB",
		      "at the end", "dropped", "runtime s", "resize s");
	for (uint64_t at = 0; at < options->common.iterations; at++)
		qvm_series_techniques(&options->common, technique_run, &self);
}

static void check(footprint_options *options, struct argp_state *state)
{
	char why[200], path[QVM_PATH_BYTES];
	qvm_options *common = &options->common;
	qvm_options_check(common, state);
	options->fill_bytes = qvm_hold_option(state, common->memory_bytes, options->fill_bytes);
	qvm_own_path(path, sizeof(path), QVM_DATA "/build.llftrace",
		     QVM_SOURCE_DIR "/../hypervisor-sim/traces/build.llftrace");
	const char *trace = options->trace != NULL ? options->trace : path;
	if (qvm_course_read(&options->course, trace, why, sizeof(why)) != HV_OK)
		argp_error(state, "--trace %s: %s", trace, why);
	qvm_course_scale(&options->course, options->fill_bytes, options->seconds * UINT64_C(1000000000));
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	footprint_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case KEY_TRACE:
		options->trace = text;
		return 0;
	case KEY_FILL:
		options->fill_bytes = hv_options_size(state, "fill", text);
		return 0;
	case KEY_SECONDS:
		options->seconds = hv_options_number(state, "seconds", text, 1, SECONDS_MAX);
		return 0;
	case KEY_PAUSE:
		options->pause_s = hv_options_number(state, "pause", text, 0, SECONDS_MAX);
		return 0;
	case ARGP_KEY_END:
		check(options, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static int footprint_run(int argc, char **argv)
{
	static const struct argp_option known[] = {
		{ "trace", KEY_TRACE, "FILE", 0,
		  "What is replayed: a process tree recorded by hvsim record (default: a build of this project)", 0 },
		{ "fill", KEY_FILL, "SIZE", 0, "Its peak in the guest (default: half of its memory)", 0 },
		{ "seconds", KEY_SECONDS, "S", 0, "How long the replay takes, at least (default 60)", 0 },
		{ "pause", KEY_PAUSE, "S", 0, "Behind the compile, and behind the drop of the page cache (default 15)",
		  0 },
		{ 0 },
	};
	static const struct argp_child children[] = { { &qvm_options_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = known,
		.parser = parse,
		.children = children,
		.doc = "What a VM's memory files hold over time, by each technique, while a recorded compile is "
		       "replayed in "
		       "its guest: anonymous memory that comes and goes, and page cache that is dropped at the end. "
		       "Defaults: 1G, one iteration."
	};
	footprint_options options = { .common = qvm_options_default(), .seconds = 60, .pause_s = 15 };
	options.common.memory_bytes = UINT64_C(1) << 30;
	options.common.iterations = 1;
	hv_result result;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!qvm_session_open(&result, &options.common, "footprint"))
		return HV_EXIT_USAGE;
	cJSON_AddStringToObject(result.parameters, "trace", options.trace != NULL ? options.trace : "build");
	cJSON_AddNumberToObject(result.parameters, "fill_bytes", (double)options.fill_bytes);
	cJSON_AddNumberToObject(result.parameters, "seconds", (double)options.seconds);
	cJSON_AddNumberToObject(result.parameters, "pause_s", (double)options.pause_s);
	run_all(&options, &result);
	int status = qvm_session_close(&result, &options.common, hv_interrupted());
	qvm_course_clear(&options.course);
	return status;
}

const qvm_scenario qvm_scenario_footprint = {
	.name = "footprint",
	.summary = "resident memory over time of a guest in which a recorded compile is replayed",
	.run = footprint_run,
};
