/* SPDX-License-Identifier: MIT
 *
 * What a real guest feels of resizes; see qvm_impact.h. Before each window the guest touches all that is free, then its
 * threads begin; time is the guest's, in quanta that begin at multiples of the quantum by its clock, and resizes are
 * put into it by the offset of the clocks. */
#define _GNU_SOURCE
#include "scenario/shared/qvm_impact.h"
#include "cli/hv_session.h"
#include "cli/impact_timing.h"
#include "rig/qvm_clock.h"
#include "rig/qvm_fill.h"
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"

#include "host/policy_registry.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_NS  UINT64_C(60000000000)
#define WORK_NS UINT64_C(600000000000)

enum { KEY_PERIOD = 0x800, PERIOD_MS = 500, KERNEL_BYTES = 160 << 20 /* that the guest itself needs of the target */ };

typedef struct impact_options {
	qvm_options common;
	hv_impact_timing timing;
	uint64_t period_ms;
	const qvm_impact_spec *spec;
} impact_options;

typedef struct impact {
	const impact_options *options;
	hv_result *result;
	const qvm_technique *technique;
	qvm_rig rig;
	uint64_t job;
	hv_impact_course course;
	uint64_t clock_error_ns; /**< the largest of all windows */
	uint64_t n_short;        /**< blocks of bursts that did not come */
	bool *header_shown;
	char note[200];
} impact;

static bool failed(impact *self, const char *what, hv_err err)
{
	char reason[400];
	if (err == HV_ERR_INTERRUPTED)
		return false;
	bool ended = err == HV_ERR_GONE && qvm_vm_ended(&self->rig.vm);
	snprintf(reason, sizeof(reason), "%.60s: %.300s", what, ended ? self->rig.vm.why : self->rig.why);
	hv_impact_course_refute(&self->course, reason);
	return false;
}

static bool ask(impact *self, const char *verb, cJSON *arguments, uint64_t timeout_ns, cJSON **answer)
{
	hv_err err = qvm_rig_ask_job(&self->rig, self->job, verb, arguments, timeout_ns, answer);
	return err == HV_OK || failed(self, verb, err);
}

static void burst(void *context)
{
	(void)ask(context, "burst", NULL, ASK_NS, NULL); /* what failed is kept */
}

static bool load_open(impact *self)
{
	const impact_options *options = self->options;
	cJSON *open = cJSON_CreateObject();
	cJSON_AddStringToObject(open, "kernel", options->spec->scenario);
	cJSON_AddNumberToObject(open, "threads", (double)options->common.cpus);
	cJSON_AddNumberToObject(open, "bytes", (double)options->timing.buffer_bytes);
	cJSON_AddNumberToObject(open, "quantum_ns", (double)self->course.plan.quantum_ns);
	if (self->technique->technique->automatic)
		cJSON_AddNumberToObject(open, "burst", (double)options->timing.burst_bytes);
	if (self->technique->device_frames)
		cJSON_AddStringToObject(open, "device", "/dev/llfree");
	hv_err err = qvm_rig_spawn(&self->rig, "load", &self->job);
	if (err == HV_OK)
		return ask(self, "open", open, WORK_NS, NULL);
	cJSON_Delete(open);
	return failed(self, "spawn", err);
}

/* All that is free, so that what is taken was there. */
static bool memory_touch(impact *self)
{
	uint64_t bytes = qvm_fill_bytes(&self->rig), filled_bytes;
	if (self->technique->device_frames) { /* the buffers are of it, too */
		uint64_t buffers_bytes = self->options->timing.buffer_bytes * self->options->common.cpus;
		bytes = bytes > buffers_bytes ? bytes - buffers_bytes : 0;
	}
	hv_err err = bytes > 0 ? qvm_fill_and_free(&self->rig, bytes, &filled_bytes) : HV_OK;
	return err == HV_OK || failed(self, "touching what is free", err);
}

/* What a technique took must have gone, all but what a guest keeps for itself; of passes, what the first one took,
 * since the guest allocates again between them. */
