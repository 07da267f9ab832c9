/* SPDX-License-Identifier: MIT
 *
 * The shared words as values: one accessor per field, no atomics. Everything that packs or unpacks a word is here. */
#ifndef LLF_WORDS_H
#define LLF_WORDS_H

#include "base/bits.h"
#include <llfree/shared.h>

/* --- child ------------------------------------------------------------------------------------------------------ */
static inline unsigned child_free(uint16_t word)
{
	return word & LLFREE_CHILD_FREE_MASK;
}
static inline bool child_huge(uint16_t word)
{
	return (word & LLFREE_CHILD_HUGE) != 0;
}
static inline bool child_evicted(uint16_t word)
{
	return (word & LLFREE_CHILD_EVICTED) != 0;
}
/* All 512 frames free, evicted or not. */
static inline bool child_whole(uint16_t word)
{
	return (word & ~LLFREE_CHILD_EVICTED) == LLFREE_HUGE_FRAMES;
}
/* Can k frames be taken one by one? */
static inline bool child_has(uint16_t word, unsigned k_frames)
{
	return !child_huge(word) && child_free(word) >= k_frames;
}

/* --- tree ------------------------------------------------------------------------------------------------------- */
static inline unsigned tree_free(uint32_t word)
{
	return word & LLFREE_TREE_FREE_MASK;
}
static inline unsigned tree_class(uint32_t word)
{
	return (word >> LLFREE_TREE_CLASS_SHIFT) & LLFREE_TREE_CLASS_MASK;
}
static inline bool tree_reserved(uint32_t word)
{
	return (word & LLFREE_TREE_RESERVED) != 0;
}
static inline bool tree_offline(uint32_t word)
{
	return (word & LLFREE_TREE_OFFLINE) != 0;
}
static inline uint32_t tree_with_free(uint32_t word, unsigned free_frames)
{
	return (word & ~(uint32_t)LLFREE_TREE_FREE_MASK) | free_frames;
}
static inline uint32_t tree_with_class(uint32_t word, unsigned class_idx)
{
	return (word & ~((uint32_t)LLFREE_TREE_CLASS_MASK << LLFREE_TREE_CLASS_SHIFT)) |
	       ((uint32_t)class_idx << LLFREE_TREE_CLASS_SHIFT);
}

/* --- reservation ------------------------------------------------------------------------------------------------ */
#define LLF_RES_ROW_MASK (((UINT64_C(1) << LLFREE_RES_ROW_BITS) - 1) << LLFREE_RES_ROW_SHIFT)
#define LLF_RES_PRESENT  (UINT64_C(1) << LLFREE_RES_PRESENT_SHIFT)

static inline unsigned res_free(uint64_t word)
{
	return (unsigned)(word & LLFREE_RES_FREE_MASK);
}
static inline uint64_t res_row(uint64_t word)
{
	return (word & LLF_RES_ROW_MASK) >> LLFREE_RES_ROW_SHIFT;
}
static inline bool res_present(uint64_t word)
{
	return (word & LLF_RES_PRESENT) != 0;
}
/* Same generation, new contents. */
static inline uint64_t res_make(uint64_t generation_of, uint64_t row, unsigned free_frames)
{
	return (generation_of >> LLFREE_RES_GEN_SHIFT << LLFREE_RES_GEN_SHIFT) | LLF_RES_PRESENT |
	       row << LLFREE_RES_ROW_SHIFT | free_frames;
}
static inline uint64_t res_with_free(uint64_t word, unsigned free_frames)
{
	return (word & ~LLFREE_RES_FREE_MASK) | free_frames;
}
/* Nothing reserved; the next generation (it wraps out at the top). */
static inline uint64_t res_drained(uint64_t word)
{
	return ((word >> LLFREE_RES_GEN_SHIFT) + 1) << LLFREE_RES_GEN_SHIFT;
}

/* --- claim ------------------------------------------------------------------------------------------------------ */
static inline uint32_t claim_mask(uint64_t word)
{
	return (uint32_t)word;
}
static inline uint64_t claim_half(uint64_t word)
{
	return (word >> LLFREE_CLAIM_HALF_SHIFT) & LLFREE_CLAIM_NONE;
}
static inline uint64_t claim_make(uint64_t generation_of, uint64_t half, uint32_t mask)
{
	return (generation_of >> LLFREE_CLAIM_GEN_SHIFT << LLFREE_CLAIM_GEN_SHIFT) | half << LLFREE_CLAIM_HALF_SHIFT |
	       mask;
}
static inline uint64_t claim_drained(uint64_t word)
{
	return ((word >> LLFREE_CLAIM_GEN_SHIFT) + 1) << LLFREE_CLAIM_GEN_SHIFT | LLFREE_CLAIM_NONE
											  << LLFREE_CLAIM_HALF_SHIFT;
}

#endif
