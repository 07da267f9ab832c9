/* SPDX-License-Identifier: MIT
 *
 * hvsim tradeoff: both sides of every automatic technique: how long memory stays with the VM after it was freed, and
 * what it costs to allocate it again, over delay, granularity and batch. A guest fills and frees a burst again and
 * again, with pauses of random length: who waits long has the memory still there when it is wanted, and has it idle
 * meanwhile. Points that no other one beats on both sides are marked. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "rig/hv_rig.h"
#include "scenario/hv_scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_DELAYS = 0x5000, KEY_ORDERS, KEY_BATCHES, KEY_GAP, KEY_CYCLES, LIST_MAX = 16, POINTS_MAX = 512 };
#define LOOK_NS UINT64_C(1000000)

typedef struct list {
	uint64_t values[LIST_MAX];
	size_t n_values;
} list;

typedef struct tradeoff_options {
	hv_options common;
	list delays_ms, orders, batches;
	uint64_t gap_ms, cycles;
} tradeoff_options;

typedef struct point {
	const hv_technique *technique;
	uint64_t delay_ms, order, batch;
	double release_ms, get_ns; /**< means: pauses differ, and each counts with its length */
} point;

typedef struct tradeoff {
	const tradeoff_options *options;
	hv_result *result;
	const hv_backing *backing;
	hv_rig rig;
	hv_samples release, get;
	point points[POINTS_MAX];
	size_t n_points;
} tradeoff;

static const struct argp_option option_table[] = {
	{ "delays", KEY_DELAYS, "MS,...", 0,
	  "Delay of reports, period of llfree-auto, in milliseconds (default 5,20,80,320)", 0 },
	{ "orders", KEY_ORDERS, "N,...", 0, "Smallest block reported by base-auto, 0 to 10 (default 9,5)", 0 },
	{ "batches", KEY_BATCHES, "N,...", 0, "Blocks per report, huge frames per discard: 1 to 64 (default 8,32)", 0 },
	{ "gap", KEY_GAP, "MS", 0, "Mean pause between free and next use, 1 to 60000 (default 100)", 0 },
	{ "cycles", KEY_CYCLES, "N", 0, "Bursts per point after the first, 1 to 10000 (default 8)", 0 },
	{ 0 }
};

static uint64_t frames_used_bytes(tradeoff *self)
{
	hv_rig *rig = &self->rig;
	return hv_residency_look(&rig->residency, &rig->vm.memory, &rig->after) == HV_OK ? rig->after.resident_bytes
											 : 0;
}

/* After a free: for how long, on average, does a freed byte stay? A pause cuts it off. */
static double gap_watch(tradeoff *self, uint64_t base_bytes, uint64_t gap_ns)
{
	uint64_t begin_ns = hv_now_ns(), last_ns = begin_ns, last_bytes = frames_used_bytes(self);
	double freed = last_bytes > base_bytes ? (double)(last_bytes - base_bytes) : 0, idle_byte_ns = 0;
	while (last_ns - begin_ns < gap_ns && !hv_interrupted()) {
		hv_sleep_ns(LOOK_NS);
		uint64_t now_ns = hv_now_ns(), bytes = frames_used_bytes(self);
		double mean = ((double)bytes + (double)last_bytes) / 2 - (double)base_bytes;
		idle_byte_ns += (double)(now_ns - last_ns) * (mean > 0 ? mean : 0);
		last_ns = now_ns;
		last_bytes = bytes;
	}
	return freed > 0 ? idle_byte_ns / freed / 1e6 : 0;
}

/* Exponential with the mean; cut at four times of it. */
static uint64_t gap_next(const tradeoff *self, uint64_t *random)
{
	double u = ((double)(hv_random(random) >> 11) + 1) / 9007199254740993.0, mean = (double)self->options->gap_ms;
	double gap_ms = -mean * log(u);
	return (uint64_t)((gap_ms < 4 * mean ? gap_ms : 4 * mean) * 1e6);
}

