/* SPDX-License-Identifier: MIT
 *
 * Many order-0 frames at once: what the claim holds with one CAS, then whole rows with one CAS on each level; put back
 * row by row. Every row is a get or put of its own: the batch as a whole is not atomic. */
#include "core/core.h"

static size_t unpack(uint64_t first_frame, uint64_t mask, uint64_t *frames)
{
	size_t n = 0;
	for (; mask; mask &= mask - 1)
		frames[n++] = first_frame + llf_lowest(mask);
	return n;
}

/* Up to n frames of the claim. */
static size_t get_from_claim(llfree_slot *slot, uint64_t *frames, size_t n_frames)
{
	uint64_t word = llf_u64_load_acquire(&slot->claim);
	while (claim_mask(word)) {
		uint64_t taken = llf_lowest_bits(claim_mask(word), (unsigned)llf_min(n_frames, LLFREE_HALF_FRAMES));
		if (llf_u64_cas_acqrel(&slot->claim, &word, word & ~taken))
			return unpack(claim_half(word) * LLFREE_HALF_FRAMES, taken, frames);
	}
	return 0;
}

size_t llfree_get_batch(const llfree_t *self, llfree_request request, uint64_t *frames, size_t n_frames)
{
	if (!n_frames || request.order || request.class_idx >= self->classes)
		return 0;
	llfree_slot *slot = llf_slot(self, request.cpu, request.class_idx);
	size_t n = llf_exact(self) ? 0 : get_from_claim(slot, frames, n_frames);
	while (n < n_frames) {
		llf_run run;
		unsigned max_frames = (unsigned)llf_min(n_frames - n, LLFREE_ROW_FRAMES);
		if (llf_get_loose(self, slot, LLFREE_ROW_FRAMES, max_frames, &run) != LLFREE_OK)
			break;
		n += unpack(llf_row_frame(run.row), run.mask, frames + n);
	}
	return n;
}

/* How many frames from frames[0] on lie in one row, without repeating one; their mask. */
static size_t same_row(const llfree_t *self, const uint64_t *frames, size_t n_frames, uint64_t *mask)
{
	uint64_t row = llf_row_of(frames[0]);
	size_t n = 0;
	for (*mask = 0; n < n_frames && frames[n] < self->frames && llf_row_of(frames[n]) == row; n++) {
		uint64_t bit = UINT64_C(1) << frames[n] % LLFREE_ROW_FRAMES;
		if (*mask & bit)
			break;
		*mask |= bit;
	}
	return n;
}

size_t llfree_put_batch(const llfree_t *self, llfree_request request, const uint64_t *frames, size_t n_frames,
			llfree_err *error)
{
	llfree_err err = request.order ? LLFREE_ERR_INVAL : LLFREE_OK;
	size_t done = 0;
	while (err == LLFREE_OK && done < n_frames) {
		uint64_t mask;
		size_t n = same_row(self, frames + done, n_frames - done, &mask);
		if (n < 2) {
			err = llfree_put(self, request, frames[done]);
			done += err == LLFREE_OK;
			continue;
		}
		uint64_t row = llf_row_of(frames[done]);
		uint32_t tree = llf_tree_load_relaxed(&self->trees[llf_tree_of_row(row)]);
		llfree_slot *slot = llf_slot(self, request.cpu, llf_known_class(self, tree_class(tree)));
		err = llf_put_loose(self, slot, row, mask, false);
		if (err == LLFREE_OK)
			done += n;
		/* One of them can't be put: give back those before it, one by one. */
		for (size_t i = 0; err == LLFREE_ERR_STATE && i < n; i++) {
			if (llfree_put(self, request, frames[done]) != LLFREE_OK)
				break;
			done++;
		}
	}
	if (error)
		*error = err;
	return done;
}
