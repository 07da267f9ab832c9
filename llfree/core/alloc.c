/* SPDX-License-Identifier: MIT
 *
 * The way a get takes when its claim is empty: the slot's reservation, the best other tree, any tree, and in the end,
 * after all slots have given back what they hold, any tree again. Keeps A3, A5; a frame of an evicted huge frame is
 * handed out only after its install (H1). */
#include "core/core.h"

enum { LLF_RESERVE_TRIES = 4, LLF_TAKE_TRIES = 8, LLF_DRY_ROUNDS = 8 };

/* The reservation has run out: add what was freed into its tree meanwhile, if that is worth it.
 * STATE tree free(n), reserved -> free(0); reservation free(r) -> free(r+n) if it is still the word that was seen
 * UNDO  give n, and only n, back to the tree */
static bool sync_reservation(const llfree_t *self, llfree_slot *slot, uint64_t seen, unsigned need)
{
	uint64_t tree_idx = llf_tree_of_row(res_row(seen));
	llfree_tree_cell *cell = &self->trees[tree_idx];
	uint32_t word = llf_tree_load_relaxed(cell);
	unsigned moved;
	do {
		moved = tree_free(word);
		unsigned sum = moved + res_free(seen);
		if (!moved || sum < need || sum < self->reserve_min_frames || sum > LLFREE_TREE_FRAMES ||
		    tree_offline(word))
			return false;
	} while (!llf_tree_cas_acqrel(cell, &word, tree_with_free(word, 0)));
	if (llf_u64_cas_acqrel(&slot->reservation, &seen, seen + moved))
		return true;
	llf_tree_give(self, tree_idx, moved);
	return true; /* someone else changed the slot: look again */
}

/* The slot's reservation, if it is there and has, or gets from its tree, the frames. *word is the reservation. */
static bool reservation_with(const llfree_t *self, llfree_slot *slot, unsigned need, uint64_t *word)
{
	for (unsigned tries = 0; tries < LLF_TAKE_TRIES; tries++) {
		*word = llf_u64_load_acquire(&slot->reservation);
		if (!res_present(*word) || res_row(*word) >= self->n_rows)
			return false;
		if (res_free(*word) >= need)
			return true;
		if (!sync_reservation(self, slot, *word, need))
			return false;
	}
	return false;
}

/* STATE reservation free(n) -> free(n-k), and its row moves to where the frames are, in one CAS; then child, then rows
 * UNDO  what the lower level did not give goes back to reservation or tree */
static bool take_run(const llfree_t *self, llfree_slot *slot, unsigned order, llf_run *run)
{
	uint64_t word;
	for (unsigned tries = 0; tries < LLF_TAKE_TRIES && reservation_with(self, slot, 1u << order, &word);) {
		uint64_t tree_idx = llf_tree_of_row(res_row(word));
		uint64_t end = llf_tree_end_child(self, tree_idx) * LLFREE_HUGE_ROWS;
		if (!llf_lower_find(self, res_row(word), end, order, run) &&
		    !llf_lower_find(self, tree_idx * LLF_TREE_ROWS, end, order, run))
			return false;
		if (!llf_u64_cas_acqrel(&slot->reservation, &word,
					res_make(word, run->row, res_free(word) - (1u << order))))
			continue; /* lock-free: someone else took or gave */
		if (llf_lower_take(self, run, order))
			return true;
		llf_upper_give(self, slot, tree_idx, 1u << order);
		tries++;
	}
	return false;
}

