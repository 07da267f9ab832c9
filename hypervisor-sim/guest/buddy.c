/* SPDX-License-Identifier: MIT
 *
 * Locks: a per-CPU lock may be held while the zone lock is taken, never the other way round. A free tag changes only
 * under the zone lock, a cached tag under the lock of that CPU; tags are read without them to find a buddy or to
 * refuse a double free, hence relaxed atomics. A frame that is taken belongs to its owner. */
#include "buddy.h"

#include <sched.h>

enum { TAG_TAKEN = 0, TAG_FREE = 0x100, TAG_CACHED = 0x200, TAG_REPORTED = 0x400 };

static void lock_acquire(uint32_t *lock)
{
	for (uint32_t spins = 0; __atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE);) {
		while (__atomic_load_n(lock, __ATOMIC_RELAXED)) {
			if (++spins % 128 == 0)
				sched_yield(); /* the holder may have lost its CPU */
		}
	}
}

static void lock_release(uint32_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

static uint32_t tag_of(const buddy *self, uint64_t frame)
{
	return __atomic_load_n(&self->table[frame].tag, __ATOMIC_RELAXED);
}

static void tag_set(buddy *self, uint64_t frame, uint32_t tag)
{
	__atomic_store_n(&self->table[frame].tag, (uint16_t)tag, __ATOMIC_RELAXED);
}

static void list_push(buddy *self, buddy_list *list, uint32_t frame, bool at_tail)
{
	buddy_frame *entry = &self->table[frame];

	entry->prev = at_tail ? list->tail : BUDDY_NONE;
	entry->next = at_tail ? BUDDY_NONE : list->head;
	*(entry->prev == BUDDY_NONE ? &list->head : &self->table[entry->prev].next) = frame;
	*(entry->next == BUDDY_NONE ? &list->tail : &self->table[entry->next].prev) = frame;
	list->blocks++;
}

static void list_remove(buddy *self, buddy_list *list, uint32_t frame)
{
	const buddy_frame *entry = &self->table[frame];

	*(entry->prev == BUDDY_NONE ? &list->head : &self->table[entry->prev].next) = entry->next;
	*(entry->next == BUDDY_NONE ? &list->tail : &self->table[entry->next].prev) = entry->prev;
	list->blocks--;
}

/* --- zone: the lock is held ------------------------------------------------------------------------------------- */

static void zone_insert(buddy *self, uint32_t frame, uint32_t order, bool at_tail)
{
	tag_set(self, frame, TAG_FREE | order);
	list_push(self, &self->lists[order], frame, at_tail);
}

static void zone_remove(buddy *self, uint32_t frame, uint32_t order)
{
	list_remove(self, &self->lists[order], frame);
	tag_set(self, frame, TAG_TAKEN);
}

static bool zone_is_block(const buddy *self, uint64_t frame, uint32_t order)
{
	return frame + (UINT64_C(1) << order) <= self->frames &&
	       (tag_of(self, frame) & ~(uint32_t)TAG_REPORTED) == (TAG_FREE | order);
}

/* @return the order of the block that the run has become a part of; *frame its head */
static uint32_t zone_merge(buddy *self, uint32_t *block, uint32_t order)
{
	uint32_t frame = *block;
	bool merges_soon = false;

	self->free_frames += UINT64_C(1) << order;
	for (; order < BUDDY_MAX_ORDER; order++) {
		uint32_t other = frame ^ (1u << order);

		if (!zone_is_block(self, other, order))
			break;
		zone_remove(self, other, order);
		frame &= ~(1u << order);
	}
	/* A block whose merged parent's buddy is free goes to the tail: it is likely to merge if it is left alone. */
	if (order + 1 < BUDDY_MAX_ORDER)
		merges_soon = zone_is_block(self, (frame & ~(1u << order)) ^ (2u << order), order + 1);
	zone_insert(self, frame, order, merges_soon);
	*block = frame;
	return order;
}

static void zone_put(buddy *self, uint32_t frame, uint32_t order)
{
	if (zone_merge(self, &frame, order) >= self->freed_order)
		self->freed(self->freed_context);
}

/* Keep the part of the block that holds `frame` at `order`, free the halves beside it. */
static void zone_split(buddy *self, uint32_t block, uint32_t block_order, uint32_t frame, uint32_t order)
{
	while (block_order > order) {
		uint32_t half = 1u << --block_order;
		bool upper = (frame & half) != 0;

		zone_insert(self, upper ? block : block + half, block_order, false);
		block += upper ? half : 0;
	}
}

static bool zone_get(buddy *self, uint32_t order, uint32_t *frame)
{
	for (uint32_t from = order; from <= BUDDY_MAX_ORDER; from++) {
		uint32_t block = self->lists[from].head;

		if (block == BUDDY_NONE)
			continue;
		zone_remove(self, block, from);
		zone_split(self, block, from, block, order);
		self->free_frames -= UINT64_C(1) << order;
		*frame = block;
		return true;
	}
	return false;
}

/* --- per-CPU lists: the lock of the CPU is held ------------------------------------------------------------------ */

/* Index of the list for an order, or -1: the zone serves it. */
static int cpu_list_of(uint32_t order)
{
	return order <= 3 ? (int)order : order == 9 ? 4 : -1;
}

static uint32_t cpu_order_of(int list)
{
	return list <= 3 ? (uint32_t)list : 9;
}

static uint32_t at_least(uint32_t value, uint32_t least)
{
	return value < least ? least : value;
}

static void cpu_refill(buddy *self, buddy_list *list, uint32_t order)
{
	uint32_t n_blocks = at_least(BUDDY_BATCH >> order, 1);
	uint32_t frame;

	lock_acquire(&self->lock);
	for (uint32_t i = 0; i < n_blocks && zone_get(self, order, &frame); i++) {
		tag_set(self, frame, TAG_CACHED | order);
		list_push(self, list, frame, true);
	}
	lock_release(&self->lock);
}

/* The oldest blocks go first. */
static void cpu_give_back(buddy *self, buddy_list *list, uint32_t order, uint32_t n_blocks)
{
	lock_acquire(&self->lock);
	for (uint32_t i = 0; i < n_blocks && list->tail != BUDDY_NONE; i++) {
		uint32_t frame = list->tail;

		list_remove(self, list, frame);
		tag_set(self, frame, TAG_TAKEN); /* it may end up inside a larger block */
		zone_put(self, frame, order);
	}
	lock_release(&self->lock);
}

static bool cpu_get(buddy *self, buddy_cpu *cpu, int idx, uint64_t *frame)
{
	buddy_list *list = &cpu->lists[idx];
	uint32_t head;

	lock_acquire(&cpu->lock);
	if (list->head == BUDDY_NONE)
		cpu_refill(self, list, cpu_order_of(idx));
	head = list->head;
	if (head != BUDDY_NONE) {
		list_remove(self, list, head);
		tag_set(self, head, TAG_TAKEN);
		*frame = head;
	}
	lock_release(&cpu->lock);
	return head != BUDDY_NONE;
}

static void cpu_put(buddy *self, buddy_cpu *cpu, int idx, uint32_t frame)
{
	buddy_list *list = &cpu->lists[idx];
	uint32_t order = cpu_order_of(idx);

	lock_acquire(&cpu->lock);
	tag_set(self, frame, TAG_CACHED | order);
	list_push(self, list, frame, false);
	if (list->blocks > at_least(BUDDY_CPU_MAX >> order, 2))
		cpu_give_back(self, list, order, at_least(BUDDY_BATCH >> order, 1));
	lock_release(&cpu->lock);
}

/* --- public ------------------------------------------------------------------------------------------------------ */

size_t buddy_metadata_bytes(uint64_t frames, uint32_t cpus)
{
	if (frames == 0 || frames >= UINT32_MAX || cpus == 0 || cpus > 65536)
		return 0;
	return cpus * sizeof(buddy_cpu) + (size_t)frames * sizeof(buddy_frame);
}

bool buddy_init(buddy *self, uint64_t frames, uint32_t cpus, void *metadata, size_t metadata_bytes)
{
	size_t needed_bytes = buddy_metadata_bytes(frames, cpus);
	const buddy_list empty = { BUDDY_NONE, BUDDY_NONE, 0 };

	if (needed_bytes == 0 || metadata_bytes < needed_bytes || (uintptr_t)metadata % 64 != 0)
		return false;
	*self = (buddy){ .per_cpu = metadata, .frames = frames, .cpus = cpus, .freed_order = BUDDY_NONE };
	self->table = (buddy_frame *)(self->per_cpu + cpus);
	for (uint32_t order = 0; order <= BUDDY_MAX_ORDER; order++)
		self->lists[order] = empty;
	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		self->per_cpu[cpu].lock = 0;
		for (int i = 0; i < BUDDY_CPU_ORDERS; i++)
			self->per_cpu[cpu].lists[i] = empty;
	}
	for (uint64_t frame = 0; frame < frames; frame++)
		self->table[frame] = (buddy_frame){ BUDDY_NONE, BUDDY_NONE, TAG_TAKEN };
	for (uint64_t frame = 0; frame < frames;) {
		uint32_t order = frame ? (uint32_t)__builtin_ctzll(frame) : BUDDY_MAX_ORDER;

		order = order > BUDDY_MAX_ORDER ? BUDDY_MAX_ORDER : order;
		while (frame + (UINT64_C(1) << order) > frames)
			order--;
		zone_insert(self, (uint32_t)frame, order, true);
		frame += UINT64_C(1) << order;
	}
	self->free_frames = frames;
	return true;
}

