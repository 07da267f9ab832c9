/* SPDX-License-Identifier: MIT
 *
 * hvsim inflate: shrink and grow a VM by each technique, on each backing, beside vCPUs that work in memory of their
 * own, and time every phase per 2 MiB moved. Every reclaim is proven by the residency oracle (H3, H5), the guest's
 * frames by their pattern (H1), the allocator by its audit (A2).
 *
 * The base, which the guest never gives back, fills the target but for some slack, so what is touched again after a
 * grow is what was reclaimed before. An automatic technique leaves nothing untouched after its first pass: there the
 * VM is made anew for each iteration. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "cli/policy_options.h"
#include "cli/isolation_options.h"
#include "rig/hv_rig.h"
#include "scenario/hv_scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What automatic techniques wait for is not measured, so they need not wait for seconds. */
enum { SHORT_DELAY_MS = 20 };

typedef enum phase { PHASE_UNTOUCHED, PHASE_GROW_TOUCH, PHASE_TOUCHED, PHASE_GROW, PHASE_SINGLE, PHASE_COUNT } phase;

static const struct {
	const char *name;
	bool reclaims, touched;
} phase_table[PHASE_COUNT] = {
	[PHASE_UNTOUCHED] = { "shrink-untouched", true, false },  [PHASE_GROW_TOUCH] = { "grow-touch", false, false },
	[PHASE_TOUCHED] = { "shrink-touched", true, true },       [PHASE_GROW] = { "grow", false, false },
	[PHASE_SINGLE] = { "shrink-touched-single", true, true },
};

/* One line of the checks: holds until the first failure. */
typedef struct verdict {
	bool failed;
	uint64_t n_checked;
	char detail[200];
} verdict;

typedef struct inflate_options {
	hv_options common;
	hv_policy_options policy; /**< of automatic techniques */
	hv_isolation_options isolation;
} inflate_options;

typedef struct inflate {
	const hv_options *options;
	const hv_policy_options *policy;
	const hv_isolation_options *isolation;
	hv_result *result;
	const hv_technique *technique;
	const hv_guest_allocator *allocator;
	const hv_backing *backing;
	uint64_t target_bytes, iteration;
	uint64_t taken_bytes; /**< by the last reclaim */
	hv_rig rig;
	bool rig_up;
	hv_samples samples[PHASE_COUNT];
	uint64_t moved[PHASE_COUNT], freed[PHASE_COUNT];
	hv_traffic before; /**< the move that runs */
	hv_traffic_samples traffic[PHASE_COUNT];
	verdict proof, sound;
	hv_samples pinned;                       /**< bytes after each shrink of touched memory, with a device */
	uint64_t huge_page_bytes, touched_bytes; /**< of the last look at touched memory */
	hv_discard_way way;
	const char *oracle;
} inflate;

static void progress(const inflate *self, phase at)
{
	hv_session_progress("%s on %s: iteration %" PRIu64 " of %" PRIu64 ", %s ", self->technique->name,
			    self->backing->name, self->iteration + 1, self->options->iterations, phase_table[at].name);
}

static void verdict_add(verdict *self, bool ok, const char *detail)
{
	self->n_checked++;
	if (ok || self->failed)
		return;
	self->failed = true;
	snprintf(self->detail, sizeof(self->detail), "%s", detail);
}

static bool sample_add(inflate *self, phase at, uint64_t elapsed_ns, uint64_t moved_bytes)
{
	if (moved_bytes == 0)
		return true; /* nothing moved, nothing to divide by: the proof has said so */
	self->moved[at] += moved_bytes;
	hv_traffic after = hv_rig_traffic(&self->rig);
	if (hv_traffic_add(&self->traffic[at], &self->before, &after, moved_bytes) != HV_OK)
		return false;
	return hv_samples_add(&self->samples[at], (double)elapsed_ns * HV_HUGE_BYTES / (double)moved_bytes) == HV_OK;
}

/* The guest does what it is told; in a process of its own it may be gone. */
static bool guest_fine(inflate *self, hv_err err)
{
	if (err != HV_OK)
		verdict_add(&self->sound, false, hv_err_text(err));
	return err == HV_OK;
}