static void cycles_run(tradeoff *self)
{
	hv_vm *vm = &self->rig.vm;
	uint64_t burst_bytes = self->options->common.memory_bytes / 2, random = self->options->common.seed;
	hv_vm_fill_base(vm, self->options->common.memory_bytes / 16);
	uint64_t base_bytes = frames_used_bytes(self);
	hv_monitor_policy(&self->rig.monitor, true);
	for (uint64_t at = 0; at <= self->options->cycles && !hv_interrupted(); at++) {
		uint64_t begin_ns = hv_now_ns();
		hv_vm_begin(vm, HV_JOB_FILL, burst_bytes / HV_FRAME_BYTES / vm->config.n_vcpus);
		hv_vm_wait(vm);
		double get_ns = (double)(hv_now_ns() - begin_ns) * HV_HUGE_BYTES / (double)burst_bytes;
		hv_vm_begin(vm, HV_JOB_FREE, 0);
		hv_vm_wait(vm);
		double release_ms = gap_watch(self, base_bytes, gap_next(self, &random));
		/* the first burst meets memory that was never touched: it stands apart */
		if (hv_samples_add(&self->get, get_ns) != HV_OK || hv_samples_add(&self->release, release_ms) != HV_OK)
			return;
	}
	hv_monitor_policy(&self->rig.monitor, false);
}

static hv_rig_config rig_config(const tradeoff *self, const point *at, const hv_guest_allocator *allocator)
{
	const hv_options *common = &self->options->common;
	bool reports = at->technique->guest->reports;
	hv_tuning tuning = { .report_order = (unsigned)at->order,
			     .report_delay_ns = at->delay_ms * 1000000,
			     .report_batch = (uint32_t)at->batch,
			     .block_bytes = common->block_bytes };
	return (hv_rig_config){ .vm = { .memory_bytes = common->memory_bytes,
					.backing = self->backing,
					.allocator = allocator,
					.n_vcpus = (uint32_t)common->vcpus,
					.fill_order = (unsigned)common->fill_order,
					.install_timeout_ns = common->timeout_ms * 1000000,
					.seed = common->seed,
					.tuning = tuning },
				.technique = at->technique,
				.policy = hv_policy_find("period"),
				.period_ns = reports ? 1000000 : at->delay_ms * 1000000,
				.discard = HV_DISCARD_VECTORED,
				.batch_huge = reports ? (uint32_t)common->batch_huge : (uint32_t)at->batch };
}

static void rows_emit(tradeoff *self, const point *at, const hv_guest_allocator *allocator)
{
	char phase[80];
	snprintf(phase, sizeof(phase), "delay %" PRIu64 " ms, order %" PRIu64 ", batch %" PRIu64, at->delay_ms,
		 at->order, at->batch);
	hv_row row = { .scenario = "tradeoff",
		       .technique = at->technique->name,
		       .allocator = allocator->name,
		       .device = "none",
		       .backing = self->backing->name,
		       .phase = phase,
		       .metric = "release",
		       .unit = "ms",
		       .samples = &self->release,
		       .proof = "residency oracle, every millisecond",
		       .quiet = true };
	hv_result_row(self->result, &row);
	row.metric = "get";
	row.unit = "ns/2MiB";
	row.samples = &self->get;
	row.proof = "pattern written";
	hv_result_row(self->result, &row);
}

/* Of all but the first. */
static double mean_of(const hv_samples *samples)
{
	double sum = 0;
	for (size_t at = 1; at < samples->n_values; at++)
		sum += samples->values[at];
	return samples->n_values > 1 ? sum / (double)(samples->n_values - 1) : 0;
}

static void point_run(tradeoff *self, point at, const hv_guest_allocator *allocator)
{
	char what[120], detail[220];
	const char *failed_step;
	if (self->n_points == POINTS_MAX || hv_interrupted())
		return;
	hv_session_progress("%s, delay %" PRIu64 " ms, order %" PRIu64 ", batch %" PRIu64 " ", at.technique->name,
			    at.delay_ms, at.order, at.batch);
	hv_rig_config config = rig_config(self, &at, allocator);
	hv_err err = hv_rig_create(&self->rig, &config, &failed_step);
	snprintf(what, sizeof(what), "%s, delay %" PRIu64 " ms, order %" PRIu64 ", batch %" PRIu64 ": H1, A2",
		 at.technique->name, at.delay_ms, at.order, at.batch);
	if (err != HV_OK) {
		snprintf(detail, sizeof(detail), "%s: %s (%s)", failed_step, hv_err_text(err), strerror(errno));
		hv_result_check(self->result, false, what, detail);
		return;
	}
	cycles_run(self);
	bool sound = hv_rig_sound(&self->rig, detail, sizeof(detail));
	hv_rig_destroy(&self->rig);
	hv_session_progress(NULL);
	if (!hv_interrupted()) {
		hv_result_check(self->result, sound, what, sound ? "1 guest checked" : detail);
		at.release_ms = mean_of(&self->release);
		at.get_ns = mean_of(&self->get);
		rows_emit(self, &at, allocator);
		self->points[self->n_points++] = at;
	}
	hv_samples_clear(&self->release);
	hv_samples_clear(&self->get);
}