static bool get_once(buddy *self, uint32_t cpu, uint32_t order, uint64_t *frame)
{
	int idx = cpu_list_of(order);
	uint32_t got;
	bool ok;

	if (idx >= 0)
		return cpu_get(self, &self->per_cpu[cpu % self->cpus], idx, frame);
	lock_acquire(&self->lock);
	ok = zone_get(self, order, &got);
	lock_release(&self->lock);
	if (ok)
		*frame = got;
	return ok;
}

bool buddy_get(buddy *self, uint32_t cpu, uint32_t order, uint64_t *frame)
{
	if (order > BUDDY_MAX_ORDER)
		return false;
	if (get_once(self, cpu, order, frame))
		return true;
	buddy_drain(self);
	return get_once(self, cpu, order, frame);
}

bool buddy_get_at(buddy *self, uint32_t order, uint64_t frame)
{
	bool found = false;

	if (order > BUDDY_MAX_ORDER || frame >= self->frames || (frame & ((UINT64_C(1) << order) - 1)))
		return false;
	lock_acquire(&self->lock);
	for (uint32_t from = order; from <= BUDDY_MAX_ORDER && !found; from++) {
		uint32_t block = (uint32_t)frame & ~((1u << from) - 1);

		if (!zone_is_block(self, block, from))
			continue;
		zone_remove(self, block, from);
		zone_split(self, block, from, (uint32_t)frame, order);
		self->free_frames -= UINT64_C(1) << order;
		found = true;
	}
	lock_release(&self->lock);
	return found;
}

