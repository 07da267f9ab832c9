/* SPDX-License-Identifier: MIT
 *
 * Owners and held entries; see owners.h. An unlock is a release and a lock an acquire: who gets the entry sees all that
 * the last one did to the frames. */
#define _GNU_SOURCE
#include "guest/owners.h"

#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { HELD_FRAME_SHIFT = 8, HELD_LOCKED = 0x80, HELD_ORDER_MASK = 0x7f };
enum { OWNER_KIND_BITS = 2, OWNER_CPU_BITS = 14 };

hv_err hv_owners_create(hv_owners *self, uint64_t frames)
{
	/* zero is "no owner"; only what is used becomes memory */
	void *words = mmap(NULL, frames * sizeof(*self->words), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (words == MAP_FAILED)
		return HV_ERR_SYSTEM;
	*self = (hv_owners){ .words = words, .frames = frames };
	return HV_OK;
}

void hv_owners_destroy(hv_owners *self)
{
	if (self->words != NULL)
		munmap(self->words, self->frames * sizeof(*self->words));
	self->words = NULL;
}

void hv_owner_set(hv_owners *self, uint64_t frame, hv_owner owner)
{
	uint64_t word = (uint64_t)owner.kind | (uint64_t)owner.cpu_idx << OWNER_KIND_BITS |
			owner.held_idx << (OWNER_KIND_BITS + OWNER_CPU_BITS);
	atomic_store_explicit(&self->words[frame], word, memory_order_release);
}

hv_owner hv_owner_of(const hv_owners *self, uint64_t frame)
{
	uint64_t word = atomic_load_explicit(&self->words[frame], memory_order_acquire);
	return (hv_owner){ .kind = (hv_owner_kind)(word & ((1u << OWNER_KIND_BITS) - 1)),
			   .cpu_idx = (uint32_t)(word >> OWNER_KIND_BITS) & ((1u << OWNER_CPU_BITS) - 1),
			   .held_idx = word >> (OWNER_KIND_BITS + OWNER_CPU_BITS) };
}

static uint64_t held_word(hv_run run)
{
	return run.frame << HELD_FRAME_SHIFT | run.order;
}

void hv_held_init(hv_held *self, hv_run run)
{
	atomic_store_explicit(&self->word, held_word(run) | HELD_LOCKED, memory_order_release);
}

hv_run hv_held_lock(hv_held *self)
{
	uint64_t seen = atomic_load_explicit(&self->word, memory_order_relaxed);
	for (unsigned spins = 1;; spins++) {
		seen &= ~(uint64_t)HELD_LOCKED;
		if (atomic_compare_exchange_weak_explicit(&self->word, &seen, seen | HELD_LOCKED, memory_order_acquire,
							  memory_order_relaxed))
			return (hv_run){ seen >> HELD_FRAME_SHIFT, seen & HELD_ORDER_MASK };
		if (spins % 64 == 0)
			sched_yield(); /* the holder may have lost its CPU */
	}
}

void hv_held_unlock(hv_held *self, hv_run run)
{
	atomic_store_explicit(&self->word, held_word(run), memory_order_release);
}