/* Only what a technique has is varied. */
static void technique_run(tradeoff *self, const hv_technique *technique)
{
	const tradeoff_options *options = self->options;
	char why[160];
	const hv_guest_allocator *allocator = hv_options_allocator(&options->common, technique, why, sizeof(why));
	if (allocator == NULL || !technique->automatic || technique->grain_bytes == 0) {
		hv_result_skip(self->result, technique->name,
			       allocator == NULL ? why : "it releases nothing by itself, so it has no delay");
		return;
	}
	bool orders = strcmp(technique->name, "base-auto") == 0;
	for (size_t delay = 0; delay < options->delays_ms.n_values; delay++)
		for (size_t order = 0; order < (orders ? options->orders.n_values : 1); order++)
			for (size_t batch = 0; batch < options->batches.n_values; batch++)
				point_run(self,
					  (point){ .technique = technique,
						   .delay_ms = options->delays_ms.values[delay],
						   .order = orders ? options->orders.values[order] : LLFREE_HUGE_ORDER,
						   .batch = options->batches.values[batch] },
					  allocator);
}

static bool is_beaten(const tradeoff *self, const point *at)
{
	for (size_t idx = 0; idx < self->n_points; idx++) {
		const point *other = &self->points[idx];
		bool no_worse = other->release_ms <= at->release_ms && other->get_ns <= at->get_ns;
		if (no_worse && (other->release_ms < at->release_ms || other->get_ns < at->get_ns))
			return true;
	}
	return false;
}

static int by_release(const void *left, const void *right)
{
	const point *a = left, *b = right;
	return (a->release_ms > b->release_ms) - (a->release_ms < b->release_ms);
}

static void table_show(tradeoff *self)
{
	qsort(self->points, self->n_points, sizeof(self->points[0]), by_release);
	hv_result_say(self->result, "%-14s %9s %6s %6s %12s %12s  %s\n", "technique", "delay ms", "order", "batch",
		      "release ms", "get us/2MiB", "Pareto");
	for (size_t idx = 0; idx < self->n_points; idx++) {
		const point *at = &self->points[idx];
		bool best = !is_beaten(self, at);
		char phase[80];
		snprintf(phase, sizeof(phase), "delay %" PRIu64 " ms, order %" PRIu64 ", batch %" PRIu64, at->delay_ms,
			 at->order, at->batch);
		hv_row like = { .scenario = "tradeoff",
				.technique = at->technique->name,
				.backing = self->backing->name,
				.phase = phase,
				.quiet = true };
		hv_session_figure(self->result, &like, "pareto-optimal", "boolean", best);
		hv_result_say(self->result, "%-14s %9" PRIu64 " %6" PRIu64 " %6" PRIu64 " %12.1f %12.1f  %s\n",
			      at->technique->name, at->delay_ms, at->order, at->batch, at->release_ms,
			      at->get_ns / 1000, best ? "*" : "");
	}
}

static void run_all(const tradeoff_options *options, hv_result *result)
{
	static tradeoff self;
	char why[160];
	self = (tradeoff){ .options = options, .result = result, .backing = hv_backing_find(options->common.backing) };
	if (!hv_backing_available(self.backing, why, sizeof(why))) {
		hv_result_skip(result, self.backing->name, why);
		return;
	}
	for (const hv_technique *const *each = hv_techniques; *each != NULL && !hv_interrupted(); each++)
		if (hv_options_wants(options->common.technique, (*each)->name))
			technique_run(&self, *each);
	table_show(&self);
}

