/* SPDX-License-Identifier: MIT
 *
 * What the files of the core call of each other, from the lowest layer up. Each layer calls only layers above its
 * own line in this header. Index arithmetic between frames, rows, children and trees is here and nowhere else. */
#ifndef LLF_CORE_H
#define LLF_CORE_H

#include "base/atomic.h"
#include "core/words.h"
#include <llfree/host.h>
#include <llfree/llfree.h>

enum { LLF_TREE_ROWS = LLFREE_TREE_HUGE * LLFREE_HUGE_ROWS, LLF_NO_CLASS = LLFREE_MAX_CLASSES };
enum { LLF_ROW_ORDER = 6 }; /* 2^6 frames are one row */

/* Where a host may stand in a loop over a word that a guest can change, the loop gives up after so many lost races in a
 * row. Honest CPUs don't get there: each loss is another's success, and a success leaves the word. */
enum { LLF_RETRY_MAX = 1 << 16 };

static inline uint64_t llf_row_of(uint64_t frame)
{
	return frame / LLFREE_ROW_FRAMES;
}
static inline uint64_t llf_half_of(uint64_t frame)
{
	return frame / LLFREE_HALF_FRAMES;
}
static inline uint64_t llf_child_of(uint64_t frame)
{
	return frame / LLFREE_HUGE_FRAMES;
}
static inline uint64_t llf_tree_of(uint64_t frame)
{
	return frame / LLFREE_TREE_FRAMES;
}
static inline uint64_t llf_tree_of_row(uint64_t row)
{
	return row / LLF_TREE_ROWS;
}
static inline uint64_t llf_row_frame(uint64_t row)
{
	return row * LLFREE_ROW_FRAMES;
}
/* Frames in a tree; the last one may be partial. */
static inline unsigned llf_tree_capacity(const llfree_t *self, uint64_t tree_idx)
{
	return (unsigned)llf_min(LLFREE_TREE_FRAMES, self->frames - tree_idx * LLFREE_TREE_FRAMES);
}
/* Frames in a child; the last one may be partial. */
static inline unsigned llf_child_capacity(const llfree_t *self, uint64_t child_idx)
{
	return (unsigned)llf_min(LLFREE_HUGE_FRAMES, self->frames - child_idx * LLFREE_HUGE_FRAMES);
}
/* One past the last child of a tree. */
static inline uint64_t llf_tree_end_child(const llfree_t *self, uint64_t tree_idx)
{
	return llf_min((tree_idx + 1) * LLFREE_TREE_HUGE, self->n_children);
}
static inline bool llf_exact(const llfree_t *self)
{
	return (self->flags & LLFREE_FLAG_EXACT) != 0;
}
static inline llfree_slot *llf_slot(const llfree_t *self, uint32_t cpu, unsigned class_idx)
{
	if (LLF_UNLIKELY(cpu >= self->cpus))
		cpu %= self->cpus;
	return &self->slots[(uint64_t)cpu * self->classes + class_idx];
}
/* Of which CPU and class a slot is. */
static inline uint32_t llf_slot_cpu(const llfree_t *self, const llfree_slot *slot)
{
	return (uint32_t)((uint64_t)(slot - self->slots) / self->classes);
}
static inline unsigned llf_slot_class(const llfree_t *self, const llfree_slot *slot)
{
	return (unsigned)((uint64_t)(slot - self->slots) % self->classes);
}
/* A guest may have written any class into a tree word. */
static inline unsigned llf_known_class(const llfree_t *self, unsigned class_idx)
{
	return LLF_LIKELY(class_idx < self->classes) ? class_idx : 0;
}

/* --- bitfield: one row of 64 frames, one CAS -------------------------------------------------------------------- */

/* Take those bits of want that are free, at once. Returns what was taken: want, a part of it, or 0. */
uint64_t llf_row_take_some(llfree_row_cell *row, uint64_t want);
/* Take exactly these bits, or nothing. */
bool llf_row_take(llfree_row_cell *row, uint64_t mask);
/* Clear exactly these bits, all of which must be set, or nothing. */
bool llf_row_give(llfree_row_cell *row, uint64_t mask);

