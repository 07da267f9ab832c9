/* SPDX-License-Identifier: MIT
 *
 * footprint: what a VM's memory files hold over time while its guest compiles a library, by each technique that resizes
 * the kernel's own memory; and while the memory of that compile is replayed by processes of a guest, by all techniques:
 * anonymous memory as it came and went, page cache as memory that stays until it is dropped at the end. A pause follows
 * the compile and the drop, in which techniques take what is free. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "image/qvm_disk.h"
#include "scenario/qvm_scenario.h"
#include "scenario/shared/qvm_compile.h"
#include "scenario/shared/qvm_crowd.h"
#include "scenario/shared/qvm_footprint_options.h"
#include "scenario/shared/qvm_hold.h"
#include "techniques/qvm_technique.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct footprint {
	const qvm_footprint_options *options;
	hv_result *result;
	const qvm_technique *technique;
	qvm_footprint_phase phase;
	char disk[QVM_PATH_BYTES]; /**< empty = there is none */
	qvm_crowd crowd;
	qvm_compile compile;
	_Atomic uint64_t anon_bytes, cache_bytes; /**< held by the processes of a replay now */
	qvm_course replayed, seen; /**< what is replayed; what the compile of this run was seen to hold */
	qvm_series used;
	uint64_t ram_at_peak_bytes; /**< of the highest point, what was in the guest's RAM */
	/* of the last VM */
	double runtime_s;
	uint64_t end_bytes, dropped_bytes, ram_bytes; /**< the last of them: of dropped_bytes, what was in RAM */
	double none_gib_min[QVM_FOOTPRINT_PHASES];
} footprint;

/* The course, not faster than recorded; slower where the guest is. */
static bool replay(footprint *self, qvm_member *member, qvm_hold *anon, qvm_hold *cache)
{
	const qvm_course *course = &self->replayed;
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
	self->ram_bytes = on ? qvm_file_resident(member->rig.files[0]) : 0;
	return ok;
}

static bool recorded_work(qvm_member *member)
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

static bool compile_work(qvm_member *member)
{
	footprint *self = member->crowd->context;
	qvm_compile *compile = &self->compile;
	qvm_series_automatic(&member->rig, true);
	bool ok = qvm_compile_begin(compile, member);
	uint64_t begin_ns = hv_now_ns();
	ok = ok && qvm_compile_run(compile, self->options->jobs, self->options->objects);
	self->runtime_s = (double)(hv_now_ns() - begin_ns) / 1e9;
	ok = ok && rest(self, member, &self->end_bytes) && qvm_compile_look(compile);
	ok = ok && qvm_compile_drop(compile) && qvm_compile_look(compile);
	ok = ok && rest(self, member, &self->dropped_bytes);
	qvm_series_automatic(&member->rig, false);
	return ok || qvm_member_fault(member, "compile", compile->why);
}

static void look(qvm_crowd *crowd)
{
	footprint *self = crowd->context;
	qvm_compile *compile = &self->compile;
	uint64_t used_bytes = self->phase == QVM_FOOTPRINT_COMPILE
				      ? atomic_load(&compile->anon_bytes) + atomic_load(&compile->cache_bytes)
				      : atomic_load(&self->anon_bytes) + atomic_load(&self->cache_bytes);
	const qvm_rig *rig = &crowd->members[0].rig;
	if (crowd->watch.last_bytes == crowd->watch.peak_bytes && rig->n_files > 0)
		self->ram_at_peak_bytes = qvm_file_resident(rig->files[0]);
	if (!qvm_series_look(&self->used, crowd->watch.last_ns, used_bytes))
		qvm_series_clear(&self->used);
	hv_session_progress("%s, %s: %" PRIu64 " MiB resident, %" PRIu64 " MiB used ",
			    qvm_footprint_phases[self->phase], self->technique->technique->name,
			    crowd->watch.last_bytes >> 20, used_bytes >> 20);
}

