/* SPDX-License-Identifier: MIT
 *
 * The durable half of a region: which frames are taken, as persistent media show it after a power failure.
 *
 * Counters, rows and slots are for threads; they change many words per operation and are rebuilt after a crash. What
 * must survive is kept apart from them, in words of its own: one bit per frame, and one bit (a flip) for each aligned
 * run of every order from 7 up. A frame is taken when an odd number of these is set: its own and the flips of all runs
 * that it lies in. So taking or giving back a run of any order is one change of one word: it is durable as a whole, or
 * not.
 *
 * get:  take in the volatile half;  change the word;  flush it;  return
 * put:  change the word;  flush it;  give back in the volatile half
 *
 * Between its two halves an operation owns its frames, so nobody else changes a word's bits for them, nor a flip above
 * them. What is flushed before a frame changes hands holds for the next owner too: when an operation begins, all
 * changes that concern its frames are on the media, and its own is the only one that may be missing. Hence A10 at any
 * loss and any order of stores: a frame whose get has returned is taken, one whose put has returned is free, and the
 * run of an operation that was under way is one or the other as a whole. Recovery only reads these words
 * (tests/explore/media.c).
 *
 * E is here as well: cleared and flushed before it is cleared in the volatile half, so who sees a huge frame installed
 * and takes frames of it may count on that; set after it, and before the memory is discarded. So while the two differ
 * the memory is there.
 */
#include "core/core.h"

/* The bit of aligned run number idx of an order, in a word for all orders up to top: 1 + 2 + 4 + ... */
static unsigned flip_bit(unsigned top_order, unsigned order, unsigned idx)
{
	return (1u << (top_order - order)) - 1 + idx;
}

static bool is_odd(unsigned word)
{
	return llf_popcount(word) & 1;
}

static void flush(const llfree_t *self, const void *address, size_t n_bytes)
{
	if (self->flush)
		self->flush(self->flush_context, address, n_bytes);
}

/* Is a row inverted: by orders 7, 8 and 9 in its child, by larger ones in its tree. */
static bool row_flipped(uint64_t row, uint16_t child_word, uint32_t tree_word)
{
	unsigned row_idx = (unsigned)(row % LLFREE_HUGE_ROWS), child_path = 0;
	for (unsigned order = LLF_ROW_ORDER + 1; order <= LLFREE_HUGE_ORDER; order++)
		child_path |= 1u << flip_bit(LLFREE_HUGE_ORDER, order, row_idx >> (order - LLF_ROW_ORDER));
	unsigned child_idx = (unsigned)(row / LLFREE_HUGE_ROWS % LLFREE_TREE_HUGE), tree_path = 0;
	for (unsigned order = LLFREE_HUGE_ORDER + 1; order <= LLFREE_TREE_ORDER; order++)
		tree_path |= 1u << flip_bit(LLFREE_TREE_ORDER, order, child_idx >> (order - LLFREE_HUGE_ORDER));
	return is_odd(child_word & child_path) != is_odd(tree_word & tree_path);
}

static bool row_flipped_now(const llfree_t *self, uint64_t row)
{
	return row_flipped(row, llf_child_load_relaxed(&self->durable_children[row / LLFREE_HUGE_ROWS]),
			   llf_tree_load_relaxed(&self->durable_trees[llf_tree_of_row(row)]));
}

uint64_t llf_durable_row(const llfree_t *self, uint64_t row)
{
	uint64_t word = llf_row_load_relaxed(&self->durable_rows[row]);
	return row_flipped_now(self, row) ? ~word : word;
}

void llf_durable_take(const llfree_t *self, uint64_t row, uint64_t mask)
{
	llfree_row_cell *cell = &self->durable_rows[row];
	llf_row_xor_acqrel(cell, mask);
	flush(self, cell, sizeof(*cell));
}

/* LP of a put: of two puts of the same frames one gets through here (A7). */
bool llf_durable_give(const llfree_t *self, uint64_t row, uint64_t mask)
{
	llfree_row_cell *cell = &self->durable_rows[row];
	uint64_t flipped = row_flipped_now(self, row) ? UINT64_MAX : 0;
	uint64_t word = llf_row_load_relaxed(cell);
	for (unsigned tries = 0; tries < LLF_RETRY_MAX && ((word ^ flipped) & mask) == mask; tries++) {
		if (!llf_row_cas_acqrel(cell, &word, word ^ mask))
			continue;
		flush(self, cell, sizeof(*cell));
		return true;
	}
	return false;
}

