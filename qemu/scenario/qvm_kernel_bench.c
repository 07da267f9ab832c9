/* SPDX-License-Identifier: MIT
 *
 * kernel-bench: allocation inside a guest's kernel, LLFree beside alloc_pages, by the guest driver's own bench. One VM
 * without any technique; its kernel does not clear pages (init_on_alloc=0), so that allocators are compared. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "protocol/qvm_kernel_plan.h"
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define POINT_NS UINT64_C(600000000000)

enum { KEY_CLEAR = 0x500, DRIVER_LEAVES_MIB = 256 };

typedef struct kernel_options {
	qvm_options common;
	qvm_kernel_plan plan;
	bool clear;
} kernel_options;

typedef struct kernel_bench {
	const kernel_options *options;
	hv_result *result;
	qvm_rig rig;
	uint64_t n_points, n_failed;
	char fault[320];
} kernel_bench;

static bool fault(kernel_bench *self, const char *what, const char *detail)
{
	if (self->fault[0] == '\0')
		snprintf(self->fault, sizeof(self->fault), "%.100s: %.200s", what, detail);
	return false;
}

static void word_add(cJSON *words, const char *format, ...) HV_PRINTF(2, 3);
static void word_add(cJSON *words, const char *format, ...)
{
	char text[160];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	cJSON_AddItemToArray(words, cJSON_CreateString(text));
}

/* The same program that people run in guests of their own. */
static cJSON *command_line(const qvm_kernel_plan *plan, const qvm_kernel_point *point)
{
	cJSON *request = cJSON_CreateObject(), *words = cJSON_AddArrayToObject(request, "argv");
	word_add(words, "/bin/llfree-guest");
	word_add(words, "bench");
	word_add(words, "--json");
	word_add(words, "--case=%s", point->name);
	word_add(words, "--orders=%u", point->order);
	word_add(words, "--threads=%u", point->threads);
	word_add(words, "--allocator=%s", plan->allocator);
	word_add(words, "--region=%s", plan->shared_region ? "shared" : "own");
	word_add(words, "--mib=%" PRIu64, plan->mib);
	word_add(words, "--rounds=%" PRIu64, plan->rounds);
	if (plan->ops != 0)
		word_add(words, "--ops=%" PRIu64, plan->ops);
	if (plan->node != UINT64_MAX)
		word_add(words, "--node=%" PRIu64, plan->node);
	if (plan->bind != NULL)
		word_add(words, "--bind=%s", plan->bind);
	cJSON_AddNumberToObject(request, "timeout", POINT_NS / 1000000000 - 10);
	return request;
}

/* What the driver answered; NULL: a fault, or the user interrupts. */
static cJSON *point_ask(kernel_bench *self, const qvm_kernel_point *point)
{
	cJSON *answer = NULL, *figures = NULL;
	char what[100];
	snprintf(what, sizeof(what), "%s, order %u, %u threads", point->name, point->order, point->threads);
	hv_err err = qvm_rig_ask(&self->rig, "run", command_line(&self->options->plan, point), POINT_NS, &answer);
	if (err == HV_ERR_INTERRUPTED)
		return NULL;
	if (err != HV_OK)
		fault(self, what, qvm_vm_ended(&self->rig.vm) ? self->rig.vm.why : self->rig.why);
	else if (cJSON_GetObjectItemCaseSensitive(answer, "status") == NULL || qvm_answer_count(answer, "status") != 0)
		fault(self, what, qvm_answer_text(answer, "output"));
	else if ((figures = cJSON_Parse(qvm_answer_text(answer, "output"))) == NULL)
		fault(self, what, "the driver answered no JSON object");
	cJSON_Delete(answer);
	return figures;
}

static const char *allocator_name(const cJSON *result)
{
	return strcmp(qvm_answer_text(result, "allocator"), "llfree") == 0 ? "llfree-kernel" : "alloc_pages";
}