static bool rig_start(inflate *self)
{
	const hv_options *options = self->options;
	hv_rig_config config = {
		.vm = { .memory_bytes = options->memory_bytes,
			.backing = self->backing,
			.allocator = self->allocator,
			.n_vcpus = (uint32_t)options->vcpus,
			.fill_order = (unsigned)options->fill_order,
			.install_timeout_ns = options->timeout_ms * 1000000,
			.seed = options->seed,
			.tuning = hv_options_tuning(options, SHORT_DELAY_MS) },
		.technique = self->technique,
		.policy = self->technique->automatic ? self->policy->policy : NULL,
		.policy_setup = &self->policy->setup,
		.period_ns = (options->period_ms != 0 ? options->period_ms : SHORT_DELAY_MS) * 1000000,
		.discard = HV_DISCARD_VECTORED,
		.batch_huge = (uint32_t)options->batch_huge,
		.dma = options->dma,
		.isolation = self->isolation->isolation,
	};
	const char *failed_step;
	hv_err err = hv_rig_create(&self->rig, &config, &failed_step);
	if (err != HV_OK) {
		char detail[200];
		snprintf(detail, sizeof(detail), "%s: %s (%s)", failed_step, hv_err_text(err), strerror(errno));
		verdict_add(&self->sound, false, detail);
		return false;
	}
	self->rig_up = true;
	self->way = self->rig.host.discarder.way;
	self->oracle = hv_residency_way_text(self->rig.residency.way);
	/* one huge frame may stay in parts for each vCPU, and two for what its slots hold */
	uint64_t slack_bytes = (4 + 3 * options->vcpus) * (uint64_t)HV_HUGE_BYTES;
	uint64_t base_bytes =
		self->target_bytes > 2 * slack_bytes ? self->target_bytes - slack_bytes : self->target_bytes / 2;
	return guest_fine(self, hv_rig_fill_base(&self->rig, base_bytes));
}

static void rig_end(inflate *self)
{
	if (!self->rig_up)
		return;
	char detail[200];
	if (guest_fine(self, hv_rig_do(&self->rig, HV_JOB_FREE, 0)))
		verdict_add(&self->sound, hv_rig_sound(&self->rig, detail, sizeof(detail)), detail);
	hv_rig_destroy(&self->rig);
	self->rig_up = false;
}

/* The policy saw no reason to act. */
static bool policy_idle(inflate *self, phase at)
{
	char what[120];
	snprintf(what, sizeof(what), "%s, %s", self->technique->name, phase_table[at].name);
	hv_session_progress(NULL);
	hv_result_skip(self->result, what, "the policy made no pass");
	return at == PHASE_UNTOUCHED; /* there may be more to take later */
}

/* A reclaim beside working vCPUs. */
static bool shrink(inflate *self, phase at)
{
	char detail[200];
	if (hv_interrupted())
		return false;
	progress(self, at);
	if (!guest_fine(self, hv_rig_begin(&self->rig, HV_JOB_WORK, 0)))
		return false;
	self->before = hv_rig_traffic(&self->rig);
	hv_proof proof = hv_rig_take(&self->rig, self->target_bytes);
	if (proof.move.err == HV_ERR_TIMEOUT && strcmp(self->policy->policy->name, "period") != 0)
		return policy_idle(self, at);
	bool holds = hv_proof_holds(&proof, phase_table[at].touched, detail, sizeof(detail));
	if (holds && proof.bytes_moved == 0) {
		snprintf(detail, sizeof(detail), "%s moved nothing", phase_table[at].name);
		holds = false;
	}
	verdict_add(&self->proof, holds, detail);
	self->freed[at] += proof.bytes_freed;
	if (at == PHASE_TOUCHED && self->rig.device.dma != NULL &&
	    hv_samples_add(&self->pinned, (double)(hv_pinned_bytes() - self->rig.pinned_before)) != HV_OK)
		return false;
	if (phase_table[at].touched) {
		self->huge_page_bytes = self->rig.before.huge_page_bytes;
		self->touched_bytes = self->rig.before.resident_bytes;
	}
	self->taken_bytes = proof.bytes_moved;
	if (hv_traffic_add_wait(&self->traffic[at], proof.move.wait_ns, proof.bytes_moved) != HV_OK)
		return false;
	return sample_add(self, at, proof.move.elapsed_ns, proof.bytes_moved) && holds;
}

/* Give back up to the whole memory; an automatic technique has nothing to give. */
static hv_move grow(inflate *self)
{
	if (self->technique->automatic)
		return (hv_move){ .err = HV_OK };
	hv_move move = hv_monitor_do(&self->rig.monitor, HV_COMMAND_GROW, self->options->memory_bytes);
	if (move.err != HV_OK)
		verdict_add(&self->proof, false, hv_err_text(move.err));
	return move;
}