/* The same for up to max_frames of one row or half row: as many as there are. */
static bool take_loose(const llfree_t *self, llfree_slot *slot, unsigned width, unsigned max_frames, llf_run *run)
{
	uint64_t word;
	for (unsigned tries = 0; tries < LLF_TAKE_TRIES && reservation_with(self, slot, 1, &word);) {
		uint64_t tree_idx = llf_tree_of_row(res_row(word));
		uint64_t end = llf_tree_end_child(self, tree_idx) * LLFREE_HUGE_ROWS;
		if (!llf_lower_find_loose(self, res_row(word), end, width, run) &&
		    !llf_lower_find_loose(self, tree_idx * LLF_TREE_ROWS, end, width, run))
			return false;
		unsigned k = (unsigned)llf_min(run->k_frames, llf_min(max_frames, res_free(word)));
		if (LLF_UNLIKELY(k < run->k_frames)) {
			run->mask = llf_lowest_bits(run->mask, k);
			run->k_frames = k;
		}
		if (!llf_u64_cas_acqrel(&slot->reservation, &word, res_make(word, run->row, res_free(word) - k)))
			continue;
		llf_lower_take_loose(self, run);
		if (LLF_UNLIKELY(run->k_frames < k))
			llf_upper_give(self, slot, tree_idx, k - run->k_frames);
		if (LLF_LIKELY(run->k_frames))
			return true;
		tries++;
	}
	return false;
}

/* One frame from the row that the reservation points to: the common case without a claim, three CASes and no search.
 * Order and undo as in take_run. @return false: take the long way. */
static bool take_frame_here(const llfree_t *self, llfree_slot *slot, llf_run *run)
{
	uint64_t word = llf_u64_load_acquire(&slot->reservation);
	uint64_t row = res_row(word);
	if (!res_present(word) || !res_free(word) || row >= self->n_rows)
		return false;
	uint64_t bits = llf_row_load_relaxed(&self->rows[row]);
	uint16_t count = llf_child_load_relaxed(&self->children[row / LLFREE_HUGE_ROWS]);
	if (bits == UINT64_MAX || !child_has(count, 1) || child_evicted(count) ||
	    !llf_u64_cas_acqrel(&slot->reservation, &word, word - 1))
		return false;
	*run = (llf_run){ .row = row, .mask = ~bits & (bits + 1), .k_frames = 1 };
	if (LLF_LIKELY(llf_lower_take_row(self, run)))
		return true;
	llf_upper_give(self, slot, llf_tree_of_row(row), 1);
	return false;
}

/* The huge frame behind the one that was taken last: two CASes and no search. */
static bool take_huge_here(const llfree_t *self, llfree_slot *slot, llf_run *run)
{
	uint64_t word = llf_u64_load_acquire(&slot->reservation);
	uint64_t row = res_row(word) / LLFREE_HUGE_ROWS * LLFREE_HUGE_ROWS + LLFREE_HUGE_ROWS;
	if (!res_present(word) || res_free(word) < LLFREE_HUGE_FRAMES || row >= self->n_rows ||
	    llf_tree_of_row(row) != llf_tree_of_row(res_row(word)) ||
	    llf_child_load_relaxed(&self->children[row / LLFREE_HUGE_ROWS]) != LLFREE_HUGE_FRAMES ||
	    !llf_u64_cas_acqrel(&slot->reservation, &word, res_make(word, row, res_free(word) - LLFREE_HUGE_FRAMES)))
		return false;
	*run = (llf_run){ .row = row, .k_frames = LLFREE_HUGE_FRAMES };
	if (LLF_LIKELY(llf_lower_take_huge(self, run))) {
		/* The rows that the next get will fill; a hint never faults, also beyond the end. */
		__builtin_prefetch(self->rows + row + LLFREE_HUGE_ROWS, 1);
		return true;
	}
	llf_upper_give(self, slot, llf_tree_of_row(row), LLFREE_HUGE_FRAMES);
	return false;
}

