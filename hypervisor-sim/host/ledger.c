/* SPDX-License-Identifier: MIT
 *
 * The ledger; see ledger.h. */
#include "host/ledger.h"

#include <stdatomic.h>
#include <stdlib.h>

hv_err hv_ledger_create(hv_ledger *self, uint64_t frames)
{
	*self = (hv_ledger){ .frames = frames };
	self->words = calloc(frames / 64 + 1, sizeof(*self->words));
	return self->words != NULL ? HV_OK : HV_ERR_SYSTEM;
}

void hv_ledger_destroy(hv_ledger *self)
{
	free(self->words);
	self->words = NULL;
}

/* The bits of the run that lie in the word of its first frame; moves the run behind them. */
static uint64_t run_step(uint64_t *frame, uint64_t *n_frames)
{
	uint64_t shift = *frame % 64, n_here = 64 - shift < *n_frames ? 64 - shift : *n_frames;
	uint64_t bits = n_here == 64 ? UINT64_MAX : ((UINT64_C(1) << n_here) - 1) << shift;
	*frame += n_here;
	*n_frames -= n_here;
	return bits;
}

bool hv_ledger_is(const hv_ledger *self, uint64_t first_frame, uint64_t n_frames, bool out)
{
	if (n_frames == 0 || first_frame >= self->frames || n_frames > self->frames - first_frame)
		return false;
	while (n_frames > 0) {
		uint64_t word = hv_ledger_word(self, first_frame / 64);
		uint64_t bits = run_step(&first_frame, &n_frames);
		if ((word & bits) != (out ? bits : 0))
			return false;
	}
	return true;
}

uint64_t hv_ledger_set(hv_ledger *self, uint64_t first_frame, uint64_t n_frames, bool out)
{
	uint64_t n_changed = 0;
	while (n_frames > 0) {
		_Atomic uint64_t *cell = &self->words[first_frame / 64];
		uint64_t word = atomic_load_explicit(cell, memory_order_relaxed);
		uint64_t bits = run_step(&first_frame, &n_frames);
		n_changed += (uint64_t)__builtin_popcountll((out ? ~word : word) & bits);
		atomic_store_explicit(cell, out ? word | bits : word & ~bits, memory_order_relaxed);
	}
	if (out)
		atomic_fetch_add_explicit(&self->out_frames, n_changed, memory_order_relaxed);
	else
		atomic_fetch_sub_explicit(&self->out_frames, n_changed, memory_order_relaxed);
	return n_changed;
}

uint64_t hv_ledger_word(const hv_ledger *self, uint64_t word_idx)
{
	return atomic_load_explicit(&self->words[word_idx], memory_order_relaxed);
}

uint64_t hv_ledger_out_bytes(const hv_ledger *self)
{
	return atomic_load_explicit(&self->out_frames, memory_order_relaxed) * HV_FRAME_BYTES;
}