static void prove(impact *self, uint64_t before_bytes, uint64_t after_bytes)
{
	hv_impact_course *course = &self->course;
	bool automatic = self->technique->technique->automatic;
	char reason[200];
	uint64_t freed = before_bytes > after_bytes ? before_bytes - after_bytes : 0;
	uint64_t least = automatic ? course->first_bytes : course->told_bytes;
	uint64_t slack = qvm_fill_slack_bytes(&self->rig) + (automatic ? self->options->timing.burst_bytes : 0);
	if (automatic && course->told_bytes == 0) { /* a guest on a busy machine has no time to report */
		hv_session_progress(NULL);
		hv_result_skip(self->result, self->technique->technique->name,
			       "a window in which no pass took anything");
		return;
	}
	course->resizes[HV_SHRINK].freed_bytes += freed;
	course->n_proven++;
	if (course->told_bytes != 0 && freed + slack >= least)
		return;
	snprintf(reason, sizeof(reason),
		 "%" PRIu64 " MiB were moved, the files held %" PRIu64 " MiB before and %" PRIu64 " after",
		 course->told_bytes >> 20, before_bytes >> 20, after_bytes >> 20);
	hv_impact_course_refute(course, reason);
}

static bool steps_add(impact *self, bool resize, const cJSON *answer, size_t n_steps)
{
	const cJSON *each, *list = cJSON_GetObjectItemCaseSensitive(answer, "steps");
	size_t n_vcpus = self->options->common.cpus, n_values = 0;
	double *steps = calloc(n_vcpus * n_steps + 1, sizeof(*steps));
	cJSON_ArrayForEach(each, list)
	{
		if (steps == NULL || n_values >= n_vcpus * n_steps || !cJSON_IsNumber(each))
			break;
		steps[n_values++] = each->valuedouble;
	}
	bool all = steps != NULL && n_values == n_vcpus * n_steps;
	if (all)
		hv_impact_course_add(&self->course, resize, steps, n_vcpus, n_steps);
	else
		hv_impact_course_refute(&self->course, "the guest did not tell what each quantum was");
	free(steps);
	return all;
}

/* What the guest's threads got done, in the quanta of the window that ended. */
static bool rest(impact *self, bool whole, bool resize, uint64_t guest_begin_ns, uint64_t end_ns)
{
	cJSON *answer = NULL, *arguments = cJSON_CreateObject();
	size_t n_steps = whole ? hv_impact_course_steps(&self->course, end_ns) : 0;
	cJSON_AddNumberToObject(arguments, "begin_ns", (double)guest_begin_ns);
	cJSON_AddNumberToObject(arguments, "step_ns", (double)self->course.plan.quantum_ns);
	cJSON_AddNumberToObject(arguments, "n_steps", (double)n_steps);
	bool ok = ask(self, "rest", arguments, WORK_NS, &answer) && whole && steps_add(self, resize, answer, n_steps);
	if (qvm_answer_count(answer, "unzeroed") != 0) {
		hv_impact_course_refute(&self->course, "memory that the guest got anew was not zero");
		ok = false;
	}
	self->n_short = qvm_answer_count(answer, "short");
	cJSON_Delete(answer);
	return ok;
}

static bool clock_read(impact *self, qvm_clock *clock)
{
	hv_err err = qvm_clock_read(&self->rig, clock);
	return err == HV_OK || failed(self, "the guest's clock", err);
}

static bool window(impact *self, bool resize)
{
	hv_impact_course *course = &self->course;
	uint64_t quantum_ns = course->plan.quantum_ns, end_ns;
	qvm_clock before, after;
	cJSON *answer = NULL;
	if (!memory_touch(self) || hv_interrupted() || !clock_read(self, &before))
		return false;
	uint64_t before_bytes = qvm_rig_resident(&self->rig);
	if (!ask(self, "work", NULL, ASK_NS, &answer))
		return false;
	uint64_t ready_ns = qvm_answer_count(answer, "ns") + hv_impact_course_lead_ns(course);
	uint64_t guest_begin_ns = (ready_ns / quantum_ns + 1) * quantum_ns;
	cJSON_Delete(answer);
	bool whole = hv_impact_course_window(course, resize, guest_begin_ns - (uint64_t)before.ahead_ns, &end_ns);
	if (!rest(self, whole, resize, guest_begin_ns, end_ns))
		return false;
	if (resize)
		prove(self, before_bytes, qvm_rig_resident(&self->rig));
	if (!clock_read(self, &after))
		return false;
	uint64_t error_ns = qvm_clock_error_ns(&before, &after);
	self->clock_error_ns = error_ns > self->clock_error_ns ? error_ns : self->clock_error_ns;
	return !course->refuted && !course->out_of_memory;
}