static void figures_emit(footprint *self, const hv_row *like)
{
	const qvm_series *watch = &self->crowd.watch;
	double resize_s = (double)self->crowd.members[0].resize_ns / 1e9, gib_min = qvm_series_gib_min(watch);
	double *none_gib_min = &self->none_gib_min[self->phase];
	uint64_t whole_ns = watch->last_ns - watch->begin_ns;
	qvm_series_emit(watch, self->result, like);
	/* also where runs took differently long */
	hv_session_figure(self->result, like, "resident-mean", "bytes",
			  whole_ns > 0 ? watch->byte_ns / (double)whole_ns : 0);
	hv_session_figure(self->result, like, "used", "GiB*min", qvm_series_gib_min(&self->used));
	hv_session_figure(self->result, like, "resident-end", "bytes", (double)self->end_bytes);
	hv_session_figure(self->result, like, "resident-dropped", "bytes", (double)self->dropped_bytes);
	hv_session_figure(self->result, like, "runtime", "s", self->runtime_s);
	hv_session_figure(self->result, like, "resize-time", "s", resize_s);
	if (self->technique->device_frames) {
		hv_session_figure(self->result, like, "ram-at-peak", "bytes", (double)self->ram_at_peak_bytes);
		hv_session_figure(self->result, like, "ram-dropped", "bytes", (double)self->ram_bytes);
	}
	qvm_series_emit_as(&self->used, self->result, like, "guest-used");
	if (self->technique->technique->grain_bytes == 0)
		*none_gib_min = gib_min;
	else if (*none_gib_min > 0)
		hv_session_figure(self->result, like, "footprint-ratio", "ratio", gib_min / *none_gib_min);
	hv_result_say(self->result, "%-9s %-14s %8.2f %8.2f %8.0f %8.0f %10.0f %10.0f %9.1f %9.1f\n",
		      qvm_footprint_phases[self->phase], like->technique, gib_min, qvm_series_gib_min(&self->used),
		      whole_ns > 0 ? watch->byte_ns / (double)whole_ns / (1 << 20) : 0,
		      (double)watch->peak_bytes / (1 << 20), (double)self->end_bytes / (1 << 20),
		      (double)self->dropped_bytes / (1 << 20), self->runtime_s, resize_s);
}

static void emit(footprint *self)
{
	char note[200];
	const hv_technique *technique = self->technique->technique;
	const qvm_rig *rig = &self->crowd.members[0].rig;
	bool compiled = self->phase == QVM_FOOTPRINT_COMPILE;
	snprintf(note, sizeof(note), "%s of %.100s; accelerator %s", compiled ? "compile" : "trace replay",
		 compiled ? self->compile.course.origin : self->replayed.origin, qvm_accel_text(rig->vm.accel));
	hv_row like = { .scenario = "footprint",
			.technique = technique->name,
			.allocator = technique->allocator,
			.device = self->options->common.vfio != NULL ? "vfio" : "none",
			.backing = qvm_rig_backing(rig),
			.phase = qvm_footprint_phases[self->phase],
			.proof = "st_blocks of the memory files",
			.note = note,
			.quiet = true };
	figures_emit(self, &like);
}

/* What the guest was seen to hold is what is replayed from now on, and kept beside the result. */
static void course_keep(footprint *self)
{
	qvm_course *seen = &self->compile.course;
	const qvm_options *common = &self->options->common;
	char *path = qvm_beside(common->json, "compile", ".llftrace"), text[160];
	size_t chars = strlen(seen->origin);
	snprintf(seen->origin + chars, sizeof(seen->origin) - chars, ", seen in a guest");
	if (path != NULL && qvm_course_write(seen, path, common->memory_bytes, common->cpus) != HV_OK) {
		snprintf(text, sizeof(text), "%.100s: %s", path, strerror(errno));
		hv_result_check(self->result, false, "the trace of the compile", text);
	}
	free(path);
	qvm_course_clear(&self->seen);
	self->seen = *seen;
	*seen = (qvm_course){ 0 };
}

/* A copy of what is to be replayed, scaled as asked; as it was seen unless that does not fit. */
static bool course_choose(footprint *self)
{
	const qvm_footprint_options *options = self->options;
	const qvm_course *source = options->trace == NULL && self->seen.n_points > 1 ? &self->seen : &options->course;
	qvm_course *course = &self->replayed;
	uint64_t peak_bytes = qvm_course_peak(source);
	qvm_course_clear(course);
	memcpy(course->origin, source->origin, sizeof(course->origin));
	for (size_t at = 0; at < source->n_points; at++)
		if (!qvm_course_add(course, &source->points[at]))
			return false;
	if (options->fill_given || peak_bytes > options->fill_bytes)
		peak_bytes = options->fill_bytes;
	qvm_course_scale(course, peak_bytes,
			 options->seconds != 0 ? options->seconds * UINT64_C(1000000000) : qvm_course_end(source));
	return true;
}

static void outcome_tell(footprint *self, hv_err err, const char *why)
{
	const char *name = self->technique->technique->name;
	const qvm_member *member = &self->crowd.members[0];
	bool ok = err == HV_OK && !member->failed, compiled = self->phase == QVM_FOOTPRINT_COMPILE;
	char what[120], detail[160];
	snprintf(what, sizeof(what), "%s, %s: %s", qvm_footprint_phases[self->phase], name,
		 err != HV_OK ? "start"
		 : compiled   ? "what was compiled works"
			      : "no wrong byte in the guest (H1)");
	snprintf(detail, sizeof(detail), "%zu samples replayed", self->replayed.n_points);
	if (err == HV_ERR_UNAVAILABLE)
		hv_result_skip(self->result, name, why);
	else if (!hv_interrupted())
		hv_result_check(self->result, ok, what,
				err != HV_OK     ? why
				: member->failed ? member->why
				: compiled       ? self->compile.made
						 : detail);
	if (!ok || hv_interrupted())
		return;
	emit(self);
	if (compiled && self->technique->technique->grain_bytes == 0)
		course_keep(self);
}

