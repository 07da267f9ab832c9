/* SPDX-License-Identifier: MIT
 *
 * The public get and put. In fast mode, order 0, both are usually one CAS on the claim word of the slot: a half row of
 * 32 frames and the mask of those that are claimed from the bitfield and free for the next get.
 * Why a claim is sound: its frames are set in the bitfield and counted out, so nobody else finds them, and their child
 * is neither whole nor huge nor evicted. A claim word with frames in it says all there is to know, so taking from
 * or adding to one that has come back with the same value is harmless. Replacing a claim is decided by what was
 * read elsewhere (a reservation, an online tree); there the generation, bumped by every drain, tells. Keeps A1, A9. */
#include "core/claim_word.h"

/* What follows a pop or push that missed, out of line. */
LLF_NOINLINE static llfree_err get_refill(const llfree_t *self, llfree_slot *slot, uint64_t claim, uint64_t *frame)
{
	return llf_claim_refill(self, slot, claim, frame);
}

LLF_NOINLINE static llfree_err put_miss(const llfree_t *self, llfree_slot *slot, uint64_t claim, uint64_t frame)
{
	return llf_claim_miss(self, slot, claim, frame);
}

LLF_NOINLINE static llfree_err get_long(const llfree_t *self, llfree_slot *slot, unsigned order, uint64_t *frame)
{
	return llf_get_long(self, slot, order, frame);
}

LLF_NOINLINE static llfree_err put_long(const llfree_t *self, uint32_t cpu, unsigned order, uint64_t frame)
{
	return llf_put_long(self, llf_slot(self, cpu, 0), order, frame);
}

llfree_err llfree_get(const llfree_t *self, llfree_request request, uint64_t *frame)
{
	if (LLF_UNLIKELY(request.class_idx >= self->classes))
		return LLFREE_ERR_INVAL;
	llfree_slot *slot = llf_slot(self, request.cpu, request.class_idx);
	if (LLF_UNLIKELY(request.order || llf_exact(self)))
		return get_long(self, slot, request.order, frame);
	uint64_t word;
	if (LLF_LIKELY(llf_claim_pop(slot, &word, frame)))
		return LLFREE_OK;
	return get_refill(self, slot, word, frame);
}

/* STATE claim(old half, m) -> claim(this half, the frame); m goes back through the rows
 * LP    the CAS; the tree was online after the claim was read, so an offline since then has bumped the generation */
LLF_NOINLINE bool llf_claim_adopt(const llfree_t *self, llfree_slot *slot, uint64_t claim, uint64_t frame)
{
	uint64_t half = llf_half_of(frame);
	if (!(llf_row_load_relaxed(&self->rows[llf_row_of(frame)]) >> (frame % LLFREE_ROW_FRAMES) & 1) ||
	    !llf_child_cacheable(self, llf_child_of(frame)) ||
	    tree_offline(llf_tree_load_acquire(&self->trees[llf_tree_of(frame)])))
		return false;
	uint64_t old = claim;
	if (!llf_u64_cas_acqrel(&slot->claim, &claim, claim_make(old, half, 1u << frame % LLFREE_HALF_FRAMES)))
		return false;
	uint64_t row = claim_half(old) / 2;
	uint64_t mask = (uint64_t)claim_mask(old) << (claim_half(old) % 2 * LLFREE_HALF_FRAMES);
	if (mask && row < self->n_rows)
		(void)llf_put_loose(self, slot, row, mask, true);
	return true;
}

/* The request named another class than the frame's tree has. */
LLF_NOINLINE static llfree_err put_other_class(const llfree_t *self, uint32_t cpu, unsigned class_idx, uint64_t frame)
{
	uint64_t word;
	llfree_slot *slot = llf_slot(self, cpu, class_idx);
	unsigned err = llf_claim_push(&self, &self->rows, slot, frame, &word);
	return err != LLF_ERR_MISS ? (llfree_err)err : put_miss(self, slot, word, frame);
}

inline llfree_err llfree_put(const llfree_t *self, llfree_request request, uint64_t frame)
{
	if (LLF_UNLIKELY(frame >= self->frames))
		return LLFREE_ERR_INVAL;
	if (LLF_UNLIKELY(request.order || llf_exact(self)))
		return put_long(self, request.cpu, request.order, frame);
	/* The class of the request is a hint: its slot is known without waiting for the frame's tree, and if that
	 * claims the frame's half row, the frame goes there whatever the class of the tree. */
	uint64_t word;
	unsigned hint = llf_known_class(self, request.class_idx);
	llfree_slot *slot = llf_slot(self, request.cpu, hint);
	unsigned err = llf_claim_push(&self, &self->rows, slot, frame, &word);
	if (LLF_LIKELY(err != LLF_ERR_MISS))
		return (llfree_err)err;
	unsigned class_idx = llf_put_class(self, frame);
	if (LLF_LIKELY(class_idx == hint))
		return put_miss(self, slot, word, frame);
	return put_other_class(self, request.cpu, class_idx, frame);
}