llfree_err llf_install_run(const llfree_t *self, llfree_slot *slot, llf_run *run, unsigned order)
{
	uint64_t first = run->row / LLFREE_HUGE_ROWS;
	uint64_t group = order > LLFREE_HUGE_ORDER ? UINT64_C(1) << (order - LLFREE_HUGE_ORDER) : 1;
	for (uint64_t i = 0; i < group; i++) {
		if (!child_evicted(llf_child_load_acquire(&self->children[first + i])))
			continue;
		if (self->install && self->install(self->install_context, first + i))
			continue;
		if (run->mask)
			(void)llf_put_loose(self, slot, run->row, run->mask, true);
		else
			(void)llf_put_run(self, slot, llf_row_frame(run->row), order, true);
		return LLFREE_ERR_INSTALL;
	}
	return LLFREE_OK;
}

/* What to look for: loose frames (width 32 or 64, at most max_frames of them), or with width 0 a run of 2^order. */
typedef struct {
	unsigned order, width, max_frames;
} want;

static bool take(const llfree_t *self, llfree_slot *slot, const want *w, llf_run *run)
{
	return w->width ? take_loose(self, slot, w->width, w->max_frames, run) : take_run(self, slot, w->order, run);
}

/* Out of what another slot has reserved, as a get that names its CPU and class would: where there are fewer trees than
 * busy CPUs, a slot that was drained reserves its tree again before the sweep gets there. Only from classes whose trees
 * this one may use without changing them. */
static bool take_held(const llfree_t *self, unsigned class_idx, const want *w, llf_run *run)
{
	for (uint64_t i = 0; i < (uint64_t)self->cpus * self->classes; i++) {
		uint8_t rule = self->rule[class_idx][i % self->classes];
		if ((rule == LLFREE_MATCH || rule == LLFREE_STEAL) && take(self, &self->slots[i], w, run))
			return true;
	}
	return false;
}

/* The reservation has not got it: other trees, then all trees, then all trees after everybody gave back. */
LLF_NOINLINE static llfree_err get_elsewhere(const llfree_t *self, llfree_slot *slot, const want *w, llf_run *run)
{
	uint32_t cpu = llf_slot_cpu(self, slot);
	unsigned class_idx = llf_slot_class(self, slot);
	for (unsigned i = 0; i < LLF_RESERVE_TRIES; i++) {
		if (!llf_reserve_best(self, slot, cpu, class_idx, w->order))
			break;
		if (take(self, slot, w, run))
			return LLFREE_OK;
	}
	/* What others hold is drained; what another thread takes again, or has in its hands just now, may need a few
	 * rounds. At rest there is one: nothing is reserved after a drain. */
	bool held_back;
	for (unsigned i = 0; i < LLF_DRY_ROUNDS; i++) {
		if (llf_sweep(self, cpu, class_idx, w->order, &held_back, run))
			return LLFREE_OK;
		if (i && !held_back)
			break;
		if (i && take_held(self, class_idx, w, run))
			return LLFREE_OK;
		llfree_drain_all(self);
	}
	return LLFREE_ERR_NOMEM;
}

static inline llfree_err get(const llfree_t *self, llfree_slot *slot, want w, llf_run *run)
{
	bool took = false;
	if (w.max_frames == 1)
		took = take_frame_here(self, slot, run);
	else if (w.order == LLFREE_HUGE_ORDER)
		took = take_huge_here(self, slot, run);
	took = LLF_LIKELY(took) || take(self, slot, &w, run);
	if (LLF_UNLIKELY(!took)) {
		llfree_err err = get_elsewhere(self, slot, &w, run);
		if (err != LLFREE_OK)
			return err;
	}
	return LLF_UNLIKELY(run->evicted) ? llf_install_run(self, slot, run, w.order) : LLFREE_OK;
}

llfree_err llf_get_loose(const llfree_t *self, llfree_slot *slot, unsigned width, unsigned max_frames, llf_run *run)
{
	return get(self, slot, (want){ 0, width, max_frames }, run);
}

llfree_err llf_get_run(const llfree_t *self, llfree_slot *slot, unsigned order, llf_run *run)
{
	if (order > LLFREE_MAX_ORDER)
		return LLFREE_ERR_INVAL;
	return get(self, slot, (want){ order, 0, 0 }, run);
}