static void list_parse(const struct argp_state *state, const char *name, const char *text, uint64_t low, uint64_t high,
		       list *values)
{
	values->n_values = 0;
	for (const char *at = text;;) {
		char *end;
		uint64_t value = strtoull(at, &end, 10);
		if (end == at || *at == '-' || (*end != ',' && *end != '\0') || value < low || value > high ||
		    values->n_values == LIST_MAX)
			argp_error(state,
				   "--%s is '%s'; allowed: up to %d numbers from %" PRIu64 " to %" PRIu64
				   ", separated by commas",
				   name, text, LIST_MAX, low, high);
		values->values[values->n_values++] = value;
		if (*end == '\0')
			return;
		at = end + 1;
	}
}

static void check(tradeoff_options *options, const struct argp_state *state)
{
	if (options->common.target_bytes == 0)
		options->common.target_bytes = HV_HUGE_BYTES;
	hv_options_check(&options->common, state);
	if (hv_backing_find(options->common.backing) == NULL)
		argp_error(state, "--backing is '%s'; allowed: one", options->common.backing);
	if (options->common.memory_bytes < (UINT64_C(32) << 20))
		argp_error(state, "--memory is too small for a burst; allowed: from 32M");
	if (options->common.dma)
		argp_error(state, "--device dma is not for this; allowed: none");
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	tradeoff_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case KEY_DELAYS:
		list_parse(state, "delays", text, 1, 60000, &options->delays_ms);
		return 0;
	case KEY_ORDERS:
		list_parse(state, "orders", text, 0, 10, &options->orders);
		return 0;
	case KEY_BATCHES:
		list_parse(state, "batches", text, 1, HV_RING_SEGMENTS_MAX, &options->batches);
		return 0;
	case KEY_GAP:
		options->gap_ms = hv_options_number(state, "gap", text, 1, 60000);
		return 0;
	case KEY_CYCLES:
		options->cycles = hv_options_number(state, "cycles", text, 1, 10000);
		return 0;
	case ARGP_KEY_END:
		check(options, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static void parameters_add(cJSON *object, const tradeoff_options *options)
{
	const struct {
		const char *name;
		const list *values;
	} lists[] = { { "delays_ms", &options->delays_ms },
		      { "orders", &options->orders },
		      { "batches", &options->batches } };
	for (size_t at = 0; at < sizeof(lists) / sizeof(lists[0]); at++) {
		cJSON *array = cJSON_AddArrayToObject(object, lists[at].name);
		for (size_t each = 0; each < lists[at].values->n_values; each++)
			cJSON_AddItemToArray(array, cJSON_CreateNumber((double)lists[at].values->values[each]));
	}
	cJSON_AddStringToObject(object, "technique", options->common.technique);
	cJSON_AddStringToObject(object, "backing", options->common.backing);
	cJSON_AddNumberToObject(object, "memory_bytes", (double)options->common.memory_bytes);
	cJSON_AddNumberToObject(object, "vcpus", (double)options->common.vcpus);
	cJSON_AddNumberToObject(object, "gap_ms", (double)options->gap_ms);
	cJSON_AddNumberToObject(object, "cycles", (double)options->cycles);
	cJSON_AddNumberToObject(object, "order", (double)options->common.fill_order);
	cJSON_AddNumberToObject(object, "seed", (double)options->common.seed);
}

static int tradeoff_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { &hv_options_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		.options = option_table,
		.parser = parse,
		.children = children,
		.doc = "How long freed memory stays with the VM against what it costs to allocate it again, over "
		       "delay, "
		       "granularity and batch of the automatic techniques (default: base-auto, huge-auto, llfree-auto)."
	};
	tradeoff_options options = { .common = hv_options_default(),
				     .delays_ms = { { 5, 20, 80, 320 }, 4 },
				     .orders = { { 9, 5 }, 2 },
				     .batches = { { 8, 32 }, 2 },
				     .gap_ms = 100,
				     .cycles = 8 };
	hv_result result;
	options.common.technique = "base-auto,huge-auto,llfree-auto";
	options.common.memory_bytes = UINT64_C(512) << 20;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!hv_session_open(&result, &options.common, "tradeoff"))
		return HV_EXIT_USAGE;
	parameters_add(result.parameters, &options);
	run_all(&options, &result);
	return hv_session_close(&result, &options.common, hv_interrupted());
}

const hv_scenario hv_scenario_tradeoff = {
	.name = "tradeoff",
	.summary = "how long freed memory stays against what it costs to get it again: the Pareto curve",
	.run = tradeoff_run,
};
