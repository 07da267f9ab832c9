/* SPDX-License-Identifier: MIT
 *
 * The host's transitions on guest words. The guest is not trusted: each word is read once per step and checked, retries
 * are bounded, nothing read here is used as an index without a check. Keeps A8, H4; memory is the monitor's business.
 */
#include "core/core.h"

/* One try: the host must not spin on a word that a guest keeps changing. */
static bool child_set(llfree_child_cell *cell, uint16_t from, uint16_t to)
{
	return llf_child_cas_acqrel(cell, &from, to);
}

llfree_err llfree_reclaim_soft(const llfree_t *self, uint64_t huge_idx)
{
	if (huge_idx >= self->n_children)
		return LLFREE_ERR_INVAL;
	if (tree_reserved(llf_tree_load_relaxed(&self->trees[huge_idx / LLFREE_TREE_HUGE])))
		return LLFREE_ERR_STATE;
	bool done = child_set(&self->children[huge_idx], LLFREE_HUGE_FRAMES, LLFREE_HUGE_FRAMES | LLFREE_CHILD_EVICTED);
	if (done)
		llf_durable_set_evicted(self, huge_idx, true);
	return done ? LLFREE_OK : LLFREE_ERR_STATE;
}

/* STATE reservation free(n) -> free(n-k), k = 512 or all it has, if it still lies in this tree
 * LP    the CAS: position and count are one word. @return k */
static unsigned take_from_reservation(const llfree_t *self, uint64_t tree_idx)
{
	uint64_t n_slots = (uint64_t)self->cpus * self->classes;
	for (uint64_t i = 0; i < n_slots; i++) {
		llfree_slot *slot = &self->slots[i];
		uint64_t word = llf_u64_load_acquire(&slot->reservation);
		for (unsigned tries = 0; tries < LLF_RETRY_MAX; tries++) {
			unsigned k = (unsigned)llf_min(res_free(word), LLFREE_HUGE_FRAMES);
			if (!k || !res_present(word) || llf_tree_of_row(res_row(word)) != tree_idx)
				break;
			if (llf_u64_cas_acqrel(&slot->reservation, &word, word - k))
				return k;
		}
	}
	return 0;
}

/* Count a huge frame out of the upper level: of the tree, of the reservation that holds it, or of both together.
 * UNDO  what the reservation gave goes to the tree */
static llfree_err take_upper(const llfree_t *self, uint64_t tree_idx)
{
	const llf_claimant host = { NULL, LLF_NO_CLASS };
	llfree_err err = llf_tree_take(self, tree_idx, LLFREE_HUGE_FRAMES, host);
	if (err != LLFREE_ERR_STATE)
		return err;
	unsigned k = take_from_reservation(self, tree_idx);
	if (k == LLFREE_HUGE_FRAMES)
		return LLFREE_OK;
	err = k ? llf_tree_take(self, tree_idx, LLFREE_HUGE_FRAMES - k, host) : LLFREE_ERR_STATE;
	if (err != LLFREE_OK && k)
		llf_tree_give(self, tree_idx, k);
	return err;
}

llfree_err llfree_reclaim_hard(const llfree_t *self, uint64_t huge_idx, bool *was_evicted)
{
	if (huge_idx >= self->n_children)
		return LLFREE_ERR_INVAL;
	uint64_t tree_idx = huge_idx / LLFREE_TREE_HUGE;
	llfree_child_cell *child = &self->children[huge_idx];
	uint16_t seen = llf_child_load_relaxed(child);
	if (tree_offline(llf_tree_load_acquire(&self->trees[tree_idx])))
		return LLFREE_ERR_OFFLINE;
	if (!child_whole(seen))
		return LLFREE_ERR_STATE;
	llfree_err err = take_upper(self, tree_idx);
	if (err != LLFREE_OK)
		return err;
	if (!llf_child_reclaim(child, &seen)) {
		llf_tree_give(self, tree_idx, LLFREE_HUGE_FRAMES);
		return LLFREE_ERR_STATE;
	}
	llf_rows_fill(self, huge_idx);
	llf_durable_set_evicted(self, huge_idx, true);
	if (llf_durable(self))
		llf_durable_take_run(self, huge_idx * LLFREE_HUGE_ROWS, LLFREE_HUGE_ORDER);
	*was_evicted = child_evicted(seen);
	return LLFREE_OK;
}

llfree_err llfree_return(const llfree_t *self, uint64_t huge_idx)
{
	if (huge_idx >= self->n_children)
		return LLFREE_ERR_INVAL;
	if (!llf_child_open_huge(&self->children[huge_idx], true))
		return LLFREE_ERR_STATE;
	if (llf_durable(self))
		(void)llf_durable_give_run(self, huge_idx * LLFREE_HUGE_ROWS, LLFREE_HUGE_ORDER);
	for (uint64_t i = 0; i < LLFREE_HUGE_ROWS; i++)
		llf_row_store_relaxed(&self->rows[huge_idx * LLFREE_HUGE_ROWS + i], 0);
	if (!child_set(&self->children[huge_idx], LLFREE_CHILD_EVICTED, LLFREE_CHILD_EVICTED | LLFREE_HUGE_FRAMES))
		return LLFREE_ERR_CORRUPT;
	llf_tree_give(self, huge_idx / LLFREE_TREE_HUGE, LLFREE_HUGE_FRAMES);
	return LLFREE_OK;
}

llfree_err llfree_install(const llfree_t *self, uint64_t huge_idx)
{
	if (huge_idx >= self->n_children)
		return LLFREE_ERR_INVAL;
	llfree_child_cell *child = &self->children[huge_idx];
	uint16_t word = llf_child_load_relaxed(child);
	if (child_evicted(word))
		llf_durable_set_evicted(self, huge_idx, false);
	for (unsigned tries = 0; tries < LLFREE_HUGE_FRAMES; tries++) {
		if (!child_evicted(word))
			return LLFREE_ERR_STATE;
		/* The guest may go on taking frames of it beside this; each try lost is a frame taken or rolled back.
		 */
		if (llf_child_cas_acqrel(child, &word, (uint16_t)(word & ~LLFREE_CHILD_EVICTED)))
			return LLFREE_OK;
	}
	return LLFREE_ERR_CORRUPT;
}

size_t llfree_find_free_huge(const llfree_t *self, bool skip_evicted, bool skip_reserved, uint64_t *cursor,
			     uint64_t *huge_idx, size_t max_huge)
{
	size_t n = 0;
	uint64_t i = *cursor;
	while (i < self->n_children && n < max_huge) {
		uint64_t tree_idx = i / LLFREE_TREE_HUGE;
		uint64_t end = llf_tree_end_child(self, tree_idx);
		uint32_t tree = llf_tree_load_relaxed(&self->trees[tree_idx]);
		if (tree_offline(tree) || (skip_reserved && tree_reserved(tree))) {
			i = end;
			continue;
		}
		for (; i < end && n < max_huge; i++) {
			uint16_t word = llf_child_load_relaxed(&self->children[i]);
			if (child_whole(word) && !(skip_evicted && child_evicted(word)))
				huge_idx[n++] = i;
		}
	}
	*cursor = i;
	return n;
}
