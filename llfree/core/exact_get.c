/* SPDX-License-Identifier: MIT
 *
 * Get exactly this run: count it out of its tree, take its bits; if slots hold count or frames of the tree, drain those
 * slots and try again. Keeps A1, A3: a run with a foreign owner anywhere in it is refused, and its owner keeps it. */
#include "core/core.h"

enum { LLF_EXACT_TRIES = 3 };

static bool slot_touches(const llfree_t *self, const llfree_slot *slot, uint64_t tree_idx)
{
	uint64_t reservation = llf_u64_load_acquire(&slot->reservation);
	uint64_t claim = llf_u64_load_acquire(&slot->claim);
	uint64_t claim_row = claim_half(claim) / 2;
	return (res_present(reservation) && llf_tree_of_row(res_row(reservation)) == tree_idx) ||
	       (!llf_exact(self) && claim_mask(claim) && llf_tree_of_row(claim_row) == tree_idx);
}

/* Drain the slots that hold something of a tree. @return whether there was one. */
static bool drain_tree(const llfree_t *self, uint64_t tree_idx)
{
	bool any = false;
	uint64_t n_slots = (uint64_t)self->cpus * self->classes;
	for (uint64_t i = 0; i < n_slots; i++) {
		if (!slot_touches(self, &self->slots[i], tree_idx))
			continue;
		llf_slot_drain(self, &self->slots[i]);
		any = true;
	}
	return any;
}

llfree_err llfree_get_at(const llfree_t *self, llfree_request request, uint64_t frame)
{
	unsigned order = request.order;
	if (request.class_idx >= self->classes || order > LLFREE_MAX_ORDER || frame >= self->frames ||
	    frame % (UINT64_C(1) << order) || self->frames - frame < UINT64_C(1) << order)
		return LLFREE_ERR_INVAL;
	uint64_t tree_idx = llf_tree_of(frame);
	unsigned k_frames = 1u << order;
	llfree_err err = LLFREE_ERR_STATE;
	for (unsigned tries = 0; tries < LLF_EXACT_TRIES; tries++) {
		/* Who names a frame wants that one, whatever the class of its tree. */
		err = llf_tree_take(self, tree_idx, k_frames, (llf_claimant){ NULL, request.class_idx });
		if (err == LLFREE_ERR_OFFLINE)
			return err;
		if (err == LLFREE_OK) {
			llf_run run = llf_run_at(frame, order);
			if (llf_lower_take(self, &run, order)) {
				llfree_slot *slot = llf_slot(self, request.cpu, request.class_idx);
				return run.evicted ? llf_install_run(self, slot, &run, order) : LLFREE_OK;
			}
			llf_tree_give(self, tree_idx, k_frames);
			err = LLFREE_ERR_STATE;
		}
		if (!drain_tree(self, tree_idx))
			break;
	}
	return err;
}
