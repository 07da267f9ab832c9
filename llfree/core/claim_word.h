/* SPDX-License-Identifier: MIT
 *
 * The two short ways, one CAS each on the claim word of a slot: inline, so that who wraps get and put (zones) needs no
 * second call. In exact mode no claim has a frame or a half row, so both miss. What makes them sound: claim.c. */
#ifndef LLF_CLAIM_WORD_H
#define LLF_CLAIM_WORD_H

#include "core/core.h"

enum { LLF_ERR_MISS = LLFREE_ERR_COUNT }; /* not for this claim: take the long way */

/* What follows a pop that found no frame, in fast mode: take a half row, keep the first frame, publish the rest. */
llfree_err llf_claim_refill(const llfree_t *self, llfree_request request, llfree_slot *slot, uint64_t claim,
			    uint64_t *frame);
/* What follows a push that missed, in fast mode: adopt the frame's half row, or put it through the rows. */
llfree_err llf_claim_miss(const llfree_t *self, llfree_slot *slot, uint64_t claim, uint64_t frame);

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
 * rows: where the caller has the rows of self at hand
 * @return LLFREE_OK; LLFREE_ERR_STATE; LLF_ERR_MISS */
static inline unsigned llf_claim_push(const llfree_t *self, llfree_row_cell *const *rows, llfree_slot *slot,
				      uint64_t frame, uint64_t *word)
{
	uint32_t bit = 1u << frame % LLFREE_HALF_FRAMES;
	*word = llf_u64_load_acquire(&slot->claim);
	while (LLF_LIKELY(claim_half(*word) == llf_half_of(frame))) {
		uint64_t row = llf_row_load_relaxed(&(*rows)[llf_row_of(frame)]);
		if (LLF_UNLIKELY((claim_mask(*word) & bit) || !(row >> (frame % LLFREE_ROW_FRAMES) & 1)))
			return LLFREE_ERR_STATE;
		/* With a frame in the mask the child can't be huge; without, the claim may be a leftover of before. */
		if (LLF_UNLIKELY(!claim_mask(*word)) && !llf_child_cacheable(self, llf_child_of(frame)))
			break;
		if (LLF_LIKELY(llf_u64_cas_acqrel(&slot->claim, word, *word | bit)))
			return LLFREE_OK;
	}
	return LLF_ERR_MISS;
}

#endif