static bool buffers_check(impact *self)
{
	cJSON *answer = NULL;
	if (!ask(self, "check", NULL, WORK_NS, &answer))
		return false;
	uint64_t wrong = qvm_answer_count(answer, "wrong");
	cJSON_Delete(answer);
	if (wrong != 0)
		hv_impact_course_refute(&self->course, "a buffer of the guest is not as it wrote it");
	return wrong == 0;
}

static void note_make(impact *self)
{
	size_t chars =
		(size_t)snprintf(self->note, sizeof(self->note), "accelerator %s", qvm_accel_text(self->rig.vm.accel));
	if (self->technique->technique->automatic)
		snprintf(self->note + chars, sizeof(self->note) - chars,
			 "; the guest frees and allocates, in both kinds of windows%s",
			 self->n_short > 0 ? ", and did not always get it all" : "");
}

static void emit(impact *self)
{
	char name[120], detail[240];
	const hv_impact_course *course = &self->course;
	const hv_technique *technique = self->technique->technique;
	note_make(self);
	const hv_impact_rows rows = { .result = self->result,
				      .measure = self->options->spec->measure,
				      .course = course,
				      .like = { .scenario = self->options->spec->scenario,
						.technique = technique->name,
						.allocator = technique->allocator,
						.device = self->options->common.vfio != NULL ? "vfio" : "none",
						.backing = qvm_rig_backing(&self->rig),
						.note = self->note,
						.quiet = true },
				      .proof = "st_blocks of the memory files, before and after each window",
				      .remark = "",
				      .header_shown = self->header_shown };
	hv_impact_rows_emit(&rows);
	if (course->n_proven > 0) {
		hv_row like = rows.like;
		like.phase = "resized";
		hv_session_figure(self->result, &like, "clock-error", "us", (double)self->clock_error_ns / 1000);
	}
	snprintf(name, sizeof(name), "%s: every byte reclaimed is gone (H3, H5), the guest's buffers are whole (H1)",
		 technique->name);
	snprintf(detail, sizeof(detail), "%" PRIu64 " windows proven", course->n_proven);
	if (course->refuted || course->out_of_memory || !hv_interrupted())
		hv_result_check(self->result, !course->refuted && !course->out_of_memory, name,
				course->refuted         ? course->detail
				: course->out_of_memory ? "no memory for the series"
							: detail);
}

static void windows_run(impact *self)
{
	const impact_options *options = self->options;
	uint64_t n_windows = 2 * options->common.iterations;
	bool more = load_open(self);
	for (uint64_t at = 0; more && at < n_windows && !hv_interrupted(); at++) {
		hv_session_progress("%s: window %" PRIu64 " of %" PRIu64 ", %.3g s and more each ",
				    self->technique->technique->name, at + 1, n_windows, options->timing.duration_s);
		more = window(self, at % 2 == 0);
	}
	if (more)
		(void)buffers_check(self); /* what is wrong is kept */
}

static hv_impact_plan plan_of(impact *self)
{
	const impact_options *options = self->options;
	return (hv_impact_plan){ .monitor = &self->rig.monitor,
				 .memory_bytes = options->common.memory_bytes,
				 .target_bytes = options->common.target_bytes,
				 .window_ns = (uint64_t)(options->timing.duration_s * 1e9),
				 .quantum_ns = options->timing.quantum_ms * 1000000,
				 .period_ns = options->period_ms * 1000000,
				 .short_moves = true,
				 .interrupted = hv_interrupted,
				 .burst = burst,
				 .context = self };
}

