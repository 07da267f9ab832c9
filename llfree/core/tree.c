/* SPDX-License-Identifier: MIT
 *
 * The word of a tree: free frames that no slot has reserved, class, reserved, offline. Every change is a CAS that
 * carries the other fields over, so offline stays (A9) and a reservation is never cut from under its slot. */
#include "core/core.h"

static void tree_add(const llfree_t *self, uint64_t tree_idx, unsigned k_frames, uint32_t clear)
{
	llfree_tree_cell *cell = &self->trees[tree_idx];
	uint32_t word = llf_tree_load_relaxed(cell);
	for (unsigned tries = 0; tries < LLF_RETRY_MAX; tries++) {
		/* Clamped: only a hostile region can get here with more than the tree has. */
		unsigned sum =
			(unsigned)llf_min(tree_free(word) + (uint64_t)k_frames, llf_tree_capacity(self, tree_idx));
		if (LLF_LIKELY(llf_tree_cas_acqrel(cell, &word, tree_with_free(word, sum) & ~clear)))
			return;
	}
}

void llf_tree_give(const llfree_t *self, uint64_t tree_idx, unsigned k_frames)
{
	tree_add(self, tree_idx, k_frames, 0);
}

void llf_tree_unreserve(const llfree_t *self, uint64_t tree_idx, unsigned k_frames)
{
	tree_add(self, tree_idx, k_frames, LLFREE_TREE_RESERVED);
}

unsigned llf_tree_class_for(const llfree_t *self, uint64_t tree_idx, uint32_t word, llf_claimant who)
{
	unsigned now = llf_known_class(self, tree_class(word));
	if (who.class_idx == LLF_NO_CLASS)
		return now;
	if (tree_free(word) == llf_tree_capacity(self, tree_idx))
		return who.class_idx;
	unsigned rule = who.rule ? who.rule[now] : LLFREE_STEAL;
	if (rule == LLFREE_NEVER)
		return LLF_NO_CLASS;
	return rule == LLFREE_DEMOTE ? who.class_idx : now;
}

/* STATE free(n) -> free(n-k), class by the table; LP the CAS: count, class and offline are judged in one word */
llfree_err llf_tree_take(const llfree_t *self, uint64_t tree_idx, unsigned k_frames, llf_claimant who)
{
	llfree_tree_cell *cell = &self->trees[tree_idx];
	uint32_t word = llf_tree_load_relaxed(cell);
	for (unsigned tries = 0; tries < LLF_RETRY_MAX; tries++) {
		if (tree_offline(word))
			return LLFREE_ERR_OFFLINE;
		unsigned class_idx = llf_tree_class_for(self, tree_idx, word, who);
		if (tree_free(word) < k_frames || class_idx == LLF_NO_CLASS)
			return LLFREE_ERR_STATE;
		if (LLF_LIKELY(llf_tree_cas_acqrel(cell, &word, tree_with_class(word - k_frames, class_idx))))
			return LLFREE_OK;
	}
	return LLFREE_ERR_STATE;
}