/* A row of one allocator and phase. @return its median */
static double phase_emit(kernel_bench *self, const qvm_kernel_point *point, const cJSON *result, const char *phase)
{
	char key[16], name[80], note[100];
	const cJSON *each, *rounds;
	hv_samples samples = { 0 };
	snprintf(key, sizeof(key), "%s_ns", phase);
	rounds = cJSON_GetObjectItemCaseSensitive(result, key);
	cJSON_ArrayForEach(each,
			   rounds) if (cJSON_IsNumber(each) && hv_samples_add(&samples, each->valuedouble) != HV_OK)
		fault(self, "samples", "out of memory");
	double median = hv_samples_summary(&samples, false).median;
	snprintf(name, sizeof(name), "%s, order %u, threads %u", point->name, point->order, point->threads);
	snprintf(note, sizeof(note), "accelerator %s%s", qvm_accel_text(self->rig.vm.accel),
		 cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(result, "zeroes")) ? "; the kernel clears pages" : "");
	hv_row row = { .scenario = "kernel-bench",
		       .allocator = allocator_name(result),
		       .phase = name,
		       .metric = phase,
		       .unit = "ns/op",
		       .samples = &samples,
		       .note = note,
		       .quiet = true };
	if (samples.n_values > 0)
		hv_result_row(self->result, &row);
	hv_samples_clear(&samples);
	return median;
}

/* An allocator that could not run, or ran out of blocks on its way, is no failure of the other one. */
static void outcome_emit(kernel_bench *self, const qvm_kernel_point *point, const cJSON *result)
{
	char what[160], why[160];
	int error = (int)qvm_answer_count(result, "error");
	uint64_t n_failed = qvm_answer_count(result, "failed");
	bool own = strcmp(allocator_name(result), "llfree-kernel") == 0;
	snprintf(what, sizeof(what), "%s: %s, order %u, %u threads", allocator_name(result), point->name, point->order,
		 point->threads);
	snprintf(why, sizeof(why), "%s",
		 error == ENOMEM ? "the guest has not that much memory for it" : strerror(error));
	if (error != 0)
		hv_result_skip(self->result, what, why);
	if (n_failed == 0)
		return;
	snprintf(why, sizeof(why), "%" PRIu64 " operations found no block", n_failed);
	self->n_failed += own;
	if (own)
		fault(self, what, why);
	else
		hv_result_say(self->result, "  %s: %s\n", what, why);
}

static void answer_emit(kernel_bench *self, const qvm_kernel_point *point, const cJSON *answer)
{
	char line[160];
	const cJSON *each, *results = cJSON_GetObjectItemCaseSensitive(answer, "results");
	for (const char *const *phase = qvm_kernel_phases; *phase != NULL; phase++) {
		double figures[2] = { 0, 0 }; /* LLFree, alloc_pages */
		cJSON_ArrayForEach(each, results) figures[strcmp(allocator_name(each), "llfree-kernel") != 0] =
			phase_emit(self, point, each, *phase);
		if (figures[0] == 0 && figures[1] == 0)
			continue;
		qvm_kernel_table_line(point, *phase, figures[0], figures[1], line, sizeof(line));
		hv_result_say(self->result, "%s\n", line);
	}
	cJSON_ArrayForEach(each, results) outcome_emit(self, point, each);
}

static void points_run(kernel_bench *self)
{
	const qvm_kernel_plan *plan = &self->options->plan;
	size_t at = 0, n_points = qvm_kernel_plan_points(plan);
	qvm_kernel_point point;
	char head[160];
	qvm_kernel_table_head(head, sizeof(head));
	hv_result_say(self->result, "%s\n", head);
	while (!hv_interrupted() && qvm_kernel_plan_next(plan, &at, &point)) {
		hv_session_progress("%s, order %u, %u threads: %" PRIu64 " of %zu ", point.name, point.order,
				    point.threads, self->n_points + 1, n_points);
		cJSON *answer = point_ask(self, &point);
		hv_session_progress(NULL);
		if (answer == NULL)
			return;
		answer_emit(self, &point, answer);
		cJSON_Delete(answer);
		self->n_points++;
	}
}

static hv_err start(kernel_bench *self)
{
	const qvm_rig_config config = { .name = "kernel-bench",
					.technique = qvm_technique_find("none"),
					.append = self->options->clear ? "init_on_alloc=1" : "init_on_alloc=0" };
	hv_session_progress("booting ");
	hv_err err = qvm_rig_start(&self->rig, &self->options->common, &config);
	if (err == HV_OK && !self->rig.image.driver) {
		snprintf(self->rig.why, sizeof(self->rig.why), "the image of the guest has no llfree_guest.ko");
		err = HV_ERR_UNAVAILABLE;
	}
	if (err == HV_OK)
		err = qvm_rig_modprobe(&self->rig, "llfree_guest", NULL);
	hv_session_progress(NULL);
	return err;
}