/* Are all frames of a run taken? The words of its tree, and of its child if it is not larger, are as given. */
static bool run_taken(const llfree_t *self, uint64_t row, unsigned order, uint16_t child_word, uint32_t tree_word)
{
	uint64_t end_row = row + (UINT64_C(1) << (order - LLF_ROW_ORDER));
	for (; row < end_row; row++) {
		if (order > LLFREE_HUGE_ORDER && row % LLFREE_HUGE_ROWS == 0)
			child_word = llf_child_load_relaxed(&self->durable_children[row / LLFREE_HUGE_ROWS]);
		uint64_t all = row_flipped(row, child_word, tree_word) ? 0 : UINT64_MAX;
		if (llf_row_load_relaxed(&self->durable_rows[row]) != all)
			return false;
	}
	return true;
}

/* The flip of a run of an order above 6, in its child's word or in its tree's. */
static uint32_t run_flip(uint64_t row, unsigned order)
{
	if (order <= LLFREE_HUGE_ORDER)
		return 1u << flip_bit(LLFREE_HUGE_ORDER, order,
				      (unsigned)(row % LLFREE_HUGE_ROWS) >> (order - LLF_ROW_ORDER));
	return 1u << flip_bit(LLFREE_TREE_ORDER, order,
			      (unsigned)(row / LLFREE_HUGE_ROWS % LLFREE_TREE_HUGE) >> (order - LLFREE_HUGE_ORDER));
}

void llf_durable_take_run(const llfree_t *self, uint64_t row, unsigned order)
{
	if (order <= LLFREE_HUGE_ORDER) {
		llfree_child_cell *child = &self->durable_children[row / LLFREE_HUGE_ROWS];
		llf_child_xor_acqrel(child, (uint16_t)run_flip(row, order));
		flush(self, child, sizeof(*child));
	} else {
		llfree_tree_cell *tree = &self->durable_trees[llf_tree_of_row(row)];
		llf_tree_xor_acqrel(tree, run_flip(row, order));
		flush(self, tree, sizeof(*tree));
	}
}

static bool give_in_child(const llfree_t *self, uint64_t row, unsigned order)
{
	llfree_child_cell *child = &self->durable_children[row / LLFREE_HUGE_ROWS];
	uint32_t tree_word = llf_tree_load_relaxed(&self->durable_trees[llf_tree_of_row(row)]);
	uint16_t word = llf_child_load_relaxed(child);
	for (unsigned tries = 0; tries < LLF_RETRY_MAX && run_taken(self, row, order, word, tree_word); tries++) {
		if (!llf_child_cas_acqrel(child, &word, (uint16_t)(word ^ run_flip(row, order))))
			continue;
		flush(self, child, sizeof(*child));
		return true;
	}
	return false;
}

static bool give_in_tree(const llfree_t *self, uint64_t row, unsigned order)
{
	llfree_tree_cell *tree = &self->durable_trees[llf_tree_of_row(row)];
	uint32_t word = llf_tree_load_relaxed(tree);
	for (unsigned tries = 0; tries < LLF_RETRY_MAX && run_taken(self, row, order, 0, word); tries++) {
		if (!llf_tree_cas_acqrel(tree, &word, word ^ run_flip(row, order)))
			continue;
		flush(self, tree, sizeof(*tree));
		return true;
	}
	return false;
}

bool llf_durable_give_run(const llfree_t *self, uint64_t row, unsigned order)
{
	return order <= LLFREE_HUGE_ORDER ? give_in_child(self, row, order) : give_in_tree(self, row, order);
}

void llf_durable_set_evicted(const llfree_t *self, uint64_t child_idx, bool evicted)
{
	if (!self->durable_rows)
		return;
	llfree_child_cell *child = &self->durable_children[child_idx];
	uint16_t word = llf_child_load_relaxed(child);
	for (unsigned tries = 0; tries < LLF_RETRY_MAX && child_evicted(word) != evicted; tries++) {
		if (llf_child_cas_acqrel(child, &word, (uint16_t)(word ^ LLFREE_CHILD_EVICTED)))
			break;
	}
	flush(self, child, sizeof(*child));
}

void llf_durable_tree(const llfree_t *self, uint64_t tree_idx)
{
	if (self->durable_rows)
		flush(self, &self->trees[tree_idx], sizeof(llfree_tree_cell));
}

void llf_durable_all(const llfree_t *self)
{
	if (self->durable_rows)
		flush(self, self->header,
		      (size_t)((const uint8_t *)(self->durable_trees + self->n_trees) - (const uint8_t *)self->header));
}

void llfree_set_flush(llfree_t *self, llfree_flush_fn flush_fn, void *context)
{
	self->flush = flush_fn;
	self->flush_context = context;
	llf_durable_all(self);
}