static void technique_run(const impact_options *options, hv_result *result, const qvm_technique *technique,
			  bool *header_shown)
{
	static impact self;
	self = (impact){ .options = options, .result = result, .technique = technique, .header_shown = header_shown };
	self.course.plan = plan_of(&self);
	const char *name = technique->technique->name;
	const qvm_rig_config config = {
		.technique = technique,
		.policy = technique->technique->automatic ? hv_policy_find("period") : NULL,
		.period_ns = self.course.plan.period_ns,
	};
	hv_session_progress("%s: booting ", name);
	hv_err err = qvm_rig_start(&self.rig, &options->common, &config);
	if (err == HV_ERR_UNAVAILABLE)
		hv_result_skip(result, name, self.rig.why);
	else if (err != HV_OK && !hv_interrupted())
		hv_impact_course_refute(&self.course, self.rig.why[0] != '\0' ? self.rig.why : hv_err_text(err));
	if (err == HV_OK)
		windows_run(&self);
	hv_session_progress(NULL);
	if (err != HV_ERR_UNAVAILABLE)
		emit(&self);
	if (self.course.refuted) {
		char tail[800];
		qvm_vm_console_tail(&self.rig.vm, tail, sizeof(tail));
		fprintf(stderr, "llfree-qemu: the end of the console of %s:\n%s\n", name, tail);
	}
	qvm_rig_stop(&self.rig);
	hv_impact_course_clear(&self.course);
}

static void check(impact_options *options, const struct argp_state *state)
{
	const hv_impact_measure *measure = options->spec->measure;
	qvm_options_check(&options->common, state);
	uint64_t target_bytes = options->common.target_bytes;
	hv_impact_timing_check(&options->timing, state, measure->buffer_bytes, measure->buffer_parts * HV_HUGE_BYTES,
			       target_bytes > KERNEL_BYTES ? (target_bytes - KERNEL_BYTES) / 2 : 0,
			       options->common.cpus, target_bytes);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	impact_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->timing;
		state->child_inputs[1] = &options->common;
		return 0;
	case KEY_PERIOD:
		options->period_ms = hv_options_number(state, "period", text, 1, 3600000);
		return 0;
	case ARGP_KEY_END:
		check(options, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static void parameters_add(cJSON *object, const impact_options *options)
{
	cJSON_AddNumberToObject(object, "duration_s", options->timing.duration_s);
	cJSON_AddNumberToObject(object, "quantum_ms", (double)options->timing.quantum_ms);
	cJSON_AddNumberToObject(object, "buffer_bytes", (double)options->timing.buffer_bytes);
	cJSON_AddNumberToObject(object, "burst_bytes", (double)options->timing.burst_bytes);
	cJSON_AddNumberToObject(object, "period_ms", (double)options->period_ms);
}

int qvm_impact_command(const qvm_impact_spec *spec, int argc, char **argv)
{
	static const struct argp_option known[] = {
		{ "period", KEY_PERIOD, "MS", 0,
		  "Automatic techniques: time between passes and between bursts (default 500; free page reporting has "
		  "its own)",
		  0 },
		{ 0 },
	};
	static const struct argp_child children[] = { { &hv_impact_timing_argp, 0, NULL, 0 },
						      { &qvm_options_argp, 0, NULL, 0 },
						      { 0 } };
	const struct argp argp = { .options = known, .parser = parse, .children = children, .doc = spec->doc };
	static impact_options options;
	hv_result result;
	bool header_shown = false;
	options = (impact_options){ .common = qvm_options_default(),
				    .timing = hv_impact_timing_default(),
				    .period_ms = PERIOD_MS,
				    .spec = spec };
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!qvm_session_open(&result, &options.common, spec->scenario))
		return HV_EXIT_USAGE;
	parameters_add(result.parameters, &options);
	for (const qvm_technique *const *each = qvm_techniques; *each != NULL && !hv_interrupted(); each++)
		if ((*each)->technique->grain_bytes != 0 &&
		    qvm_options_wants(&options.common, (*each)->technique->name))
			technique_run(&options, &result, *each, &header_shown);
	return qvm_session_close(&result, &options.common, hv_interrupted());
}