/* --- child: the counter of a huge frame ------------------------------------------------------------------------- */

/* free(n) -> free(n-k) if not huge and n >= k. *seen: the word before. */
bool llf_child_take(llfree_child_cell *cell, unsigned k_frames, uint16_t *seen);
/* free(n) -> free(n+k); refuses huge and more than capacity. */
bool llf_child_give(llfree_child_cell *cell, unsigned k_frames, unsigned capacity);
/* whole -> huge, E kept. */
bool llf_child_take_huge(llfree_child_cell *cell, uint16_t *seen);
/* huge -> whole, E kept: the undo of llf_child_take_huge while the rows are still clear. */
void llf_child_untake_huge(llfree_child_cell *cell);
/* huge -> free(0): the linearization of a put, and the split before a part is put. E must be as given, and stays. */
bool llf_child_open_huge(llfree_child_cell *cell, bool evicted);
/* free(0) -> huge: the undo of llf_child_open_huge. */
bool llf_child_close_huge(llfree_child_cell *cell, bool evicted);
/* whole -> huge and evicted: hard reclaim. */
bool llf_child_reclaim(llfree_child_cell *cell, uint16_t *seen);

/* --- tree: the counter of a group of children ------------------------------------------------------------------- */

/* free += k; never beyond the counter's width. Reserved, class and offline are left as they are. */
void llf_tree_give(const llfree_t *self, uint64_t tree_idx, unsigned k_frames);
/* free += k and no longer reserved. */
void llf_tree_unreserve(const llfree_t *self, uint64_t tree_idx, unsigned k_frames);
/* What a taker may do to the class of a tree: by its row of the policy table, decided in the CAS that takes. A whole
 * tree may be taken by, and takes, any class. rule NULL: every tree may be used. class_idx LLF_NO_CLASS: none changes.
 */
typedef struct llf_claimant {
	const uint8_t *rule;
	unsigned class_idx;
} llf_claimant;

/* free -= k. @return LLFREE_ERR_OFFLINE; LLFREE_ERR_STATE: not so many free, or not for this class. */
llfree_err llf_tree_take(const llfree_t *self, uint64_t tree_idx, unsigned k_frames, llf_claimant who);
/* The class that the tree has after who has taken of it; LLF_NO_CLASS: the table forbids it. */
unsigned llf_tree_class_for(const llfree_t *self, uint64_t tree_idx, uint32_t word, llf_claimant who);

/* --- durable: what media show after a power failure; only in durable regions ---------------------------------------
 */

static inline bool llf_durable(const llfree_t *self)
{
	return LLF_UNLIKELY(self->durable_rows != NULL);
}
/* Free -> taken, by who has taken these frames of a row in the volatile half. Also the undo of a give. */
void llf_durable_take(const llfree_t *self, uint64_t row, uint64_t mask);
/* Taken -> free, before they are given back in the volatile half. @return false: they are not all taken (A7) */
bool llf_durable_give(const llfree_t *self, uint64_t row, uint64_t mask);
/* The same for a run of an order above 6 that begins at a row. */
void llf_durable_take_run(const llfree_t *self, uint64_t row, unsigned order);
bool llf_durable_give_run(const llfree_t *self, uint64_t row, unsigned order);
/* The frames of a row that are taken. */
uint64_t llf_durable_row(const llfree_t *self, uint64_t row);
/* E, by the host: set after, cleared before the same in the volatile half; the host does one at a time per child. */
void llf_durable_set_evicted(const llfree_t *self, uint64_t child_idx, bool evicted);
/* Flush the word of a tree (offline), the whole region. */
void llf_durable_tree(const llfree_t *self, uint64_t tree_idx);
void llf_durable_all(const llfree_t *self);

/* --- lower: find and take frames inside one tree ------------------------------------------------------------------
 * A run is found by looking (no store), then counted out of the upper level by the caller, then committed. */
typedef struct llf_run {
	uint64_t row;  /* row of the region where it begins */
	uint64_t mask; /* orders 0..6 and loose frames: its bits; else 0 */
	unsigned k_frames;
	bool evicted; /* set by commit: install before use */
} llf_run;