/* A kernel's own memory is not what llfree-* resize here: what is compiled would not be theirs. */
static bool compiles(const qvm_technique *technique)
{
	return !technique->device_frames;
}

static void technique_run(void *context, const qvm_technique *technique)
{
	footprint *self = context;
	const char *why = "";
	bool compiled = self->phase == QVM_FOOTPRINT_COMPILE;
	char name[80];
	self->technique = technique;
	if (compiled && !compiles(technique))
		return;
	if (!compiled && !course_choose(self)) {
		hv_result_check(self->result, false, "a course to replay", "out of memory");
		return;
	}
	snprintf(name, sizeof(name), "%s-%s", self->technique->technique->name, qvm_footprint_phases[self->phase]);
	self->crowd = (qvm_crowd){ .options = &self->options->common,
				   .config = { .name = name,
					       .technique = self->technique,
					       .policy = qvm_series_policy(self->technique),
					       .disk = compiled ? self->disk : NULL },
				   .work = compiled ? compile_work : recorded_work,
				   .context = self,
				   .n_members = 1 };
	atomic_store(&self->anon_bytes, 0);
	atomic_store(&self->cache_bytes, 0);
	self->compile = (qvm_compile){ 0 };
	hv_session_progress("%s: booting ", name);
	hv_err err = qvm_crowd_begin(&self->crowd, &why);
	if (err == HV_OK && !hv_interrupted())
		qvm_crowd_run(&self->crowd, look);
	hv_session_progress(NULL);
	outcome_tell(self, err, why);
	qvm_crowd_end(&self->crowd);
	qvm_crowd_clear(&self->crowd);
	qvm_compile_clear(&self->compile);
	qvm_series_clear(&self->used);
}

/* @return false: nothing can be compiled, which was told */
static bool disk_find(footprint *self)
{
	char why[400];
	bool any = false;
	for (const qvm_technique *const *each = qvm_techniques; *each != NULL; each++)
		any = any || (compiles(*each) && qvm_options_wants(&self->options->common, (*each)->technique->name));
	if (!any)
		return false;
	if (self->options->disk != NULL) {
		snprintf(self->disk, sizeof(self->disk), "%s", self->options->disk);
		return true;
	}
	hv_session_progress("disk ");
	hv_err err =
		qvm_disk_get(self->disk, sizeof(self->disk), self->options->common.image.verbose, why, sizeof(why));
	hv_session_progress(NULL);
	if (err != HV_OK)
		hv_result_skip(self->result, "compile", why);
	return err == HV_OK;
}

static void run_all(const qvm_footprint_options *options, hv_result *result)
{
	static footprint self;
	self = (footprint){ .options = options, .result = result };
	bool compile =
		hv_options_wants(options->phases, qvm_footprint_phases[QVM_FOOTPRINT_COMPILE]) && disk_find(&self);
	hv_result_say(result, "%-9s %-14s %8s %8s %8s %8s %10s %10s %9s %9s\n", "phase", "technique", "GiB*min", "used",
		      "mean MiB", "peak MiB", "at the end", "dropped", "runtime s", "resize s");
	for (uint64_t at = 0; at < options->common.iterations; at++)
		for (self.phase = QVM_FOOTPRINT_COMPILE; self.phase < QVM_FOOTPRINT_PHASES; self.phase++)
			if (self.phase == QVM_FOOTPRINT_COMPILE
				    ? compile
				    : hv_options_wants(options->phases, qvm_footprint_phases[QVM_FOOTPRINT_RECORDED]))
				qvm_series_techniques(&options->common, technique_run, &self);
	qvm_course_clear(&self.seen);
	qvm_course_clear(&self.replayed);
}

static int footprint_run(int argc, char **argv)
{
	qvm_footprint_options options = qvm_footprint_options_default();
	hv_result result;
	if (argp_parse(&qvm_footprint_argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!qvm_session_open(&result, &options.common, "footprint"))
		return HV_EXIT_USAGE;
	cJSON_AddStringToObject(result.parameters, "trace", options.trace != NULL ? options.trace : "of the compile");
	cJSON_AddStringToObject(result.parameters, "disk", options.disk != NULL ? options.disk : "Debian's");
	cJSON_AddNumberToObject(result.parameters, "jobs", (double)options.jobs);
	cJSON_AddNumberToObject(result.parameters, "objects", (double)options.objects);
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
	.summary = "resident memory over time of a guest that compiles a library, or replays it",
	.run = footprint_run,
};