/* Grow, then have the guest allocate and write all there is; PHASE_COUNT: not measured. */
static bool grow_touch(inflate *self, phase at)
{
	if (hv_interrupted())
		return false;
	progress(self, PHASE_GROW_TOUCH);
	uint64_t evicted_bytes = self->technique->shared_state ? hv_rig_out_bytes(&self->rig) : self->taken_bytes;
	self->before = hv_rig_traffic(&self->rig);
	uint64_t begin_ns = hv_now_ns();
	hv_move move = grow(self);
	bool filled = guest_fine(self, hv_rig_fill_all(&self->rig));
	uint64_t elapsed_ns = hv_now_ns() - begin_ns;
	uint64_t left_bytes = hv_rig_out_bytes(&self->rig);
	if (left_bytes != 0)
		verdict_add(&self->proof, false, "the guest could not allocate all that was given back");
	return filled && guest_fine(self, hv_rig_do(&self->rig, HV_JOB_FREE, 0)) && move.err == HV_OK &&
	       (at == PHASE_COUNT || sample_add(self, at, elapsed_ns, evicted_bytes - left_bytes));
}

static bool grow_only(inflate *self)
{
	progress(self, PHASE_GROW);
	self->before = hv_rig_traffic(&self->rig);
	hv_move move = grow(self);
	return move.err == HV_OK && sample_add(self, PHASE_GROW, move.elapsed_ns, move.bytes);
}

/* The same reclaim with one call for each huge frame, in the same run. */
static bool shrink_single(inflate *self)
{
	if (!grow_touch(self, PHASE_COUNT))
		return false;
	hv_host_set_discard(&self->rig.host, HV_DISCARD_SINGLE, 1);
	bool ok = shrink(self, PHASE_SINGLE);
	hv_host_set_discard(&self->rig.host, HV_DISCARD_VECTORED, (uint32_t)self->options->batch_huge);
	return ok && grow(self).err == HV_OK;
}

static bool iterate(inflate *self)
{
	if (!self->rig_up && !rig_start(self))
		return false;
	bool ok = shrink(self, PHASE_UNTOUCHED) && grow_touch(self, PHASE_GROW_TOUCH) && shrink(self, PHASE_TOUCHED) &&
		  grow_only(self) && (!self->technique->batches || shrink_single(self));
	if (self->technique->automatic)
		rig_end(self);
	return ok;
}

static void row_emit(inflate *self, const char *name, const char *metric, const char *unit, phase at,
		     const hv_samples *samples)
{
	char proof[120] = "", discard[80], note[80] = "", target[32];
	bool bytes = at != PHASE_COUNT, reclaims = bytes && phase_table[at].reclaims;
	if (reclaims)
		snprintf(proof, sizeof(proof), "%s: %s", self->oracle,
			 phase_table[at].touched ? "resident before, absent after"
			 : self->options->dma    ? "absent after"
						 : "absent before and after");
	if (self->technique->batches)
		snprintf(discard, sizeof(discard), "%s%s",
			 hv_discard_way_text(at == PHASE_SINGLE ? HV_DISCARD_SINGLE : self->way),
			 self->backing->discard == HV_DISCARD_PUNCH ? ", then punch" : "");
	else
		snprintf(discard, sizeof(discard), "%s, %s",
			 self->backing->discard == HV_DISCARD_PUNCH ? "punch" : "madvise", self->technique->discard);
	if (bytes && self->target_bytes != self->options->target_bytes)
		snprintf(note, sizeof(note), "slow: down to %s only",
			 hv_format_bytes(self->target_bytes, target, sizeof(target)));
	else if (hv_isolation_note(self->isolation) != NULL)
		snprintf(note, sizeof(note), "%s", hv_isolation_note(self->isolation));
	hv_row row = {
		.scenario = "inflate",
		.technique = self->technique->name,
		.allocator = self->allocator->name,
		.device = self->options->dma ? "dma" : "none",
		.backing = self->backing->name,
		.isolation = hv_isolation_text(self->isolation->isolation),
		.phase = name,
		.metric = metric,
		.unit = unit,
		.samples = samples,
		.has_bytes_moved = bytes,
		.bytes_moved = bytes ? self->moved[at] : 0,
		.has_bytes_freed = reclaims,
		.bytes_freed = bytes ? self->freed[at] : 0,
		.proof = reclaims                 ? proof
			 : at == PHASE_GROW_TOUCH ? "pattern written and checked"
						  : NULL,
		.discard = reclaims ? discard : NULL,
		.note = note[0] != '\0' ? note : NULL,
	};
	hv_result_row(self->result, &row);
	if (bytes)
		hv_traffic_emit(&self->traffic[at], self->result, &row);
}

