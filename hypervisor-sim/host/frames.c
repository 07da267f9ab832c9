/* SPDX-License-Identifier: MIT
 *
 * R, packed 32 to a word; see frames.h. A begin is an acquire, an end a release: the next owner of a transition sees
 * all that the last one did to guest words and memory. */
#include "host/frames.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { R_PER_WORD = 32, R_BITS = 2 };
#define R_LOW_BITS UINT64_C(0x5555555555555555)

static unsigned r_shift(uint64_t huge_idx)
{
	return (unsigned)(huge_idx % R_PER_WORD) * R_BITS;
}

static hv_r r_of(uint64_t word, uint64_t huge_idx)
{
	return (hv_r)(word >> r_shift(huge_idx) & 3u);
}

/* The low bit of each pair that equals state; pairs beyond the end stay clear. */
static uint64_t r_matches(const hv_frames *self, uint64_t word_idx, hv_r state)
{
	uint64_t word = atomic_load_explicit(&self->words[word_idx], memory_order_relaxed);
	uint64_t differs = word ^ (uint64_t)state * R_LOW_BITS;
	uint64_t matches = ~(differs | differs >> 1) & R_LOW_BITS;
	uint64_t n_here = self->huge_count - word_idx * R_PER_WORD;
	return n_here >= R_PER_WORD ? matches : matches & ((UINT64_C(1) << n_here * R_BITS) - 1);
}

hv_err hv_frames_create(hv_frames *self, uint64_t huge_count)
{
	self->huge_count = huge_count;
	self->words = calloc(huge_count / R_PER_WORD + 1, sizeof(*self->words));
	return self->words != NULL ? HV_OK : HV_ERR_SYSTEM;
}

void hv_frames_destroy(hv_frames *self)
{
	free(self->words);
	self->words = NULL;
}

hv_r hv_frames_state(const hv_frames *self, uint64_t huge_idx)
{
	return r_of(atomic_load_explicit(&self->words[huge_idx / R_PER_WORD], memory_order_acquire), huge_idx);
}

bool hv_frames_begin(hv_frames *self, uint64_t huge_idx, hv_r from)
{
	_Atomic uint64_t *cell = &self->words[huge_idx / R_PER_WORD];
	uint64_t seen = atomic_load_explicit(cell, memory_order_relaxed);
	uint64_t flip = (uint64_t)(from ^ HV_R_BUSY) << r_shift(huge_idx);
	do {
		if (r_of(seen, huge_idx) != from)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(cell, &seen, seen ^ flip, memory_order_acq_rel,
							memory_order_relaxed));
	return true;
}

void hv_frames_end(hv_frames *self, uint64_t huge_idx, hv_r to)
{
	/* the owner alone may change this pair, so flipping its bits is enough; neighbours go on beside */
	uint64_t flip = (uint64_t)(HV_R_BUSY ^ to) << r_shift(huge_idx);
	atomic_fetch_xor_explicit(&self->words[huge_idx / R_PER_WORD], flip, memory_order_acq_rel);
}

uint64_t hv_frames_count(const hv_frames *self, hv_r state)
{
	uint64_t count = 0;
	for (uint64_t word_idx = 0; word_idx * R_PER_WORD < self->huge_count; word_idx++)
		count += (uint64_t)__builtin_popcountll(r_matches(self, word_idx, state));
	return count;
}

uint64_t hv_frames_find(const hv_frames *self, hv_r state, uint64_t begin)
{
	for (uint64_t word_idx = begin / R_PER_WORD; word_idx * R_PER_WORD < self->huge_count; word_idx++) {
		uint64_t matches = r_matches(self, word_idx, state);
		if (word_idx == begin / R_PER_WORD)
			matches &= UINT64_MAX << r_shift(begin);
		if (matches != 0)
			return word_idx * R_PER_WORD + (uint64_t)__builtin_ctzll(matches) / R_BITS;
	}
	return self->huge_count;
}