static void bench_run(const kernel_options *options, hv_result *result)
{
	static kernel_bench self;
	char detail[400];
	self = (kernel_bench){ .options = options, .result = result };
	hv_err err = start(&self);
	if (err == HV_ERR_UNAVAILABLE)
		hv_result_skip(result, "kernel-bench", self.rig.why);
	else if (err != HV_OK && !hv_interrupted())
		fault(&self, "start", self.rig.why[0] != '\0' ? self.rig.why : hv_err_text(err));
	if (err == HV_OK)
		points_run(&self);
	snprintf(detail, sizeof(detail), "%" PRIu64 " points", self.n_points);
	if (self.fault[0] != '\0' || (err == HV_OK && !hv_interrupted()))
		hv_result_check(result, self.fault[0] == '\0', "LLFree in the guest's kernel: no operation failed",
				self.fault[0] != '\0' ? self.fault : detail);
	if (self.fault[0] != '\0') {
		qvm_vm_console_tail(&self.rig.vm, detail, sizeof(detail));
		fprintf(stderr, "llfree-qemu: the end of the guest's console:\n%s\n", detail);
	}
	qvm_rig_stop(&self.rig);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	kernel_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->plan;
		state->child_inputs[1] = &options->common;
		return 0;
	case KEY_CLEAR:
		options->clear = true;
		return 0;
	case ARGP_KEY_END:
		qvm_options_check(&options->common, state);
		if ((options->plan.mib + DRIVER_LEAVES_MIB) << 20 > options->common.memory_bytes)
			argp_error(state, "--mib %" PRIu64 " needs a --memory of at least %" PRIu64 "M",
				   options->plan.mib, options->plan.mib + DRIVER_LEAVES_MIB);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static void parameters_add(cJSON *object, const kernel_options *options)
{
	char line[QVM_KERNEL_LINE_BYTES];
	size_t at = 0;
	qvm_kernel_point point;
	cJSON *points = cJSON_AddArrayToObject(object, "points");
	while (qvm_kernel_plan_next(&options->plan, &at, &point))
		cJSON_AddItemToArray(points,
				     cJSON_CreateString(qvm_kernel_line(&options->plan, &point, line, sizeof(line))));
	cJSON_AddBoolToObject(object, "clear", options->clear);
}

static int kernel_run(int argc, char **argv)
{
	static const struct argp_option known[] = {
		{ "clear", KEY_CLEAR, NULL, 0,
		  "Let the guest's kernel clear each page that alloc_pages hands out, as Debian's does by itself", 0 },
		{ 0 },
	};
	static const struct argp_child children[] = { { &qvm_kernel_plan_argp, 0, "What is measured:", 1 },
						      { &qvm_options_argp, 0, "The VM:", 2 },
						      { 0 } };
	static const struct argp argp = {
		.options = known,
		.parser = parse,
		.children = children,
		.doc = "Boot one VM and measure allocation inside its kernel: LLFree beside alloc_pages, in kernel "
		       "threads, "
		       "nanoseconds per operation. The same as llfree-guest bench inside a guest. No technique runs; "
		       "default --memory 512M."
	};
	static kernel_options options;
	hv_result result;
	options = (kernel_options){ .common = qvm_options_default(), .plan = qvm_kernel_plan_default() };
	options.common.memory_bytes = UINT64_C(512) << 20;
	options.common.technique = "none";
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!qvm_session_open(&result, &options.common, "kernel-bench"))
		return HV_EXIT_USAGE;
	parameters_add(result.parameters, &options);
	bench_run(&options, &result);
	return qvm_session_close(&result, &options.common, hv_interrupted());
}

const qvm_scenario qvm_scenario_kernel_bench = {
	.name = "kernel-bench",
	.summary = "allocation inside a guest's kernel: LLFree beside alloc_pages",
	.run = kernel_run,
};