/* Median over median, as a row of its own: ratios carry over from machine to machine, nanoseconds do not. */
static void ratio_emit(inflate *self, const char *name, phase above, phase below)
{
	hv_samples ratio = { 0 };
	if (self->samples[above].n_values == 0 || self->samples[below].n_values == 0)
		return;
	double value = hv_samples_summary(&self->samples[above], false).median /
		       hv_samples_summary(&self->samples[below], false).median;
	if (hv_samples_add(&ratio, value) == HV_OK)
		row_emit(self, name, "ratio", "ratio", PHASE_COUNT, &ratio);
	hv_samples_clear(&ratio);
}

static void check_emit(const inflate *self, const char *what, const verdict *outcome, const char *fine)
{
	char name[160], detail[220];
	snprintf(name, sizeof(name), "%s on %s: %s", self->technique->name, self->backing->name, what);
	if (!outcome->failed)
		snprintf(detail, sizeof(detail), "%" PRIu64 " %s", outcome->n_checked, fine);
	hv_result_check(self->result, !outcome->failed, name, outcome->failed ? outcome->detail : detail);
}

static void emit(inflate *self)
{
	hv_session_progress(NULL);
	for (phase at = 0; at < PHASE_COUNT; at++)
		if (self->samples[at].n_values > 0)
			row_emit(self, phase_table[at].name, "time", "ns/2MiB", at, &self->samples[at]);
	ratio_emit(self, "batched-speedup", PHASE_SINGLE, PHASE_TOUCHED);
	ratio_emit(self, "untouched/touched", PHASE_UNTOUCHED, PHASE_TOUCHED);
	if (self->touched_bytes > 0) {
		hv_samples share = { 0 };
		if (hv_samples_add(&share, (double)self->huge_page_bytes / (double)self->touched_bytes) == HV_OK)
			row_emit(self, "huge-page-share", "share", "ratio", PHASE_COUNT, &share);
		hv_samples_clear(&share);
	}
	if (self->pinned.n_values > 0)
		row_emit(self, self->technique->dma_safe ? "pinned" : "pinned, so not freed", "pinned", "bytes",
			 PHASE_COUNT, &self->pinned);
	hv_samples_clear(&self->pinned);
	check_emit(self, "every byte reclaimed is gone (H3, H5)", &self->proof, "moves proven");
	check_emit(self, "no frame changed under its owner (H1), audit (A2)", &self->sound, "guests checked");
	for (phase at = 0; at < PHASE_COUNT; at++)
		hv_samples_clear(&self->samples[at]);
}

static void technique_run(const inflate_options *all, hv_result *result, const hv_technique *technique,
			  const hv_backing *backing)
{
	const hv_options *options = &all->common;
	inflate self = { .options = options,
			 .policy = &all->policy,
			 .isolation = &all->isolation,
			 .result = result,
			 .technique = technique,
			 .backing = backing,
			 .target_bytes = hv_options_target(options, technique) };
	char why[160], what[120];
	self.allocator = hv_options_allocator(options, technique, why, sizeof(why));
	if (self.allocator == NULL) {
		snprintf(what, sizeof(what), "%s on allocator %s", technique->name, options->allocator);
		hv_result_skip(result, what, why);
		return;
	}
	for (self.iteration = 0; self.iteration < options->iterations && !hv_interrupted(); self.iteration++)
		if (!iterate(&self))
			break;
	rig_end(&self);
	emit(&self);
}

