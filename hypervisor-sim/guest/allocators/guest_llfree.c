/* SPDX-License-Identifier: MIT
 *
 * Guest allocator: llfree, through each vCPU's own view of the region. Single frames are movable, huge ones have a
 * class of their own. */
#include "guest/hv_vm.h"

#include <stdatomic.h>
#include <stdlib.h>

static llfree_request request_of(const hv_vcpu *vcpu, unsigned order)
{
	return (llfree_request){ .cpu = vcpu->cpu_idx,
				 .order = (uint8_t)order,
				 .class_idx = order >= LLFREE_HUGE_ORDER ? LLFREE_CLASS_HUGE : LLFREE_CLASS_MOVABLE };
}

/* Runs that were reported to a host and not taken since: one bit for each run of one order. A VM
 * that reports nothing has none. */
typedef struct reported_map {
	unsigned order;
	_Atomic uint64_t words[];
} reported_map;

static hv_err guest_llfree_create(hv_vm *vm)
{
	if (!vm->config.tuning.reports)
		return HV_OK;
	unsigned order = vm->config.tuning.report_order;
	uint64_t n_words = (vm->memory.huge_count * HV_HUGE_FRAMES >> order) / 64 + 1;
	reported_map *map = calloc(1, sizeof(*map) + n_words * sizeof(map->words[0]));
	if (map == NULL)
		return HV_ERR_SYSTEM;
	map->order = order;
	vm->zone = map;
	return HV_OK;
}

static void guest_llfree_destroy(hv_vm *vm)
{
	free(vm->zone);
}

static void reported_clear(hv_vm *vm, uint64_t frame, unsigned order)
{
	reported_map *map = vm->zone;
	if (map == NULL)
		return;
	uint64_t last = (frame + (UINT64_C(1) << order) - 1) >> map->order;
	for (uint64_t bit = frame >> map->order; bit <= last; bit++)
		if (atomic_load_explicit(&map->words[bit / 64], memory_order_relaxed) >> bit % 64 & 1)
			atomic_fetch_and_explicit(&map->words[bit / 64], ~(UINT64_C(1) << bit % 64),
						  memory_order_relaxed);
}

static bool is_reported(const reported_map *map, uint64_t frame)
{
	uint64_t bit = frame >> map->order;
	return atomic_load_explicit(&map->words[bit / 64], memory_order_relaxed) >> bit % 64 & 1;
}

static llfree_err guest_llfree_get(hv_vcpu *vcpu, unsigned order, uint64_t *frame)
{
	llfree_err err = llfree_get(&vcpu->view, request_of(vcpu, order), frame);
	if (err == LLFREE_OK)
		reported_clear(vcpu->vm, *frame, order);
	return err;
}

static llfree_err guest_llfree_put(hv_vcpu *vcpu, unsigned order, uint64_t frame)
{
	return llfree_put(&vcpu->view, request_of(vcpu, order), frame);
}

static void guest_llfree_drain(hv_vm *vm)
{
	llfree_drain_all(&vm->arena.allocator);
}

static llfree_err guest_llfree_get_fixed(hv_vm *vm, unsigned order, uint64_t *frame)
{
	llfree_request request = { .order = (uint8_t)order, .class_idx = LLFREE_CLASS_FIXED };
	return llfree_get(&vm->kernel.view, request, frame);
}

static bool guest_llfree_get_at(hv_vm *vm, unsigned order, uint64_t frame)
{
	bool got = llfree_get_at(&vm->kernel.view, request_of(&vm->kernel, order), frame) == LLFREE_OK;
	if (got)
		reported_clear(vm, frame, order);
	return got;
}

static bool run_is_free(const llfree_t *view, uint64_t frame, unsigned order)
{
	llfree_huge_state state;
	uint64_t end = frame + (UINT64_C(1) << order);
	for (; frame < end; frame++) {
		bool whole = frame % LLFREE_HUGE_FRAMES == 0 && end - frame >= LLFREE_HUGE_FRAMES;
		if (whole ? llfree_huge_state_of(view, frame / LLFREE_HUGE_FRAMES, &state) != LLFREE_OK || !state.free
			  : !llfree_is_free(view, frame))
			return false;
		frame += whole ? LLFREE_HUGE_FRAMES - 1 : 0;
	}
	return true;
}

/* There are no lists of blocks: aligned runs of just this order, by their counters and bits. */
static bool guest_llfree_next(hv_vm *vm, unsigned min_order, uint64_t *cursor, uint64_t *frame, unsigned *order)
{
	uint64_t step = UINT64_C(1) << min_order, frames = vm->memory.huge_count * HV_HUGE_FRAMES;
	const reported_map *map = vm->zone;
	if (map == NULL || map->order != min_order)
		return false;
	for (; *cursor + step <= frames; *cursor += step) {
		if (is_reported(map, *cursor) || !run_is_free(&vm->kernel.view, *cursor, min_order))
			continue;
		*frame = *cursor;
		*order = min_order;
		*cursor += step;
		return true;
	}
	return false;
}

static void guest_llfree_put_reported(hv_vm *vm, unsigned order, uint64_t frame)
{
	reported_map *map = vm->zone;
	if (map != NULL && map->order == order)
		atomic_fetch_or_explicit(&map->words[(frame >> order) / 64], UINT64_C(1) << (frame >> order) % 64,
					 memory_order_relaxed);
	if (llfree_put(&vm->kernel.view, request_of(&vm->kernel, order), frame) != LLFREE_OK)
		atomic_fetch_add_explicit(&vm->kernel.frees_refused, 1, memory_order_relaxed);
}

static bool guest_llfree_audit(hv_vm *vm, uint64_t *free_frames, uint64_t *first_bad)
{
	llfree_audit_report report;
	bool sound = llfree_audit(&vm->arena.allocator, &report);
	*free_frames = report.free_frames;
	*first_bad = report.first_bad;
	return sound;
}

const hv_guest_allocator hv_guest_allocator_guest_llfree = {
	.name = "llfree",
	.summary = "LLFree: the shared region that the host reads and writes too",
	.shared_state = true,
	.create = guest_llfree_create,
	.destroy = guest_llfree_destroy,
	.get = guest_llfree_get,
	.put = guest_llfree_put,
	.drain = guest_llfree_drain,
	.get_fixed = guest_llfree_get_fixed,
	.get_at = guest_llfree_get_at,
	.next_unreported = guest_llfree_next,
	.put_reported = guest_llfree_put_reported,
	.audit = guest_llfree_audit,
};
