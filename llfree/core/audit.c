/* SPDX-License-Identifier: MIT
 *
 * Check every level of the region against the one below (A2). At rest only. Reads words that may be hostile: counts
 * what is wrong and asserts nothing. */
#include "core/core.h"

static void bad(llfree_audit_report *report, uint64_t *counter, uint64_t idx)
{
	++*counter;
	if (report->first_bad == UINT64_MAX)
		report->first_bad = idx;
}

static uint64_t valid_bits(uint64_t inside)
{
	return inside == LLFREE_ROW_FRAMES ? UINT64_MAX : (UINT64_C(1) << inside) - 1;
}

static unsigned audit_child(const llfree_t *self, uint64_t child_idx, llfree_audit_report *report)
{
	uint16_t word = llf_child_load_relaxed(&self->children[child_idx]);
	unsigned capacity = llf_child_capacity(self, child_idx), open = 0, tail = 0;
	for (uint64_t i = 0; i < LLFREE_HUGE_ROWS; i++) {
		uint64_t row = child_idx * LLFREE_HUGE_ROWS + i, first = llf_row_frame(row);
		uint64_t free_bits = ~llf_row_load_relaxed(&self->rows[row]);
		uint64_t inside = first >= self->frames ? 0 : llf_min(self->frames - first, LLFREE_ROW_FRAMES);
		uint64_t valid = valid_bits(inside);
		if (llf_durable(self) && (llf_durable_row(self, row) ^ ~free_bits) & valid)
			bad(report, &report->durable_wrong, child_idx);
		open += llf_popcount(free_bits & valid);
		tail += llf_popcount(free_bits & ~valid);
	}
	if (tail)
		bad(report, &report->tail_open, child_idx);
	if (word & ~(LLFREE_CHILD_FREE_MASK | LLFREE_CHILD_HUGE | LLFREE_CHILD_EVICTED) || child_free(word) > capacity)
		bad(report, &report->word_invalid, child_idx);
	if (child_huge(word) && (open || child_free(word) || capacity < LLFREE_HUGE_FRAMES))
		bad(report, &report->huge_rows_open, child_idx);
	else if (child_free(word) != open)
		bad(report, &report->child_count_wrong, child_idx);
	report->free_frames += open;
	return child_free(word);
}

/* Reservations of a tree: how many, and their count. */
static unsigned audit_reservations(const llfree_t *self, uint64_t tree_idx, unsigned *free_frames)
{
	unsigned n = 0;
	for (uint64_t i = 0; i < (uint64_t)self->cpus * self->classes; i++) {
		uint64_t word = llf_u64_load_relaxed(&self->slots[i].reservation);
		if (!res_present(word) || llf_tree_of_row(res_row(word)) != tree_idx)
			continue;
		*free_frames += res_free(word);
		n++;
	}
	return n;
}

static void audit_tree(const llfree_t *self, uint64_t tree_idx, unsigned children_free, llfree_audit_report *report)
{
	uint32_t word = llf_tree_load_relaxed(&self->trees[tree_idx]);
	unsigned sum = tree_free(word);
	unsigned n_reservations = tree_reserved(word) ? audit_reservations(self, tree_idx, &sum) : 0;
	uint32_t known = LLFREE_TREE_FREE_MASK | (uint32_t)LLFREE_TREE_CLASS_MASK << LLFREE_TREE_CLASS_SHIFT |
			 LLFREE_TREE_RESERVED | LLFREE_TREE_OFFLINE;
	if (word & ~known || tree_class(word) >= self->classes)
		bad(report, &report->word_invalid, tree_idx);
	if (sum != children_free)
		bad(report, &report->tree_count_wrong, tree_idx);
	if (n_reservations != tree_reserved(word))
		bad(report, &report->reservation_wrong, tree_idx);
}

static bool claimed_before(const llfree_t *self, uint64_t slot_idx, uint64_t claim)
{
	for (uint64_t i = 0; i < slot_idx; i++) {
		uint64_t other = llf_u64_load_relaxed(&self->slots[i].claim);
		if (claim_half(other) == claim_half(claim) && (claim_mask(other) & claim_mask(claim)))
			return true;
	}
	return false;
}

static void audit_slot(const llfree_t *self, uint64_t slot_idx, llfree_audit_report *report)
{
	uint64_t res = llf_u64_load_relaxed(&self->slots[slot_idx].reservation);
	if (res_present(res) && (res_row(res) >= self->n_rows || res_free(res) > LLFREE_TREE_FRAMES ||
				 !tree_reserved(llf_tree_load_relaxed(&self->trees[llf_tree_of_row(res_row(res))]))))
		bad(report, &report->reservation_wrong, slot_idx);

	uint64_t claim = llf_u64_load_relaxed(&self->slots[slot_idx].claim);
	if (llf_exact(self) && claim_mask(claim)) {
		bad(report, &report->claim_wrong, slot_idx);
		return;
	}
	if (!claim_mask(claim))
		return;
	uint64_t row = claim_half(claim) / 2;
	uint64_t mask = (uint64_t)claim_mask(claim) << (claim_half(claim) % 2 * LLFREE_HALF_FRAMES);
	if (row >= self->n_rows || (llf_row_load_relaxed(&self->rows[row]) & mask) != mask ||
	    llf_child_load_relaxed(&self->children[row / LLFREE_HUGE_ROWS]) &
		    (LLFREE_CHILD_HUGE | LLFREE_CHILD_EVICTED) ||
	    tree_offline(llf_tree_load_relaxed(&self->trees[llf_tree_of_row(row)])) ||
	    claimed_before(self, slot_idx, claim))
		bad(report, &report->claim_wrong, slot_idx);
	report->cached_frames += llf_popcount(mask);
}

bool llfree_audit(const llfree_t *self, llfree_audit_report *report)
{
	*report = (llfree_audit_report){ .first_bad = UINT64_MAX };
	for (uint64_t tree_idx = 0; tree_idx < self->n_trees; tree_idx++) {
		unsigned children_free = 0;
		for (uint64_t i = tree_idx * LLFREE_TREE_HUGE; i < llf_tree_end_child(self, tree_idx); i++)
			children_free += audit_child(self, i, report);
		audit_tree(self, tree_idx, children_free, report);
	}
	for (uint64_t i = 0; i < (uint64_t)self->cpus * self->classes; i++)
		audit_slot(self, i, report);
	report->free_frames += report->cached_frames;
	return report->first_bad == UINT64_MAX;
}
