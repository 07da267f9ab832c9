/* SPDX-License-Identifier: MIT
 *
 * What vCPUs do with memory: fill, free, work, churn. Every frame is written with a key of its owner when it is got and
 * checked before it is given back, so a frame that the host takes while it is owned shows up as a mismatch (H1). */
#include "guest/hv_vm.h"
#include "guest/pattern.h"

#include <stdatomic.h>

enum { HELD_ORDER_BITS = 8, WORK_FRAMES_MAX = 8192, CHURN_HELD_MAX = 1024, CHURN_STEPS = 128 };

static void count(_Atomic uint64_t *counter, uint64_t add)
{
	/* one writer: the vCPU itself */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + add, memory_order_relaxed);
}

static uint64_t key_of(const hv_vcpu *vcpu, uint64_t frame)
{
	return hv_mix(vcpu->vm->config.seed ^ (uint64_t)(vcpu->cpu_idx + 1) << 48 ^ frame);
}

static uint64_t *frame_words(const hv_vcpu *vcpu, uint64_t frame)
{
	return (uint64_t *)(void *)(vcpu->vm->memory.base + frame * HV_FRAME_BYTES);
}

static void run_write(hv_vcpu *vcpu, uint64_t frame, unsigned order)
{
	for (uint64_t each = frame; each < frame + (UINT64_C(1) << order); each++)
		hv_pattern_write(frame_words(vcpu, each), key_of(vcpu, each));
	count(&vcpu->frames_written, UINT64_C(1) << order);
}

static void run_check(hv_vcpu *vcpu, uint64_t frame, unsigned order)
{
	uint64_t wrong = 0;
	for (uint64_t each = frame; each < frame + (UINT64_C(1) << order); each++)
		wrong += !hv_pattern_check(frame_words(vcpu, each), key_of(vcpu, each));
	if (wrong > 0)
		count(&vcpu->mismatches, wrong);
}

/* Get a run, write it, hold it. */
static llfree_err run_get(hv_vcpu *vcpu, unsigned order)
{
	uint64_t frame;
	if (vcpu->n_held == vcpu->max_held)
		return LLFREE_ERR_NOMEM;
	llfree_err err = vcpu->vm->config.allocator->get(vcpu, order, &frame);
	if (err == LLFREE_ERR_INSTALL)
		count(&vcpu->installs_failed, 1);
	if (err != LLFREE_OK)
		return err;
	run_write(vcpu, frame, order);
	vcpu->held[vcpu->n_held++] = frame << HELD_ORDER_BITS | order;
	return LLFREE_OK;
}

/* Check the run at this position, give it back; the last one takes its place. */
static void run_put(hv_vcpu *vcpu, size_t at)
{
	uint64_t entry = vcpu->held[at];
	vcpu->held[at] = vcpu->held[--vcpu->n_held];
	unsigned order = entry & ((1u << HELD_ORDER_BITS) - 1);
	uint64_t frame = entry >> HELD_ORDER_BITS;
	run_check(vcpu, frame, order);
	if (vcpu->vm->config.allocator->put(vcpu, order, frame) != LLFREE_OK)
		count(&vcpu->frees_refused, 1);
}

static bool job_over(const hv_vcpu *vcpu)
{
	return atomic_load_explicit(&vcpu->vm->job_number, memory_order_relaxed) != vcpu->begun;
}

static void fill(hv_vcpu *vcpu, uint64_t max_frames)
{
	unsigned order = vcpu->vm->config.fill_order;
	for (uint64_t frames = 0; frames < max_frames; frames += UINT64_C(1) << order)
		if (run_get(vcpu, order) != LLFREE_OK)
			break;
	/* what larger runs leave over */
	while (order > 0 && max_frames == UINT64_MAX && run_get(vcpu, 0) == LLFREE_OK)
		;
}

static void work(hv_vcpu *vcpu)
{
	size_t n_runs = vcpu->base_held < WORK_FRAMES_MAX ? vcpu->base_held : WORK_FRAMES_MAX;
	while (!job_over(vcpu)) {
		for (size_t at = 0; at < n_runs && (at % 64 != 0 || !job_over(vcpu)); at++) {
			unsigned order = vcpu->held[at] & ((1u << HELD_ORDER_BITS) - 1);
			run_check(vcpu, vcpu->held[at] >> HELD_ORDER_BITS, order);
			run_write(vcpu, vcpu->held[at] >> HELD_ORDER_BITS, order);
		}
		count(&vcpu->rounds, 1);
	}
}

/* Mostly single frames, some runs up to a huge frame, so that reclaims find free huge frames again and again. */
static void churn_step(hv_vcpu *vcpu)
{
	uint64_t dice = hv_random(&vcpu->random);
	size_t n_free = vcpu->n_held - vcpu->base_held;
	if (n_free > 0 && (dice & 1 || n_free >= CHURN_HELD_MAX)) {
		run_put(vcpu, vcpu->base_held + (dice >> 8) % n_free);
		return;
	}
	unsigned order = (dice >> 1 & 7) < 6 ? 0 : (unsigned)(dice >> 8) % (LLFREE_HUGE_ORDER + 1);
	if (run_get(vcpu, order) != LLFREE_OK && n_free > 0)
		run_put(vcpu, vcpu->base_held + (dice >> 8) % n_free);
}

static void free_above_base(hv_vcpu *vcpu)
{
	while (vcpu->n_held > vcpu->base_held)
		run_put(vcpu, vcpu->n_held - 1);
}

static void churn(hv_vcpu *vcpu)
{
	while (!job_over(vcpu)) {
		for (unsigned step = 0; step < CHURN_STEPS; step++)
			churn_step(vcpu);
		if (hv_random(&vcpu->random) % 16 == 0) {
			/* other trees next time: the host has evicted them meanwhile */
			free_above_base(vcpu);
			vcpu->vm->config.allocator->drain(vcpu->vm);
		}
		count(&vcpu->rounds, 1);
	}
}

void hv_workload_run(hv_vcpu *vcpu, hv_job job, uint64_t fill_max_frames)
{
	switch (job) {
	case HV_JOB_FILL:
		fill(vcpu, fill_max_frames);
		break;
	case HV_JOB_FREE:
		free_above_base(vcpu);
		break;
	case HV_JOB_WORK:
		work(vcpu);
		break;
	case HV_JOB_CHURN:
		churn(vcpu);
		break;
	case HV_JOB_IDLE:
	case HV_JOB_QUIT:
		break;
	}
}