bool buddy_put(buddy *self, uint32_t cpu, uint32_t order, uint64_t frame)
{
	uint64_t run_frames = UINT64_C(1) << (order & 63);
	int idx = cpu_list_of(order);

	if (order > BUDDY_MAX_ORDER || frame >= self->frames || run_frames > self->frames - frame ||
	    (frame & (run_frames - 1)) || tag_of(self, frame) != TAG_TAKEN)
		return false;
	if (idx >= 0) {
		cpu_put(self, &self->per_cpu[cpu % self->cpus], idx, (uint32_t)frame);
		return true;
	}
	lock_acquire(&self->lock);
	zone_put(self, (uint32_t)frame, order);
	lock_release(&self->lock);
	return true;
}

void buddy_drain(buddy *self)
{
	for (uint32_t i = 0; i < self->cpus; i++) {
		buddy_cpu *cpu = &self->per_cpu[i];

		lock_acquire(&cpu->lock);
		for (int idx = 0; idx < BUDDY_CPU_ORDERS; idx++) {
			if (cpu->lists[idx].blocks)
				cpu_give_back(self, &cpu->lists[idx], cpu_order_of(idx), UINT32_MAX);
		}
		lock_release(&cpu->lock);
	}
}

static bool next_block(buddy *self, uint32_t min_order, uint32_t unwanted_tag, uint64_t *cursor, uint64_t *frame,
		       uint32_t *order)
{
	uint64_t step;
	bool found = false;

	if (min_order > BUDDY_MAX_ORDER)
		return false;
	step = UINT64_C(1) << min_order;
	*cursor = (*cursor + step - 1) & ~(step - 1);
	lock_acquire(&self->lock);
	while (*cursor < self->frames && !found) {
		uint32_t tag = tag_of(self, *cursor);

		found = (tag & TAG_FREE) && !(tag & unwanted_tag) && (tag & 0xff) >= min_order;
		if (found) {
			*frame = *cursor;
			*order = tag & 0xff;
		}
		*cursor += (tag & TAG_FREE) && (tag & 0xff) >= min_order ? UINT64_C(1) << (tag & 0xff) : step;
	}
	lock_release(&self->lock);
	return found;
}

