/* SPDX-License-Identifier: MIT
 *
 * The way a get takes when its claim is empty: the slot's reservation, the best other tree, any tree, and in the end,
 * after all slots have given back what they hold, any tree again. Keeps A3, A5; a frame of an evicted huge frame is
 * handed out only after its install (H1). */
#include "core/core.h"

enum { LLF_RESERVE_TRIES = 4, LLF_TAKE_TRIES = 8 };

/* What to look for: loose frames (width 32 or 64, at most max_frames of them), or with width 0 a run of 2^order. */
typedef struct {
	unsigned order, width, max_frames;
} want;

static bool find(const llfree_t *self, const want *w, uint64_t from_row, uint64_t end_row, llf_run *run)
{
	return w->width ? llf_lower_find_loose(self, from_row, end_row, w->width, run) :
			  llf_lower_find(self, from_row, end_row, w->order, run);
}

/* Take what find saw. What could not be taken of its k_frames is in *missed. */
static void take(const llfree_t *self, const want *w, llf_run *run, unsigned *missed)
{
	unsigned k = run->k_frames;
	if (w->width)
		llf_lower_take_loose(self, run);
	else if (!llf_lower_take(self, run, w->order))
		run->k_frames = 0;
	*missed = k - run->k_frames;
}

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
		if (!moved || sum < need || sum < self->reserve_min_frames || sum > LLFREE_TREE_FRAMES || tree_offline(word))
			return false;
	} while (!llf_tree_cas_acqrel(cell, &word, tree_with_free(word, 0)));
	if (llf_u64_cas_acqrel(&slot->reservation, &seen, seen + moved))
		return true;
	llf_tree_give(self, tree_idx, moved);
	return true; /* someone else changed the slot: look again */
}

/* STATE reservation free(n) -> free(n-k), and its row moves to where the frames are, in one CAS; then child, then rows
 * UNDO  what the lower level did not give goes back to reservation or tree */
static bool take_reserved(const llfree_t *self, llfree_slot *slot, const want *w, llf_run *run)
{
	unsigned need = 1u << w->order;
	uint64_t word = llf_u64_load_acquire(&slot->reservation);
	for (unsigned tries = 0; tries < LLF_TAKE_TRIES;) {
		if (!res_present(word) || res_row(word) >= self->n_rows)
			return false;
		if (res_free(word) < need) {
			if (!sync_reservation(self, slot, word, need))
				return false;
			word = llf_u64_load_acquire(&slot->reservation);
			tries++;
			continue;
		}
		uint64_t tree_idx = llf_tree_of_row(res_row(word));
		uint64_t end = llf_tree_end_child(self, tree_idx) * LLFREE_HUGE_ROWS;
		if (!find(self, w, res_row(word), end, run) && !find(self, w, tree_idx * LLF_TREE_ROWS, end, run))
			return false;
		if (w->width) {
			unsigned k = (unsigned)llf_min(run->k_frames, llf_min(w->max_frames, res_free(word)));
			if (k < run->k_frames)
				run->mask = llf_lowest_bits(run->mask, k);
			run->k_frames = k;
		}
		uint64_t next = res_make(word, run->row, res_free(word) - run->k_frames);
		if (!llf_u64_cas_acqrel(&slot->reservation, &word, next))
			continue; /* lock-free: someone else took or gave */
		unsigned missed;
		take(self, w, run, &missed);
		if (missed)
			llf_upper_give(self, slot, tree_idx, missed);
		if (run->k_frames)
			return true;
		word = llf_u64_load_acquire(&slot->reservation);
		tries++;
	}
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

static llfree_err get(const llfree_t *self, llfree_request request, const want *w, llf_run *run)
{
	if (request.class_idx >= self->classes || w->order > LLFREE_MAX_ORDER)
		return LLFREE_ERR_INVAL;
	llfree_slot *slot = llf_slot(self, request.cpu, request.class_idx);
	bool took = take_reserved(self, slot, w, run);
	for (unsigned i = 0; !took && i < LLF_RESERVE_TRIES; i++) {
		if (!llf_reserve_best(self, slot, request.cpu, request.class_idx, w->order))
			break;
		took = take_reserved(self, slot, w, run);
	}
	if (!took)
		took = llf_sweep(self, request.cpu, request.class_idx, w->order, run);
	if (!took) {
		llfree_drain_all(self);
		took = llf_sweep(self, request.cpu, request.class_idx, w->order, run);
	}
	if (!took)
		return LLFREE_ERR_NOMEM;
	return LLF_UNLIKELY(run->evicted) ? llf_install_run(self, slot, run, w->order) : LLFREE_OK;
}

llfree_err llf_get_loose(const llfree_t *self, llfree_request request, unsigned width, unsigned max_frames, llf_run *run)
{
	return get(self, request, &(want){ 0, width, max_frames }, run);
}

llfree_err llf_get_run(const llfree_t *self, llfree_request request, llf_run *run)
{
	return get(self, request, &(want){ request.order, 0, 0 }, run);
}
