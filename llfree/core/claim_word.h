/* SPDX-License-Identifier: MIT
 *
 * The two short ways, one CAS each on the claim word of a slot, and the long ways that follow them: inline, so that who
 * wraps get and put (zones) needs no second call. In exact mode no claim has a frame or a half row, so both short ways
 * miss. What makes them sound: claim.c. */
#ifndef LLF_CLAIM_WORD_H
#define LLF_CLAIM_WORD_H

#include "core/core.h"

enum { LLF_ERR_MISS = LLFREE_ERR_COUNT }; /* not for this claim: take the long way */

/* STATE claim(old half, m) -> claim(this half, the frame), by a put; m goes back through the rows
 * @return false: nothing changed */
bool llf_claim_adopt(const llfree_t *self, llfree_slot *slot, uint64_t claim, uint64_t frame);

/* STATE claim mask(m) -> mask(m without its lowest frame); LP the CAS
 * *word: the claim as it was seen last; without a frame when false is returned */
static inline bool llf_claim_pop(llfree_slot *slot, uint64_t *word, uint64_t *frame)
{
	*word = llf_u64_load_acquire(&slot->claim);
	while (LLF_LIKELY(claim_mask(*word))) {
		uint64_t next = *word & (*word - 1); /* the mask is the low half */
		if (LLF_LIKELY(llf_u64_cas_acqrel(&slot->claim, word, next))) {
			*frame = claim_half(*word) * LLFREE_HALF_FRAMES + llf_lowest(claim_mask(*word));
			return true;
		}
	}
	return false;
}

/* May frames of this child be cached? Not while it is taken as one, and an owned frame can't be evicted. */
static inline bool llf_child_cacheable(const llfree_t *self, uint64_t child_idx)
{
	return !(llf_child_load_relaxed(&self->children[child_idx]) & (LLFREE_CHILD_HUGE | LLFREE_CHILD_EVICTED));
}

/* STATE claim(half, m) -> claim(half, m and the frame), if the frame is of the half row; LP the CAS
 * rows: where the caller has the rows of self at hand; self is read only where the claim has run empty
 * @return LLFREE_OK; LLFREE_ERR_STATE; LLF_ERR_MISS */
static inline unsigned llf_claim_push(const llfree_t *const *self, llfree_row_cell *const *rows, llfree_slot *slot,
				      uint64_t frame, uint64_t *word)
{
	uint32_t bit = 1u << frame % LLFREE_HALF_FRAMES;
	*word = llf_u64_load_acquire(&slot->claim);
	while (LLF_LIKELY(claim_half(*word) == llf_half_of(frame))) {
		uint64_t row = llf_row_load_relaxed(&(*rows)[llf_row_of(frame)]);
		if (LLF_UNLIKELY((claim_mask(*word) & bit) || !(row >> (frame % LLFREE_ROW_FRAMES) & 1)))
			return LLFREE_ERR_STATE;
		/* With a frame in the mask the child can't be huge; without, the claim may be a leftover of before. */
		if (LLF_UNLIKELY(!claim_mask(*word)) && !llf_child_cacheable(*self, llf_child_of(frame)))
			break;
		if (LLF_LIKELY(llf_u64_cas_acqrel(&slot->claim, word, *word | bit)))
			return LLFREE_OK;
	}
	return LLF_ERR_MISS;
}

/* What follows a pop that found no frame, in fast mode: take frames of one half row, the first for the caller, the rest
 * into the claim, all or nothing. */
static inline llfree_err llf_claim_refill(const llfree_t *self, llfree_slot *slot, uint64_t claim, uint64_t *frame)
{
	llf_run run;
	llf_count_event(LLF_EVENT_REFILL);
	llfree_err err = llf_get_loose(self, slot, LLFREE_HALF_FRAMES, LLFREE_HALF_FRAMES, &run);
	if (err != LLFREE_OK)
		return err;
	unsigned first = llf_lowest(run.mask);
	*frame = llf_row_frame(run.row) + first;
	uint64_t rest = run.mask & (run.mask - 1);
	if (!rest)
		return LLFREE_OK;
	unsigned upper = first >= LLFREE_HALF_FRAMES;
	uint64_t next = claim_make(claim, run.row * 2 + upper, (uint32_t)(rest >> (upper * LLFREE_HALF_FRAMES)));
	/* claim was read before the reservation: if a drain came between, this fails */
	if (claim_mask(claim) || !llf_u64_cas_acqrel(&slot->claim, &claim, next))
		(void)llf_put_loose(self, slot, run.row, rest, true);
	return LLFREE_OK;
}

/* What follows a push that missed, in fast mode: it was not the claim's half row, or the claim can't take it. Adopt the
 * half row on the second such put, else put the frame through the rows. */
static inline llfree_err llf_claim_miss(const llfree_t *self, llfree_slot *slot, uint64_t claim, uint64_t frame)
{
	uint32_t mark = (uint32_t)llf_half_of(frame) + 1;
	llf_count_event(LLF_EVENT_PUT_MISS);
	if (llf_u32_load_relaxed(&slot->last_put) != mark)
		llf_u32_store_relaxed(&slot->last_put, mark);
	else if (llf_claim_adopt(self, slot, claim, frame))
		return LLFREE_OK;
	return llf_put_one(self, slot, frame);
}

/* Runs, and single frames in exact mode: a get that has no use for a claim. */
static inline llfree_err llf_get_long(const llfree_t *self, llfree_slot *slot, unsigned order, uint64_t *frame)
{
	llf_run run;
	llfree_err err =
		order ? llf_get_run(self, slot, order, &run) : llf_get_loose(self, slot, LLFREE_ROW_FRAMES, 1, &run);
	if (err == LLFREE_OK)
		*frame = llf_run_frame(&run);
	return err;
}

/* The class of the tree that a frame, in range, is of. */
static inline unsigned llf_put_class(const llfree_t *self, uint64_t frame)
{
	return llf_known_class(self, tree_class(llf_tree_load_relaxed(&self->trees[llf_tree_of(frame)])));
}

/* The put of these; first frame in range. cpu_slots: the slots of the caller's CPU, by class. */
static inline llfree_err llf_put_long(const llfree_t *self, llfree_slot *cpu_slots, unsigned order, uint64_t frame)
{
	llfree_slot *slot = &cpu_slots[llf_put_class(self, frame)];
	if (!order)
		return llf_put_one(self, slot, frame);
	if (order > LLFREE_MAX_ORDER || frame % (UINT64_C(1) << order) || self->frames - frame < UINT64_C(1) << order)
		return LLFREE_ERR_INVAL;
	return llf_put_run(self, slot, frame, order, false);
}

#endif
