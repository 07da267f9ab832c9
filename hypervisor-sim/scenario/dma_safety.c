/* SPDX-License-Identifier: MIT
 *
 * hvsim dma-safety: resize a VM by each technique while a DMA device reads and writes its memory, and count the
 * transfers after which CPU and device do not see the same (H2). A technique that calls itself DMA-safe must have
 * none; for the others the count is a property to be reported. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "cli/isolation_options.h"
#include "rig/hv_rig.h"
#include "scenario/hv_scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEY_TRANSFERS = 0x1000, KEY_SECONDS, KEY_WINDOW, RESIZES_MIN = 4, PASSES_MIN = 60, SHORT_DELAY_MS = 20 };
#define PAUSE_NS UINT64_C(3000000)

typedef struct safety_options {
	hv_options common;
	hv_isolation_options isolation;
	uint64_t transfers, seconds, window_huge;
} safety_options;

typedef struct safety {
	const safety_options *options;
	hv_result *result;
	const hv_technique *technique;
	const hv_backing *backing;
	const hv_guest_allocator *allocator;
	hv_rig rig;
	uint64_t resizes, safe_transfers;
	hv_err resize_err;
} safety;

static const struct argp_option option_table[] = {
	{ "transfers", KEY_TRANSFERS, "N", 0, "Checked transfers per technique, at least (default 100000)", 0 },
	{ "seconds", KEY_SECONDS, "N", 0, "Time limit per technique (default 8)", 0 },
	{ "device-window", KEY_WINDOW, "N", 0,
	  "Huge frames that the device sees (default: all, or what RLIMIT_MEMLOCK allows)", 0 },
	{ 0 }
};

static bool enough(safety *self, uint64_t begin_ns)
{
	uint64_t limit_ns = self->options->seconds * 1000000000u;
	bool over = hv_now_ns() - begin_ns > limit_ns;
	hv_dma_outcome outcome;
	hv_err err = hv_rig_dma_result(&self->rig, &outcome);
	if (err != HV_OK)
		self->resize_err = err;
	return err != HV_OK || hv_interrupted() || (over && self->resizes > 0) ||
	       (outcome.transfers >= self->options->transfers &&
		self->resizes >= (self->technique->automatic ? PASSES_MIN : RESIZES_MIN));
}

static bool resize_fine(safety *self, hv_err err)
{
	if (err == HV_OK || err == HV_ERR_SHORT)
		return true;
	self->resize_err = err;
	return false;
}

/* Down and up again, as fast as the technique can, with a pause on each side for the device. */
static void resize_by_limit(safety *self, uint64_t begin_ns)
{
	const hv_options *common = &self->options->common;
	while (!enough(self, begin_ns)) {
		hv_move shrunk = hv_monitor_do(&self->rig.monitor, HV_COMMAND_SHRINK, common->target_bytes);
		hv_sleep_ns(PAUSE_NS);
		hv_move grown = hv_monitor_do(&self->rig.monitor, HV_COMMAND_GROW, common->memory_bytes);
		hv_sleep_ns(PAUSE_NS);
		if (!resize_fine(self, shrunk.err) || !resize_fine(self, grown.err))
			return;
		self->resizes++;
	}
}

static void resize_by_policy(safety *self, uint64_t begin_ns)
{
	hv_move last = { .err = HV_OK };
	hv_monitor_policy(&self->rig.monitor, true);
	while (!enough(self, begin_ns) && resize_fine(self, last.err)) {
		hv_sleep_ns(PAUSE_NS);
		self->resizes = hv_monitor_passes(&self->rig.monitor, &last);
	}
	hv_monitor_policy(&self->rig.monitor, false);
}

/* The guest does what it is told; in a process of its own it may be gone. */
static bool guest_fine(safety *self, hv_err err)
{
	if (err != HV_OK)
		self->resize_err = err;
	return err == HV_OK;
}

static void run(safety *self)
{
	if (!guest_fine(self, hv_rig_fill_base(&self->rig, self->options->common.target_bytes / 2)) ||
	    !guest_fine(self, hv_rig_begin(&self->rig, HV_JOB_DEVICE, 0)))
		return;
	uint64_t begin_ns = hv_now_ns();
	if (self->technique->automatic)
		resize_by_policy(self, begin_ns);
	else
		resize_by_limit(self, begin_ns);
	if (!guest_fine(self, hv_rig_begin(&self->rig, HV_JOB_WORK, 0))) /* the base: checked once more */
		return;
	hv_sleep_ns(PAUSE_NS);
	(void)!guest_fine(self, hv_rig_do(&self->rig, HV_JOB_FREE, 0));
}

