/* SPDX-License-Identifier: MIT
 *
 * Guest allocator: a buddy allocator with a zone lock and per-CPU lists, what Linux guests have. Its state is private
 * to the guest; nothing of it lies in guest memory. */
#define _GNU_SOURCE
#include "guest/buddy.h"
#include "guest/hv_vm.h"

#include <stdlib.h>
#include <sys/mman.h>

typedef struct guest_buddy {
	buddy zone;
	void *metadata;
	size_t metadata_bytes;
} guest_buddy;

static buddy *zone_of(hv_vm *vm)
{
	return &((guest_buddy *)vm->zone)->zone;
}

static hv_err guest_buddy_create(hv_vm *vm)
{
	uint64_t frames = vm->memory.huge_count * HV_HUGE_FRAMES;
	guest_buddy *self = aligned_alloc(_Alignof(guest_buddy), sizeof(*self));
	if (self == NULL)
		return HV_ERR_SYSTEM;
	self->metadata_bytes = buddy_metadata_bytes(frames, vm->config.n_vcpus);
	self->metadata = mmap(NULL, self->metadata_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (self->metadata == MAP_FAILED ||
	    !buddy_init(&self->zone, frames, vm->config.n_vcpus, self->metadata, self->metadata_bytes)) {
		if (self->metadata != MAP_FAILED)
			munmap(self->metadata, self->metadata_bytes);
		free(self);
		return HV_ERR_SYSTEM;
	}
	vm->zone = self;
	return HV_OK;
}

static void guest_buddy_destroy(hv_vm *vm)
{
	guest_buddy *self = vm->zone;
	munmap(self->metadata, self->metadata_bytes);
	free(self);
}

static llfree_err guest_buddy_get(hv_vcpu *vcpu, unsigned order, uint64_t *frame)
{
	return buddy_get(zone_of(vcpu->vm), vcpu->cpu_idx, order, frame) ? LLFREE_OK : LLFREE_ERR_NOMEM;
}

static llfree_err guest_buddy_put(hv_vcpu *vcpu, unsigned order, uint64_t frame)
{
	return buddy_put(zone_of(vcpu->vm), vcpu->cpu_idx, order, frame) ? LLFREE_OK : LLFREE_ERR_STATE;
}

static void guest_buddy_drain(hv_vm *vm)
{
	buddy_drain(zone_of(vm));
}

static llfree_err guest_buddy_get_fixed(hv_vm *vm, unsigned order, uint64_t *frame)
{
	return guest_buddy_get(&vm->kernel, order, frame);
}

static bool guest_buddy_get_at(hv_vm *vm, unsigned order, uint64_t frame)
{
	return buddy_get_at(zone_of(vm), order, frame);
}

static bool guest_buddy_next(hv_vm *vm, unsigned min_order, uint64_t *cursor, uint64_t *frame, unsigned *order)
{
	return buddy_next_unreported(zone_of(vm), min_order, cursor, frame, order);
}

static void guest_buddy_put_reported(hv_vm *vm, unsigned order, uint64_t frame)
{
	buddy_put_reported(zone_of(vm), order, frame);
}

static void guest_buddy_on_freed(hv_vm *vm, unsigned min_order, void (*freed)(void *context), void *context)
{
	buddy_on_freed(zone_of(vm), min_order, freed, context);
}

/* After a drain every free frame lies in a block of the zone, and no block overlaps another. */
static bool guest_buddy_audit(hv_vm *vm, uint64_t *free_frames, uint64_t *first_bad)
{
	buddy *zone = zone_of(vm);
	uint64_t cursor = 0, frame, in_blocks = 0, end = 0;
	unsigned order;
	buddy_drain(zone);
	while (buddy_next_free(zone, 0, &cursor, &frame, &order)) {
		if (frame < end) {
			*first_bad = frame;
			return false;
		}
		in_blocks += UINT64_C(1) << order;
		end = frame + (UINT64_C(1) << order);
	}
	*free_frames = buddy_free_frames(zone);
	return *free_frames == in_blocks;
}

const hv_guest_allocator hv_guest_allocator_guest_buddy = {
	.name = "buddy",
	.summary = "a buddy allocator with a zone lock and per-CPU lists, as Linux has it; private to the guest",
	.joins = true,
	.create = guest_buddy_create,
	.destroy = guest_buddy_destroy,
	.get = guest_buddy_get,
	.put = guest_buddy_put,
	.drain = guest_buddy_drain,
	.get_fixed = guest_buddy_get_fixed,
	.get_at = guest_buddy_get_at,
	.next_unreported = guest_buddy_next,
	.put_reported = guest_buddy_put_reported,
	.on_freed = guest_buddy_on_freed,
	.audit = guest_buddy_audit,
};
