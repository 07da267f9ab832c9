/* SPDX-License-Identifier: MIT
 *
 * A claim of up to a row of 64 frames that belongs to one thread: no atomic read-modify-write on get and put. The
 * frames are taken in the region, so nobody else sees them; the owner polls the drain epoch and gives them back. */
#include "core/core.h"
#include <llfree/handle.h>

LLF_NOINLINE static void drop(llfree_handle *handle)
{
	const llfree_t *self = handle->allocator;
	uint64_t mask = handle->mask, row = handle->row;
	handle->mask = 0;
	handle->row = handle->last_put_row = UINT64_MAX;
	if (!mask)
		return;
	uint32_t tree = llf_tree_load_relaxed(&self->trees[llf_tree_of_row(row)]);
	llfree_slot *slot = llf_slot(self, handle->cpu, llf_known_class(self, tree_class(tree)));
	(void)llf_put_loose(self, slot, row, mask, true);
}

static uint32_t epoch_now(const llfree_handle *handle)
{
	return llf_u32_load_relaxed(&handle->allocator->header->drain_epoch);
}

/* Give the frames back if anyone has asked for them since the last look. */
static void obey_drain(llfree_handle *handle)
{
	uint32_t epoch = epoch_now(handle);
	if (epoch == handle->epoch)
		return;
	handle->epoch = epoch;
	drop(handle);
}

llfree_err llfree_handle_open(llfree_handle *handle, const llfree_t *allocator, uint32_t cpu, uint8_t class_idx)
{
	if (class_idx >= allocator->classes)
		return LLFREE_ERR_INVAL;
	*handle = (llfree_handle){ .allocator = allocator,
				   .row = UINT64_MAX,
				   .last_put_row = UINT64_MAX,
				   .cpu = cpu,
				   .epoch = llf_u32_load_relaxed(&allocator->header->drain_epoch),
				   .class_idx = class_idx };
	return LLFREE_OK;
}

static void pop(llfree_handle *handle, uint64_t *frame)
{
	*frame = llf_row_frame(handle->row) + llf_lowest(handle->mask);
	handle->mask &= handle->mask - 1;
}

LLF_NOINLINE static llfree_err get_refill(llfree_handle *handle, uint64_t *frame)
{
	obey_drain(handle);
	if (!handle->mask) {
		const llfree_t *self = handle->allocator;
		llfree_slot *slot = llf_slot(self, handle->cpu, handle->class_idx);
		llf_run run;
		llfree_err err = llf_get_loose(self, slot, LLFREE_ROW_FRAMES, LLFREE_ROW_FRAMES, &run);
		if (err != LLFREE_OK)
			return err;
		handle->row = run.row;
		handle->mask = run.mask;
	}
	pop(handle, frame);
	return LLFREE_OK;
}

llfree_err llfree_handle_get(llfree_handle *handle, uint64_t *frame)
{
	if (LLF_UNLIKELY(!handle->mask || epoch_now(handle) != handle->epoch))
		return get_refill(handle, frame);
	pop(handle, frame);
	return LLFREE_OK;
}

/* The long way: adopt the row on the second put into it in succession, else give the frame back. */
LLF_NOINLINE static llfree_err put_elsewhere(llfree_handle *handle, uint64_t frame, uint64_t row)
{
	obey_drain(handle);
	const llfree_t *self = handle->allocator;
	bool again = handle->last_put_row == row || handle->row == row;
	handle->last_put_row = row;
	uint64_t bit = UINT64_C(1) << frame % LLFREE_ROW_FRAMES;
	uint16_t child = llf_child_load_relaxed(&self->children[llf_child_of(frame)]);
	uint32_t tree = llf_tree_load_relaxed(&self->trees[llf_tree_of(frame)]);
	if (!(llf_row_load_relaxed(&self->rows[row]) & bit) || child_evicted(child))
		return LLFREE_ERR_STATE;
	if (again && !child_huge(child) && !tree_offline(tree)) {
		if (handle->row != row)
			drop(handle);
		handle->row = row;
		handle->mask |= bit;
		return LLFREE_OK;
	}
	llfree_slot *slot = llf_slot(self, handle->cpu, llf_known_class(self, tree_class(tree)));
	return llf_put_one(self, slot, frame);
}

llfree_err llfree_handle_put(llfree_handle *handle, uint64_t frame)
{
	const llfree_t *self = handle->allocator;
	if (LLF_UNLIKELY(frame >= self->frames))
		return LLFREE_ERR_INVAL;
	uint64_t row = llf_row_of(frame), bit = UINT64_C(1) << frame % LLFREE_ROW_FRAMES;
	/* With no frame cached the row may have been freed, and taken as huge, since it was remembered. */
	if (LLF_UNLIKELY(row != handle->row || !handle->mask || epoch_now(handle) != handle->epoch))
		return put_elsewhere(handle, frame, row);
	if (LLF_UNLIKELY((handle->mask & bit) || !(llf_row_load_relaxed(&self->rows[row]) & bit)))
		return LLFREE_ERR_STATE;
	handle->mask |= bit;
	return LLFREE_OK;
}

void llfree_handle_drain(llfree_handle *handle)
{
	handle->epoch = epoch_now(handle);
	drop(handle);
}

void llfree_handle_close(llfree_handle *handle)
{
	drop(handle);
}

uint32_t llfree_handle_cached(const llfree_handle *handle)
{
	return llf_popcount(handle->mask);
}