static void row_emit(const safety *self, const char *phase, const char *metric, uint64_t value, const char *note)
{
	hv_samples samples = { 0 };
	hv_row row = { .scenario = "dma-safety",
		       .technique = self->technique->name,
		       .allocator = self->allocator->name,
		       .device = "dma",
		       .backing = self->backing->name,
		       .isolation = hv_isolation_text(self->options->isolation.isolation),
		       .phase = phase,
		       .metric = metric,
		       .unit = "count",
		       .samples = &samples,
		       .proof = "pattern checked by the CPU after each transfer",
		       .note = note };
	if (hv_samples_add(&samples, (double)value) == HV_OK)
		hv_result_row(self->result, &row);
	hv_samples_clear(&samples);
}

static void check_emit(const safety *self, bool ok, const char *what, const char *detail)
{
	char name[160];
	snprintf(name, sizeof(name), "%s on %s: %s", self->technique->name, self->backing->name, what);
	hv_result_check(self->result, ok, name, detail);
}

static void emit(safety *self)
{
	char detail[220], note[120];
	hv_dma_outcome outcome = { 0 };
	if (hv_rig_dma_result(&self->rig, &outcome) != HV_OK)
		outcome.errors = 1; /* told by the checks */
	const hv_dma_counters *counters = hv_dma_count(self->rig.device.dma);
	uint64_t stale = outcome.stale_writes + outcome.stale_reads, window = hv_dma_window(self->rig.device.dma);
	bool sound = hv_rig_sound(&self->rig, detail, sizeof(detail));
	check_emit(self, sound, "memory, pins and allocator at rest (H1, H2, A2)", sound ? "1 guest checked" : detail);
	check_emit(self, self->resize_err == HV_OK, "every resize ended well", hv_err_text(self->resize_err));
	snprintf(note, sizeof(note), "%s, device sees %" PRIu64 " of %" PRIu64 " huge frames%s",
		 self->technique->dma_safe ? "DMA-safe" : "not DMA-safe", window, self->rig.memory.huge_count,
		 hv_dma_limited(self->rig.device.dma) ? " (RLIMIT_MEMLOCK)" : "");
	row_emit(self, "stale transfers", "stale_transfers", stale, note);
	row_emit(self, "transfers", "transfers", outcome.transfers, NULL);
	row_emit(self, "device wrote, CPU blind", "stale_writes", outcome.stale_writes, NULL);
	row_emit(self, "resizes", "resizes", self->resizes, NULL);
	row_emit(self, "unmaps", "unmaps", atomic_load(&counters->unmapped), NULL);
	row_emit(self, "unmaps beside I/O", "unmaps_in_flight", atomic_load(&counters->unmapped_in_flight), NULL);
	snprintf(detail, sizeof(detail),
		 "%" PRIu64 " transfers, %" PRIu64 " stale, %" PRIu64 " on unmapped slots, %" PRIu64 " failed",
		 outcome.transfers, stale, outcome.unmapped, outcome.errors);
	if (self->technique->dma_safe)
		check_emit(self, stale + outcome.unmapped + outcome.errors == 0, "no stale transfer (H2)", detail);
	else
		check_emit(self, outcome.unmapped + outcome.errors == 0, "every transfer ended", detail);
	if (!hv_interrupted())
		check_emit(self, outcome.transfers > 0 && self->resizes > 0, "resized beside transfers", detail);
	if (self->technique->dma_safe)
		self->safe_transfers = outcome.transfers;
}

/* @return transfers, if the technique calls itself safe */
static uint64_t technique_run(const safety_options *options, hv_result *result, const hv_technique *technique,
			      const hv_backing *backing)
{
	const hv_options *common = &options->common;
	safety self = { .options = options, .result = result, .technique = technique, .backing = backing };
	char why[160];
	self.allocator = hv_options_allocator(common, technique, why, sizeof(why));
	if (self.allocator == NULL) {
		hv_result_skip(result, technique->name, why);
		return 0;
	}
	hv_rig_config config = {
		.vm = { .memory_bytes = common->memory_bytes,
			.backing = backing,
			.allocator = self.allocator,
			.n_vcpus = (uint32_t)common->vcpus,
			.install_timeout_ns = common->timeout_ms * 1000000,
			.seed = common->seed,
			.tuning = hv_options_tuning(common, SHORT_DELAY_MS) },
		.technique = technique,
		.policy = technique->automatic ? hv_policy_find("period") : NULL,
		.period_ns = (common->period_ms != 0 ? common->period_ms : SHORT_DELAY_MS) * 1000000,
		.discard = HV_DISCARD_VECTORED,
		.batch_huge = (uint32_t)common->batch_huge,
		.dma = true,
		.dma_window_huge = options->window_huge,
		.isolation = options->isolation.isolation,
	};
	const char *failed_step;
	hv_err err = hv_rig_create(&self.rig, &config, &failed_step);
	if (err != HV_OK) {
		snprintf(why, sizeof(why), "%s: %s (%s)", failed_step, hv_err_text(err), strerror(errno));
		check_emit(&self, false, "start", why);
		return 0;
	}
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K%s on %s, up to %" PRIu64 " s ", technique->name, backing->name,
			options->seconds);
	run(&self);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
	emit(&self);
	hv_rig_destroy(&self.rig);
	return self.safe_transfers;
}

