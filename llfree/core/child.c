/* SPDX-License-Identifier: MIT
 *
 * The word of a huge frame: count, HUGE, EVICTED. The count is taken before bits and given after bits, so whoever holds
 * k of it is sure of k zero bits. Every transition keeps E (A8); only llfree_install() and the reclaims change it. */
#include "core/core.h"

/* STATE free(n) --take k--> free(n-k) if k <= n; huge: refused
 * LP    the successful CAS; a refusal linearizes at the load that saw it
 * UNDO  llf_child_give(k) by the same caller */
bool llf_child_take(llfree_child_cell *cell, unsigned k_frames, uint16_t *seen)
{
	uint16_t word = llf_child_load_relaxed(cell);
	do {
		if (!child_has(word, k_frames))
			return false;
	} while (!llf_child_cas_acqrel(cell, &word, (uint16_t)(word - k_frames)));
	*seen = word;
	return true;
}

/* STATE free(n) --give k--> free(n+k); huge or beyond capacity: refused (a foreign put, or a hostile word) */
bool llf_child_give(llfree_child_cell *cell, unsigned k_frames, unsigned capacity)
{
	uint16_t word = llf_child_load_relaxed(cell);
	for (unsigned tries = 0; tries < LLF_RETRY_MAX; tries++) {
		if (child_huge(word) || child_free(word) + k_frames > capacity)
			return false;
		if (LLF_LIKELY(llf_child_cas_acqrel(cell, &word, (uint16_t)(word + k_frames))))
			return true;
	}
	return false;
}

/* STATE free(512) -> huge. The winner owns all eight rows: nobody holds count, so nobody touches bits. */
bool llf_child_take_huge(llfree_child_cell *cell, uint16_t *seen)
{
	uint16_t word = llf_child_load_relaxed(cell);
	do {
		if (!child_whole(word))
			return false;
	} while (!llf_child_cas_acqrel(cell, &word, (uint16_t)((word & LLFREE_CHILD_EVICTED) | LLFREE_CHILD_HUGE)));
	*seen = word;
	return true;
}

/* STATE huge -> free(512), only by who made it huge and has not filled the rows */
void llf_child_untake_huge(llfree_child_cell *cell)
{
	uint16_t word = llf_child_load_relaxed(cell);
	/* E may go 1 -> 0 meanwhile, by an install that someone else asked for: carry over what is there. */
	while (child_huge(word) &&
	       !llf_child_cas_acqrel(cell, &word, (uint16_t)((word & LLFREE_CHILD_EVICTED) | LLFREE_HUGE_FRAMES)))
		;
}

/* STATE huge -> free(0), all rows taken. Of two puts of the same huge frame one wins here (A7). */
bool llf_child_open_huge(llfree_child_cell *cell, bool evicted)
{
	uint16_t mark = evicted ? LLFREE_CHILD_EVICTED : 0;
	uint16_t word = (uint16_t)(LLFREE_CHILD_HUGE | mark);
	return llf_child_cas_acqrel(cell, &word, mark);
}

bool llf_child_close_huge(llfree_child_cell *cell, bool evicted)
{
	uint16_t mark = evicted ? LLFREE_CHILD_EVICTED : 0;
	uint16_t word = mark;
	return llf_child_cas_acqrel(cell, &word, (uint16_t)(LLFREE_CHILD_HUGE | mark));
}

/* STATE free(512), E any -> huge, E=1. From here on only llfree_return() changes the word. */
bool llf_child_reclaim(llfree_child_cell *cell, uint16_t *seen)
{
	uint16_t word = llf_child_load_relaxed(cell);
	for (unsigned tries = 0; tries < LLF_RETRY_MAX && child_whole(word); tries++) {
		*seen = word;
		if (llf_child_cas_acqrel(cell, &word, LLFREE_CHILD_HUGE | LLFREE_CHILD_EVICTED))
			return true;
	}
	return false;
}
