/* SPDX-License-Identifier: MIT
 *
 * Rows of 64 frames. Every function is one CAS that claims or clears a mask as a whole; a refusal linearizes at the
 * load that saw it. Lock-free: a CAS fails only because another one on the row succeeded. Keeps A1. */
#include "core/core.h"

uint64_t llf_row_take_some(llfree_row_cell *row, uint64_t want)
{
	uint64_t word = llf_row_load_relaxed(row);
	uint64_t mask;
	do {
		mask = want & ~word;
		if (!mask)
			return 0;
	} while (!llf_row_cas_acqrel(row, &word, word | mask));
	return mask;
}

bool llf_row_take(llfree_row_cell *row, uint64_t mask)
{
	uint64_t word = llf_row_load_relaxed(row);
	do {
		if (word & mask)
			return false;
	} while (!llf_row_cas_acqrel(row, &word, word | mask));
	return true;
}

bool llf_row_give(llfree_row_cell *row, uint64_t mask)
{
	uint64_t word = llf_row_load_relaxed(row);
	for (unsigned tries = 0; tries < LLF_RETRY_MAX && (word & mask) == mask; tries++) {
		if (LLF_LIKELY(llf_row_cas_acqrel(row, &word, word & ~mask)))
			return true;
	}
	return false;
}
