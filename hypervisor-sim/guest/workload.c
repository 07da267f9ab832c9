/* SPDX-License-Identifier: MIT
 *
 * What vCPUs do with memory: fill, free, work, churn. Every frame is written with a key of its owner when it is got and
 * checked before it is given back, so a frame that the host takes while it is owned shows up as a mismatch (H1). A run
 * is reached through its held entry, locked, since it may be migrated meanwhile: the key goes with the entry, not with
 * the frame. */
#include "guest/hv_vm.h"
#include "guest/pattern.h"

#include <stdatomic.h>

enum { WORK_FRAMES_MAX = 8192, CHURN_HELD_MAX = 1024, CHURN_STEPS = 128 };

static void count(_Atomic uint64_t *counter, uint64_t add)
{
	/* one writer: the vCPU itself */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + add, memory_order_relaxed);
}

static uint64_t *frame_words(const hv_vcpu *vcpu, uint64_t frame)
{
	return (uint64_t *)(void *)(vcpu->vm->memory.base + frame * HV_FRAME_BYTES);
}

/* The keys of all runs that were ever written differ, of all vCPUs: old content is never taken for new. */
static uint64_t key_next(hv_vcpu *vcpu)
{
	uint64_t number = vcpu->n_written++ * (2 * HV_HUGE_FRAMES);
	return hv_mix(vcpu->vm->config.seed ^ (uint64_t)(vcpu->cpu_idx + 1) << 48) + number;
}

static void run_write(hv_vcpu *vcpu, hv_run run, uint64_t key)
{
	for (uint64_t each = 0; each < UINT64_C(1) << run.order; each++)
		hv_pattern_write(frame_words(vcpu, run.frame + each), hv_mix(key + each));
	count(&vcpu->frames_written, UINT64_C(1) << run.order);
}

static void run_check(hv_vcpu *vcpu, hv_run run, uint64_t key)
{
	uint64_t wrong = 0;
	for (uint64_t each = 0; each < UINT64_C(1) << run.order; each++)
		wrong += !hv_pattern_check(frame_words(vcpu, run.frame + each), hv_mix(key + each));
	if (wrong > 0)
		count(&vcpu->mismatches, wrong);
}

static void owner_set(hv_vcpu *vcpu, uint64_t frame, size_t held_idx)
{
	hv_owner owner = { HV_OWNER_MOVABLE, vcpu->cpu_idx, held_idx };
	hv_owner_set(&vcpu->vm->owners, frame, owner);
}

/* Get a run, write it, hold it. */
static llfree_err run_get(hv_vcpu *vcpu, unsigned order)
{
	hv_run run = { 0, order };
	if (vcpu->n_held == vcpu->max_held)
		return LLFREE_ERR_NOMEM;
	llfree_err err = vcpu->vm->config.allocator->get(vcpu, order, &run.frame);
	if (err == LLFREE_ERR_INSTALL)
		count(&vcpu->installs_failed, 1);
	if (err != LLFREE_OK)
		return err;
	hv_held *held = &vcpu->held[vcpu->n_held];
	held->key = key_next(vcpu);
	hv_held_init(held, run);
	owner_set(vcpu, run.frame, vcpu->n_held++);
	run_write(vcpu, run, held->key);
	hv_held_unlock(held, run);
	return LLFREE_OK;
}

/* Check the run at this position, give it back; the last one takes its place. */
static void run_put(hv_vcpu *vcpu, size_t at)
{
	hv_held *held = &vcpu->held[at], *last = &vcpu->held[--vcpu->n_held];
	hv_run run = hv_held_lock(held), moved = run;
	run_check(vcpu, run, held->key);
	hv_owner_set(&vcpu->vm->owners, run.frame, (hv_owner){ .kind = HV_OWNER_NONE });
	if (last != held) {
		moved = hv_held_lock(last);
		held->key = last->key;
		owner_set(vcpu, moved.frame, at);
		hv_held_unlock(last, (hv_run){ 0 });
	}
	hv_held_unlock(held, moved);
	if (vcpu->vm->config.allocator->put(vcpu, run.order, run.frame) != LLFREE_OK)
		count(&vcpu->frees_refused, 1);
}

llfree_err hv_workload_get(hv_vcpu *vcpu, unsigned order)
{
	return run_get(vcpu, order);
}

unsigned hv_workload_put(hv_vcpu *vcpu, size_t at)
{
	hv_run run = hv_held_lock(&vcpu->held[at]);
	hv_held_unlock(&vcpu->held[at], run);
	run_put(vcpu, at);
	return run.order;
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
			hv_held *held = &vcpu->held[at];
			hv_run run = hv_held_lock(held);
			run_check(vcpu, run, held->key);
			held->key = key_next(vcpu);
			run_write(vcpu, run, held->key);
			hv_held_unlock(held, run);
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

static void drive_device(hv_vcpu *vcpu)
{
	while (!job_over(vcpu)) {
		vcpu->vm->device_round(vcpu->vm->device_context, vcpu);
		count(&vcpu->rounds, 1);
	}
	vcpu->vm->device_rest(vcpu->vm->device_context, vcpu);
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
	case HV_JOB_DEVICE:
		drive_device(vcpu);
		break;
	case HV_JOB_PROGRAM:
		vcpu->vm->program(vcpu->vm->program_context, vcpu);
		break;
	case HV_JOB_IDLE:
	case HV_JOB_QUIT:
		break;
	}
}