static void run_all(const safety_options *options, hv_result *result)
{
	char why[160];
	uint64_t safe_transfers = 0;
	if (!hv_dma_available(why, sizeof(why))) {
		hv_result_skip(result, "the DMA device", why);
		return;
	}
	for (const hv_backing *const *backing = hv_backings; *backing != NULL; backing++) {
		if (!hv_options_wants(options->common.backing, (*backing)->name) ||
		    !hv_isolation_allows(&options->isolation, *backing))
			continue;
		if (!hv_backing_available(*backing, why, sizeof(why))) {
			hv_result_skip(result, (*backing)->name, why);
			continue;
		}
		for (const hv_technique *const *each = hv_techniques; *each != NULL && !hv_interrupted(); each++)
			if ((*each)->grain_bytes != 0 && hv_options_wants(options->common.technique, (*each)->name))
				safe_transfers += technique_run(options, result, *each, *backing);
	}
	hv_result_say(result, "transfers beside DMA-safe techniques: %" PRIu64 "\n", safe_transfers);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	safety_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		options->isolation.common = &options->common;
		state->child_inputs[0] = &options->common;
		state->child_inputs[1] = &options->isolation;
		return 0;
	case KEY_TRANSFERS:
		options->transfers = hv_options_number(state, "transfers", text, 1, UINT32_MAX);
		return 0;
	case KEY_SECONDS:
		options->seconds = hv_options_number(state, "seconds", text, 1, 86400);
		return 0;
	case KEY_WINDOW:
		options->window_huge = hv_options_number(state, "device-window", text, 1, HV_DMA_HUGE_MAX);
		return 0;
	case ARGP_KEY_END:
		if (options->common.target_bytes == 0)
			options->common.target_bytes =
				options->common.memory_bytes / 4 & ~(uint64_t)(HV_HUGE_BYTES - 1);
		hv_options_check(&options->common, state);
		hv_isolation_check(&options->isolation, state);
		if (options->common.memory_bytes >> HV_HUGE_SHIFT > HV_DMA_HUGE_MAX)
			argp_error(state, "--memory is more than a device can map; allowed: up to 32G");
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static void parameters_add(hv_result *result, const safety_options *options)
{
	cJSON *object = result->parameters;
	cJSON_AddStringToObject(object, "technique", options->common.technique);
	cJSON_AddStringToObject(object, "backing", options->common.backing);
	cJSON_AddStringToObject(object, "isolation", hv_isolation_text(options->isolation.isolation));
	cJSON_AddNumberToObject(object, "memory_bytes", (double)options->common.memory_bytes);
	cJSON_AddNumberToObject(object, "target_bytes", (double)options->common.target_bytes);
	cJSON_AddNumberToObject(object, "vcpus", (double)options->common.vcpus);
	cJSON_AddNumberToObject(object, "batch", (double)options->common.batch_huge);
	cJSON_AddNumberToObject(object, "transfers", (double)options->transfers);
	cJSON_AddNumberToObject(object, "seconds", (double)options->seconds);
	cJSON_AddNumberToObject(object, "device_window", (double)options->window_huge);
	cJSON_AddNumberToObject(object, "seed", (double)options->common.seed);
}

static int dma_safety_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { &hv_options_argp, 0, NULL, 0 },
						      { &hv_isolation_argp, 0, NULL, 0 },
						      { 0 } };
	static const struct argp argp = {
		.options = option_table,
		.parser = parse,
		.children = children,
		.doc = "Resize a VM by each technique while a DMA device reads and writes its "
		       "memory; count the transfers that went stale. --memory is 256M by "
		       "default."
	};
	safety_options options = { .common = hv_options_default(), .transfers = 100000, .seconds = 8 };
	hv_result result;
	options.common.memory_bytes = UINT64_C(256) << 20;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!hv_session_open(&result, &options.common, "dma-safety"))
		return HV_EXIT_USAGE;
	parameters_add(&result, &options);
	run_all(&options, &result);
	return hv_session_close(&result, &options.common, hv_interrupted());
}

const hv_scenario hv_scenario_dma_safety = {
	.name = "dma-safety",
	.summary = "resize beside a DMA device that reads and writes: stale transfers per technique",
	.run = dma_safety_run,
};