static void parameters_add(hv_result *result, const inflate_options *all)
{
	const hv_options *options = &all->common;
	cJSON *object = result->parameters;
	hv_policy_parameters(object, &all->policy);
	cJSON_AddStringToObject(object, "technique", options->technique);
	cJSON_AddStringToObject(object, "backing", options->backing);
	cJSON_AddStringToObject(object, "isolation", hv_isolation_text(all->isolation.isolation));
	cJSON_AddNumberToObject(object, "memory_bytes", (double)options->memory_bytes);
	cJSON_AddNumberToObject(object, "target_bytes", (double)options->target_bytes);
	cJSON_AddNumberToObject(object, "iterations", (double)options->iterations);
	cJSON_AddNumberToObject(object, "vcpus", (double)options->vcpus);
	cJSON_AddNumberToObject(object, "batch", (double)options->batch_huge);
	cJSON_AddNumberToObject(object, "order", (double)options->fill_order);
	cJSON_AddNumberToObject(object, "period_ms",
				(double)(options->period_ms != 0 ? options->period_ms : SHORT_DELAY_MS));
	cJSON_AddStringToObject(object, "allocator", options->allocator != NULL ? options->allocator : "technique's");
	cJSON_AddNumberToObject(object, "report_order", (double)options->report_order);
	cJSON_AddNumberToObject(object, "report_delay_ms",
				(double)(hv_options_tuning(options, SHORT_DELAY_MS).report_delay_ns / 1000000));
	cJSON_AddNumberToObject(object, "report_batch", (double)options->report_batch);
	cJSON_AddNumberToObject(object, "block_bytes", (double)options->block_bytes);
	cJSON_AddNumberToObject(object, "slow_bytes", (double)options->slow_bytes);
	cJSON_AddStringToObject(object, "device", options->dma ? "dma" : "none");
	cJSON_AddNumberToObject(object, "seed", (double)options->seed);
}

static void run_all(const inflate_options *all, hv_result *result)
{
	const hv_options *options = &all->common;
	char missing[160];
	if (hv_policy_options_skip(&all->policy, result))
		return;
	if (options->dma && !hv_dma_available(missing, sizeof(missing))) {
		hv_result_skip(result, "the DMA device", missing);
		return;
	}
	for (const hv_backing *const *backing = hv_backings; *backing != NULL; backing++) {
		char why[160];
		if (!hv_options_wants(options->backing, (*backing)->name) ||
		    !hv_isolation_allows(&all->isolation, *backing))
			continue;
		if (!hv_backing_available(*backing, why, sizeof(why))) {
			hv_result_skip(result, (*backing)->name, why);
			continue;
		}
		for (const hv_technique *const *each = hv_techniques; *each != NULL && !hv_interrupted(); each++)
			if ((*each)->grain_bytes != 0 && hv_options_wants(options->technique, (*each)->name))
				technique_run(all, result, *each, *backing);
	}
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	inflate_options *all = state->input;
	hv_options *options = &all->common;
	switch (key) {
	case ARGP_KEY_INIT:
		all->isolation.common = options;
		state->child_inputs[0] = options;
		state->child_inputs[1] = &all->policy;
		state->child_inputs[2] = &all->isolation;
		return 0;
	case ARGP_KEY_END:
		if (options->target_bytes == 0)
			options->target_bytes = options->memory_bytes / 4 & ~(uint64_t)(HV_HUGE_BYTES - 1);
		hv_options_check(options, state);
		hv_policy_options_check(&all->policy, options->memory_bytes, state);
		if (all->policy.policy == hv_policy_find("watermark"))
			argp_error(state,
				   "--policy watermark needs to know what the guest uses, and nobody tells here; "
				   "allowed: others");
		hv_isolation_check(&all->isolation, state);
		if (options->target_bytes < (4 + options->vcpus) * 2 * (uint64_t)HV_HUGE_BYTES)
			argp_error(state, "--target is too small for %" PRIu64 " vCPUs; allowed: from %" PRIu64 "M",
				   options->vcpus, (4 + options->vcpus) * 4);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static int inflate_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { &hv_options_argp, 0, NULL, 0 },
						      { &hv_policy_argp, 0, NULL, 0 },
						      { &hv_isolation_argp, 0, NULL, 0 },
						      { 0 } };
	static const struct argp argp = {
		.parser = parse,
		.children = children,
		.doc = "Shrink a VM to --target and grow it again, by each technique; time per "
		       "2 MiB moved, every byte proven."
	};
	inflate_options all = { .common = hv_options_default(), .policy = hv_policy_options_default() };
	const hv_options *options = &all.common;
	hv_result result;
	if (argp_parse(&argp, argc, argv, 0, NULL, &all) != 0)
		return HV_EXIT_USAGE;
	if (!hv_session_open(&result, options, "inflate"))
		return HV_EXIT_USAGE;
	parameters_add(&result, &all);
	run_all(&all, &result);
	hv_session_progress(NULL);
	return hv_session_close(&result, options, hv_interrupted());
}

const hv_scenario hv_scenario_inflate = {
	.name = "inflate",
	.summary = "shrink and grow a VM by each technique, timed per 2 MiB, every byte proven",
	.run = inflate_run,
};
