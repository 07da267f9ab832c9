/* SPDX-License-Identifier: MIT
 *
 * What a (CPU, class) holds: a reserved tree with its free count, and a claim. Anyone may drain a slot at any moment;
 * the generation in both words makes a publish that began before the drain fail (A9). Who adds to a reservation checks
 * in the same CAS that it still lies in the tree that is meant (A2). */
#include "core/core.h"

void llf_upper_give(const llfree_t *self, llfree_slot *slot, uint64_t tree_idx, unsigned k_frames)
{
	uint64_t word = llf_u64_load_relaxed(&slot->reservation);
	for (unsigned tries = 0; tries < LLF_RETRY_MAX && res_present(word); tries++) {
		if (llf_tree_of_row(res_row(word)) != tree_idx || res_free(word) + k_frames > LLFREE_TREE_FRAMES)
			break;
		if (LLF_LIKELY(llf_u64_cas_acqrel(&slot->reservation, &word, word + k_frames)))
			return;
	}
	llf_tree_give(self, tree_idx, k_frames);
}

llfree_err llf_put_loose(const llfree_t *self, llfree_slot *slot, uint64_t row, uint64_t mask, bool rollback)
{
	unsigned k_frames = llf_popcount(mask);
	llfree_err err = llf_lower_give_loose(self, row, mask, k_frames, rollback);
	if (err == LLFREE_OK)
		llf_upper_give(self, slot, llf_tree_of_row(row), k_frames);
	return err;
}

llfree_err llf_put_one(const llfree_t *self, llfree_slot *slot, uint64_t frame)
{
	uint64_t mask = UINT64_C(1) << frame % LLFREE_ROW_FRAMES;
	llfree_err err = llf_lower_give_loose(self, llf_row_of(frame), mask, 1, false);
	if (err == LLFREE_OK)
		llf_upper_give(self, slot, llf_tree_of(frame), 1);
	return err;
}

llfree_err llf_put_run(const llfree_t *self, llfree_slot *slot, uint64_t frame, unsigned order, bool rollback)
{
	llfree_err err = llf_lower_give(self, frame, order, rollback);
	if (err == LLFREE_OK)
		llf_upper_give(self, slot, llf_tree_of(frame), 1u << order);
	return err;
}

void llf_slot_drain_claim(const llfree_t *self, llfree_slot *slot)
{
	uint64_t word = llf_u64_load_relaxed(&slot->claim);
	for (unsigned tries = 0; !llf_u64_cas_acqrel(&slot->claim, &word, claim_drained(word)); tries++) {
		if (tries == LLF_RETRY_MAX)
			return;
	}
	uint64_t row = claim_half(word) / 2;
	uint64_t mask = (uint64_t)claim_mask(word) << (claim_half(word) % 2 * LLFREE_HALF_FRAMES);
	/* Only a hostile guest's claim can lie outside, or be refused: then there is nothing to give back. */
	if (mask && row < self->n_rows)
		(void)llf_put_loose(self, slot, row, mask, true);
}

/* The reservation goes first: a refill that saw it beforehand publishes its claim against a generation that the second
 * half of this function ends. */
void llf_slot_drain(const llfree_t *self, llfree_slot *slot)
{
	uint64_t word = llf_u64_load_relaxed(&slot->reservation);
	for (unsigned tries = 0; !llf_u64_cas_acqrel(&slot->reservation, &word, res_drained(word)); tries++) {
		if (tries == LLF_RETRY_MAX)
			return;
	}
	if (res_present(word) && res_row(word) < self->n_rows)
		llf_tree_unreserve(self, llf_tree_of_row(res_row(word)), res_free(word));
	llf_slot_drain_claim(self, slot);
}

void llfree_drain_slot(const llfree_t *self, uint32_t cpu, uint32_t class_idx)
{
	if (class_idx < self->classes)
		llf_slot_drain(self, llf_slot(self, cpu, class_idx));
}

void llfree_drain_cpu(const llfree_t *self, uint32_t cpu)
{
	for (uint32_t class_idx = 0; class_idx < self->classes; class_idx++)
		llf_slot_drain(self, llf_slot(self, cpu, class_idx));
}

void llfree_drain_all(const llfree_t *self)
{
	(void)llf_u32_add_acqrel(&self->header->drain_epoch, 1);
	for (uint32_t cpu = 0; cpu < self->cpus; cpu++)
		llfree_drain_cpu(self, cpu);
}

llfree_err llfree_trees_offline(const llfree_t *self, uint64_t first_tree, uint64_t n_trees)
{
	if (first_tree > self->n_trees || n_trees > self->n_trees - first_tree)
		return LLFREE_ERR_INVAL;
	for (uint64_t i = first_tree; i < first_tree + n_trees; i++) {
		llfree_tree_cell *cell = &self->trees[i];
		uint32_t word = llf_tree_load_relaxed(cell);
		while (!tree_offline(word) && !llf_tree_cas_acqrel(cell, &word, word | LLFREE_TREE_OFFLINE))
			;
		llf_durable_tree(self, i);
	}
	/* Every slot, not only those that show these trees: a reservation or claim may be on its way into any. */
	llfree_drain_all(self);
	return LLFREE_OK;
}

llfree_err llfree_tree_offline(const llfree_t *self, uint64_t tree_idx)
{
	return tree_idx < self->n_trees ? llfree_trees_offline(self, tree_idx, 1) : LLFREE_ERR_INVAL;
}

llfree_err llfree_tree_online(const llfree_t *self, uint64_t tree_idx)
{
	if (tree_idx >= self->n_trees)
		return LLFREE_ERR_INVAL;
	llfree_tree_cell *cell = &self->trees[tree_idx];
	uint32_t word = llf_tree_load_relaxed(cell);
	while (tree_offline(word) && !llf_tree_cas_acqrel(cell, &word, word & ~(uint32_t)LLFREE_TREE_OFFLINE))
		;
	llf_durable_tree(self, tree_idx);
	return LLFREE_OK;
}
