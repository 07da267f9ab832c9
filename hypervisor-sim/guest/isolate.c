/* SPDX-License-Identifier: MIT
 *
 * Isolation and migration; see isolate.h. Free runs are taken first, so what moves never lands in the range; a frame
 * that comes there all the same (freed meanwhile) is kept as isolated. To move a run its held entry is locked, which
 * keeps its vCPU away for the time of the copy; then the entry has the new frame, and the old run is the caller's
 * without ever having been free. A run that is allocated but has no owner yet, or no more, is looked at again. */
#include "guest/isolate.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

enum { ROUNDS = 64, NUMBER_BITS = 64 };

typedef struct isolation {
	hv_driver *driver;
	uint64_t first_frame, n_frames, n_taken;
	uint64_t taken[HV_ISOLATE_FRAMES_MAX / NUMBER_BITS]; /**< one bit per frame */
	hv_isolate_result obstacle;
} isolation;

static bool is_taken(const isolation *self, uint64_t frame)
{
	uint64_t at = frame - self->first_frame;
	return self->taken[at / NUMBER_BITS] >> at % NUMBER_BITS & 1;
}

static void take(isolation *self, hv_run run)
{
	uint64_t n_frames = UINT64_C(1) << run.order;
	for (uint64_t at = run.frame - self->first_frame, end = at + n_frames; at < end; at++)
		self->taken[at / NUMBER_BITS] |= UINT64_C(1) << at % NUMBER_BITS;
	self->n_taken += n_frames;
}

/* The largest free run that begins here. @return 0 when the frame is not free, else the frames taken */
static uint64_t take_free(isolation *self, uint64_t frame)
{
	hv_vm *vm = self->driver->vm;
	unsigned max_order = 0;
	while (max_order < LLFREE_HUGE_ORDER && frame % (UINT64_C(2) << max_order) == 0)
		max_order++;
	for (unsigned order = max_order + 1; order-- > 0;) {
		if (!vm->config.allocator->get_at(vm, order, frame))
			continue;
		atomic_fetch_add_explicit(&vm->kernel_frames, UINT64_C(1) << order, memory_order_relaxed);
		take(self, (hv_run){ frame, order });
		return UINT64_C(1) << order;
	}
	return 0;
}

/* Memory outside of the range for a run that moves. */
static bool destination_get(isolation *self, unsigned order, uint64_t *frame)
{
	while (hv_driver_get(self->driver, order, frame)) {
		if (*frame < self->first_frame || *frame >= self->first_frame + self->n_frames)
			return true;
		take(self, (hv_run){ *frame, order });
	}
	return false;
}

/* The run is locked: copy, and let its owner have the copy. */
static void run_move(hv_vm *vm, hv_owner owner, hv_held *held, hv_run run, uint64_t to_frame)
{
	uint8_t *base = vm->memory.base;
	uint64_t n_frames = UINT64_C(1) << run.order;
	memcpy(base + to_frame * HV_FRAME_BYTES, base + run.frame * HV_FRAME_BYTES, n_frames * HV_FRAME_BYTES);
	hv_owner_set(&vm->owners, run.frame, (hv_owner){ .kind = HV_OWNER_NONE });
	hv_owner_set(&vm->owners, to_frame, owner);
	hv_held_unlock(held, (hv_run){ to_frame, run.order });
	/* the destination was the driver's and is the vCPU's now; the old run goes the other way: the sum stays */
	atomic_fetch_add_explicit(&vm->migrated_frames, n_frames, memory_order_relaxed);
}

static bool same_owner(hv_owner a, hv_owner b)
{
	return a.kind == b.kind && a.cpu_idx == b.cpu_idx && a.held_idx == b.held_idx;
}

/* Move the run that begins at this frame. @return its frames; 0: not now, or not at all (obstacle) */
static uint64_t migrate(isolation *self, uint64_t frame)
{
	hv_vm *vm = self->driver->vm;
	hv_owner owner = hv_owner_of(&vm->owners, frame);
	uint64_t to_frame;
	if (owner.kind == HV_OWNER_FIXED)
		self->obstacle = HV_ISOLATE_FIXED;
	if (owner.kind != HV_OWNER_MOVABLE)
		return 0;
	hv_held *held = &vm->vcpus[owner.cpu_idx].held[owner.held_idx];
	hv_run run = hv_held_lock(held);
	if (run.frame != frame || !same_owner(hv_owner_of(&vm->owners, frame), owner)) {
		hv_held_unlock(held, run);
		return 0; /* it has been freed, or has another entry now */
	}
	/* no vCPU waits for us to allocate: its entry is free meanwhile */
	hv_held_unlock(held, run);
	if (!destination_get(self, run.order, &to_frame)) {
		self->obstacle = HV_ISOLATE_NO_MEMORY;
		return 0;
	}
	hv_run now = hv_held_lock(held);
	if (now.frame != frame || now.order != run.order || !same_owner(hv_owner_of(&vm->owners, frame), owner)) {
		hv_held_unlock(held, now);
		hv_driver_put(self->driver, run.order, to_frame);
		return 0;
	}
	run_move(vm, owner, held, run, to_frame);
	take(self, run);
	return UINT64_C(1) << run.order;
}

/* One pass over what is not taken yet. */
static void round_isolate(isolation *self)
{
	uint64_t end = self->first_frame + self->n_frames;
	for (uint64_t frame = self->first_frame; frame < end && self->obstacle == HV_ISOLATE_DONE;) {
		uint64_t n_frames = is_taken(self, frame) ? 1 : take_free(self, frame);
		if (n_frames == 0)
			n_frames = migrate(self, frame);
		frame += n_frames > 0 ? n_frames : 1;
	}
}

hv_isolate_result hv_isolate(hv_driver *driver, uint64_t first_frame, uint64_t n_frames)
{
	isolation self = { .driver = driver, .first_frame = first_frame, .n_frames = n_frames };
	hv_vm *vm = driver->vm;
	for (unsigned round = 0; round < ROUNDS && self.n_taken < n_frames && self.obstacle == HV_ISOLATE_DONE;
	     round++) {
		if (round > 0)
			sched_yield(); /* for frames on their way between a vCPU and the free lists */
		vm->config.allocator->drain(vm);
		round_isolate(&self);
	}
	if (self.n_taken == n_frames)
		return HV_ISOLATE_DONE;
	for (uint64_t at = 0; at < n_frames; at++)
		if (is_taken(&self, first_frame + at))
			hv_driver_put(driver, 0, first_frame + at);
	return self.obstacle != HV_ISOLATE_DONE ? self.obstacle : HV_ISOLATE_BUSY;
}

void hv_isolate_undo(hv_driver *driver, uint64_t first_frame, uint64_t n_frames)
{
	unsigned order = driver->vm->config.allocator->joins ? LLFREE_HUGE_ORDER : 0;
	for (uint64_t frame = first_frame; frame < first_frame + n_frames; frame += UINT64_C(1) << order)
		hv_driver_put(driver, order, frame);
}