bool buddy_next_free(buddy *self, uint32_t min_order, uint64_t *cursor, uint64_t *frame, uint32_t *order)
{
	return next_block(self, min_order, 0, cursor, frame, order);
}

bool buddy_next_unreported(buddy *self, uint32_t min_order, uint64_t *cursor, uint64_t *frame, uint32_t *order)
{
	return next_block(self, min_order, TAG_REPORTED, cursor, frame, order);
}

void buddy_put_reported(buddy *self, uint32_t order, uint64_t frame)
{
	uint32_t block = (uint32_t)frame;

	lock_acquire(&self->lock);
	if (zone_merge(self, &block, order) == order)
		tag_set(self, block, TAG_FREE | TAG_REPORTED | order);
	lock_release(&self->lock);
}

void buddy_on_freed(buddy *self, uint32_t min_order, void (*freed)(void *context), void *context)
{
	lock_acquire(&self->lock);
	self->freed = freed;
	self->freed_context = context;
	self->freed_order = freed ? min_order : BUDDY_NONE;
	lock_release(&self->lock);
}

uint64_t buddy_free_frames(buddy *self)
{
	uint64_t frames;

	lock_acquire(&self->lock);
	frames = self->free_frames;
	lock_release(&self->lock);
	for (uint32_t i = 0; i < self->cpus; i++) {
		buddy_cpu *cpu = &self->per_cpu[i];

		lock_acquire(&cpu->lock);
		for (int idx = 0; idx < BUDDY_CPU_ORDERS; idx++)
			frames += (uint64_t)cpu->lists[idx].blocks << cpu_order_of(idx);
		lock_release(&cpu->lock);
	}
	return frames;
}

uint64_t buddy_free_huge(buddy *self)
{
	uint64_t huge;

	lock_acquire(&self->lock);
	huge = self->lists[9].blocks + 2 * (uint64_t)self->lists[10].blocks;
	lock_release(&self->lock);
	return huge;
}

bool buddy_is_free(buddy *self, uint64_t frame)
{
	for (uint32_t order = 0; order <= BUDDY_MAX_ORDER && frame < self->frames; order++) {
		uint32_t tag = tag_of(self, frame & ~((UINT64_C(1) << order) - 1));

		if (tag != TAG_TAKEN && (tag & 0xff) >= order)
			return true;
	}
	return false;
}