/* Look for an aligned run of 2^order from from_row on, through end_row. Prefers children that are not evicted. */
bool llf_lower_find(const llfree_t *self, uint64_t from_row, uint64_t end_row, unsigned order, llf_run *run);
/* Look for free order-0 frames: all those of the first row (width 64) or half row (32) that has one. */
bool llf_lower_find_loose(const llfree_t *self, uint64_t from_row, uint64_t end_row, unsigned width, llf_run *run);
/* Take the run that find saw; all of it or nothing. */
bool llf_lower_take(const llfree_t *self, llf_run *run, unsigned order);
/* The same for orders 0..6, and for one huge frame. */
bool llf_lower_take_row(const llfree_t *self, llf_run *run);
bool llf_lower_take_huge(const llfree_t *self, llf_run *run);
/* Take what is still free of loose frames; k_frames and mask say how much (0: nothing). */
void llf_lower_take_loose(const llfree_t *self, llf_run *run);
/* The run that begins at this frame. */
llf_run llf_run_at(uint64_t frame, unsigned order);
/* Mark the rows of a huge frame as taken, by its only owner. */
void llf_rows_fill(const llfree_t *self, uint64_t child_idx);
/* Give a run back. rollback: also under E, for frames that were never handed out. The tree's count is the caller's. */
llfree_err llf_lower_give(const llfree_t *self, uint64_t frame, unsigned order, bool rollback);
/* Give back k loose frames of one row: those of mask. */
llfree_err llf_lower_give_loose(const llfree_t *self, uint64_t row, uint64_t mask, unsigned k_frames, bool rollback);
static inline uint64_t llf_run_frame(const llf_run *run)
{
	return llf_row_frame(run->row) + (run->mask ? llf_lowest(run->mask) : 0);
}

/* --- slot: reservation and claim -------------------------------------------------------------------------------- */

/* Add k to the slot's reservation if it lies in this tree, else to the tree. */
void llf_upper_give(const llfree_t *self, llfree_slot *slot, uint64_t tree_idx, unsigned k_frames);
/* Give both words back and bump their generations. */
void llf_slot_drain(const llfree_t *self, llfree_slot *slot);
/* Only the claim word. */
void llf_slot_drain_claim(const llfree_t *self, llfree_slot *slot);
/* Put frames (already out of any claim) back through rows, child and upper level. */
llfree_err llf_put_loose(const llfree_t *self, llfree_slot *slot, uint64_t row, uint64_t mask, bool rollback);
llfree_err llf_put_one(const llfree_t *self, llfree_slot *slot, uint64_t frame);
llfree_err llf_put_run(const llfree_t *self, llfree_slot *slot, uint64_t frame, unsigned order, bool rollback);

/* --- search: which tree next ------------------------------------------------------------------------------------ */

/* Reserve the best tree for this request into the slot, in place of its reservation. */
bool llf_reserve_best(const llfree_t *self, llfree_slot *slot, uint32_t cpu, unsigned class_idx, unsigned order);
/* Take a run from any tree that the class may use, reserved or not: the last resort. *held_back: a tree was reserved,
 * so free frames may be out of sight: with a slot, or on the way from a tree to a slot. */
bool llf_sweep(const llfree_t *self, uint32_t cpu, unsigned class_idx, unsigned order, bool *held_back, llf_run *run);

/* --- alloc ------------------------------------------------------------------------------------------------------ */

/* Take loose frames of one row or half row, at most max_frames, from the slot's reservation, another tree, or, in the
 * end, anywhere. Installed and counted out, but not handed out: the caller's alone. */
llfree_err llf_get_loose(const llfree_t *self, llfree_slot *slot, unsigned width, unsigned max_frames, llf_run *run);
/* A run of 2^order, installed. */
llfree_err llf_get_run(const llfree_t *self, llfree_slot *slot, unsigned order, llf_run *run);
/* Install the huge frames of a run that commit found evicted; on failure the run is given back. */
llfree_err llf_install_run(const llfree_t *self, llfree_slot *slot, llf_run *run, unsigned order);

#endif
