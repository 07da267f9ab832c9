/* SPDX-License-Identifier: MIT
 *
 * Batches; see batch.h. An entry goes pending -> taken by the filling thread, or pending -> empty by a withdrawal:
 * one CAS decides. A frame is busy all the while and has one owner, so it stands in one entry at most. */
#include "host/batch.h"

#include <stdatomic.h>

/* entry: 0 = empty, else huge_idx << 2 | R that it shall get (soft or hard: never 0) */
static uint64_t entry_make(uint64_t huge_idx, hv_r to)
{
	return huge_idx << 2 | (uint64_t)to;
}

void hv_batch_init(hv_batch *self)
{
	for (size_t at = 0; at < HV_DISCARD_MAX; at++)
		atomic_init(&self->entries[at], 0);
	atomic_init(&self->n_entries, 0);
}

void hv_batch_add(hv_batch *self, uint64_t huge_idx, hv_r to)
{
	uint32_t at = atomic_load_explicit(&self->n_entries, memory_order_relaxed);
	atomic_store_explicit(&self->entries[at], entry_make(huge_idx, to), memory_order_release);
	/* pairs with the acquire in withdraw: who sees the count sees the entry */
	atomic_store_explicit(&self->n_entries, at + 1, memory_order_release);
}

uint32_t hv_batch_count(const hv_batch *self)
{
	return atomic_load_explicit(&self->n_entries, memory_order_relaxed);
}

bool hv_batch_withdraw(hv_batch *self, uint64_t huge_idx)
{
	uint32_t n_entries = atomic_load_explicit(&self->n_entries, memory_order_acquire);
	uint64_t wanted = entry_make(huge_idx, HV_R_SOFT);
	for (uint32_t at = 0; at < n_entries; at++) {
		uint64_t seen = wanted;
		if (atomic_load_explicit(&self->entries[at], memory_order_relaxed) == wanted &&
		    atomic_compare_exchange_strong_explicit(&self->entries[at], &seen, 0, memory_order_acq_rel,
							    memory_order_relaxed))
			return true;
	}
	return false;
}

size_t hv_batch_take(hv_batch *self, uint64_t *huge_idx, hv_r *to)
{
	uint32_t n_entries = atomic_load_explicit(&self->n_entries, memory_order_relaxed);
	size_t n_taken = 0;
	for (uint32_t at = 0; at < n_entries; at++) {
		uint64_t entry = atomic_exchange_explicit(&self->entries[at], 0, memory_order_acq_rel);
		if (entry == 0)
			continue;
		huge_idx[n_taken] = entry >> 2;
		to[n_taken++] = (hv_r)(entry & 3u);
	}
	atomic_store_explicit(&self->n_entries, 0, memory_order_release);
	return n_taken;
}
