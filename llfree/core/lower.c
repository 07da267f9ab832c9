/* SPDX-License-Identifier: MIT
 *
 * Rows and children together: claims that cannot leak. Taking goes from the count to the bits, giving from the bits to
 * the count, so a holder of k count finds k zero bits, and a failed step is undone by whoever made it (A1, A2, A3).
 * Finding only looks; what it saw may be gone when it is taken. */
#include "core/core.h"

static llfree_child_cell *child_of_row(const llfree_t *self, uint64_t row)
{
	return &self->children[row / LLFREE_HUGE_ROWS];
}

/* --- find ------------------------------------------------------------------------------------------------------- */

/* An aligned run of orders 0..8 in one child. */
static bool find_run_in_child(const llfree_t *self, uint64_t from_row, uint64_t end_row, unsigned order, llf_run *run)
{
	if (order <= LLF_ROW_ORDER) {
		for (uint64_t row = from_row; row < end_row; row++) {
			uint64_t mask = llf_free_run(llf_row_load_relaxed(&self->rows[row]), order);
			if (mask) {
				*run = (llf_run){ .row = row, .mask = mask, .k_frames = 1u << order };
				return true;
			}
		}
		return false;
	}
	uint64_t n_rows = UINT64_C(1) << (order - LLF_ROW_ORDER);
	for (uint64_t row = llf_align_up(from_row, n_rows); row + n_rows <= end_row; row += n_rows) {
		uint64_t taken = 0;
		for (uint64_t i = 0; i < n_rows; i++)
			taken |= llf_row_load_relaxed(&self->rows[row + i]);
		if (!taken) {
			*run = (llf_run){ .row = row, .k_frames = 1u << order };
			return true;
		}
	}
	return false;
}

/* An aligned group of whole children. */
static bool find_children(const llfree_t *self, uint64_t from_row, uint64_t end_row, unsigned order, llf_run *run)
{
	uint64_t group = UINT64_C(1) << (order - LLFREE_HUGE_ORDER);
	uint64_t first = (from_row + LLFREE_HUGE_ROWS - 1) / LLFREE_HUGE_ROWS;
	uint64_t end = end_row / LLFREE_HUGE_ROWS;
	bool found = false;
	for (first = llf_align_up(first, group); first + group <= end; first += group) {
		uint16_t marks = 0;
		bool whole = true;
		for (uint64_t i = 0; i < group && whole; i++) {
			uint16_t word = llf_child_load_relaxed(&self->children[first + i]);
			whole = child_whole(word);
			marks |= word;
		}
		if (!whole || (found && child_evicted(marks)))
			continue;
		*run = (llf_run){ .row = first * LLFREE_HUGE_ROWS, .k_frames = 1u << order };
		if (!child_evicted(marks))
			return true;
		found = true;
	}
	return found;
}

/* Orders 0..8: child by child, those that are installed first. */
static bool find_run(const llfree_t *self, uint64_t from_row, uint64_t end_row, unsigned order, llf_run *run)
{
	bool found = false;
	while (from_row < end_row) {
		uint64_t child_end = llf_min((from_row / LLFREE_HUGE_ROWS + 1) * LLFREE_HUGE_ROWS, end_row);
		uint16_t word = llf_child_load_relaxed(child_of_row(self, from_row));
		llf_run here;
		if (child_has(word, 1u << order) && !(found && child_evicted(word)) &&
		    find_run_in_child(self, from_row, child_end, order, &here)) {
			*run = here;
			if (!child_evicted(word))
				return true;
			found = true;
		}
		from_row = child_end;
	}
	return found;
}

bool llf_lower_find(const llfree_t *self, uint64_t from_row, uint64_t end_row, unsigned order, llf_run *run)
{
	if (order >= LLFREE_HUGE_ORDER)
		return find_children(self, from_row, end_row, order, run);
	return find_run(self, from_row, end_row, order, run);
}

/* One pass over the children that are installed, or over those that are evicted. *others: there were some of these. */
static bool find_loose(const llfree_t *self, uint64_t from_row, uint64_t end_row, bool evicted, bool *others,
		       llf_run *run)
{
	for (uint64_t row = from_row; row < end_row;) {
		uint64_t child_end = llf_min((row / LLFREE_HUGE_ROWS + 1) * LLFREE_HUGE_ROWS, end_row);
		uint16_t word = llf_child_load_relaxed(child_of_row(self, row));
		bool usable = child_has(word, 1);
		if (usable && child_evicted(word) != evicted) {
			*others = true;
			usable = false;
		}
		for (; usable && row < child_end; row++) {
			run->mask = ~llf_row_load_relaxed(&self->rows[row]);
			if (run->mask) {
				run->row = row;
				return true;
			}
		}
		row = child_end;
	}
	return false;
}

bool llf_lower_find_loose(const llfree_t *self, uint64_t from_row, uint64_t end_row, unsigned width, llf_run *run)
{
	bool others = false;
	if (!find_loose(self, from_row, end_row, false, &others, run) &&
	    !(others && find_loose(self, from_row, end_row, true, &others, run)))
		return false;
	if (width == LLFREE_HALF_FRAMES && (uint32_t)run->mask)
		run->mask = (uint32_t)run->mask;
	run->k_frames = llf_popcount(run->mask);
	return true;
}

llf_run llf_run_at(uint64_t frame, unsigned order)
{
	llf_run run = { .row = llf_row_of(frame), .k_frames = 1u << order };
	if (order <= LLF_ROW_ORDER)
		run.mask = llf_run_mask(order) << (frame % LLFREE_ROW_FRAMES);
	return run;
}

/* --- take ------------------------------------------------------------------------------------------------------- */

static LLF_INLINE void take_loose(const llfree_t *self, llf_run *run)
{
	llfree_child_cell *child = child_of_row(self, run->row);
	uint16_t word = llf_child_load_relaxed(child);
	unsigned k;
	do {
		k = child_huge(word) ? 0 : (unsigned)llf_min(run->k_frames, child_free(word));
		if (!k) {
			run->k_frames = 0;
			run->mask = 0;
			return;
		}
	} while (!llf_child_cas_acqrel(child, &word, (uint16_t)(word - k)));
	run->evicted = child_evicted(word);
	uint64_t want = k < run->k_frames ? llf_lowest_bits(run->mask, k) : run->mask;
	run->mask = llf_row_take_some(&self->rows[run->row], want);
	run->k_frames = run->mask == want ? k : llf_popcount(run->mask);
	if (run->k_frames < k)
		(void)llf_child_give(child, k - run->k_frames, LLFREE_HUGE_FRAMES);
}

LLF_NOINLINE static void take_loose_durable(const llfree_t *self, llf_run *run)
{
	take_loose(self, run);
	if (run->mask)
		llf_durable_take(self, run->row, run->mask);
}

/* Of the shorter ways there are two, so that regions that are not durable pay for one comparison and no registers. */
void llf_lower_take_loose(const llfree_t *self, llf_run *run)
{
	if (llf_durable(self))
		take_loose_durable(self, run);
	else
		take_loose(self, run);
}

/* STATE rows 0..n-1 of an order 7 or 8 run: taken one by one
 * UNDO  the rows taken so far, and only those, when a later one has a foreign owner */
static bool take_rows(const llfree_t *self, uint64_t row, uint64_t n_rows)
{
	for (uint64_t i = 0; i < n_rows; i++) {
		if (llf_row_take(&self->rows[row + i], UINT64_MAX))
			continue;
		while (i--)
			(void)llf_row_give(&self->rows[row + i], UINT64_MAX);
		return false;
	}
	return true;
}

void llf_rows_fill(const llfree_t *self, uint64_t child_idx)
{
	llfree_row_cell *rows = &self->rows[child_idx * LLFREE_HUGE_ROWS];
	for (uint64_t i = 0; i < LLFREE_HUGE_ROWS; i++)
		llf_row_store_relaxed(&rows[i], UINT64_MAX);
}

/* STATE children of an order 9+ run: whole -> huge, one by one; then the rows are filled
 * UNDO  the children taken so far, and only those: their rows are still clear */
static bool take_children(const llfree_t *self, llf_run *run, unsigned order)
{
	uint64_t first = run->row / LLFREE_HUGE_ROWS, group = UINT64_C(1) << (order - LLFREE_HUGE_ORDER);
	bool evicted = false;
	for (uint64_t i = 0; i < group; i++) {
		uint16_t seen;
		if (!llf_child_take_huge(&self->children[first + i], &seen)) {
			while (i--)
				llf_child_untake_huge(&self->children[first + i]);
			return false;
		}
		evicted |= child_evicted(seen);
	}
	for (uint64_t i = 0; i < group; i++)
		llf_rows_fill(self, first + i);
	if (llf_durable(self))
		llf_durable_take_run(self, run->row, order);
	run->evicted = evicted;
	return true;
}

static LLF_INLINE bool take_row(const llfree_t *self, llf_run *run)
{
	llfree_child_cell *child = child_of_row(self, run->row);
	uint16_t seen;
	if (!llf_child_take(child, run->k_frames, &seen))
		return false;
	run->evicted = child_evicted(seen);
	if (LLF_LIKELY(llf_row_take(&self->rows[run->row], run->mask)))
		return true;
	(void)llf_child_give(child, run->k_frames, LLFREE_HUGE_FRAMES);
	return false;
}

LLF_NOINLINE static bool take_row_durable(const llfree_t *self, llf_run *run)
{
	if (!take_row(self, run))
		return false;
	llf_durable_take(self, run->row, run->mask);
	return true;
}

bool llf_lower_take_row(const llfree_t *self, llf_run *run)
{
	return llf_durable(self) ? take_row_durable(self, run) : take_row(self, run);
}

static bool take_row_group(const llfree_t *self, llf_run *run, unsigned order)
{
	llfree_child_cell *child = child_of_row(self, run->row);
	uint16_t seen;
	if (!llf_child_take(child, run->k_frames, &seen))
		return false;
	run->evicted = child_evicted(seen);
	if (take_rows(self, run->row, UINT64_C(1) << (order - LLF_ROW_ORDER))) {
		if (llf_durable(self))
			llf_durable_take_run(self, run->row, order);
		return true;
	}
	(void)llf_child_give(child, run->k_frames, LLFREE_HUGE_FRAMES);
	return false;
}

static LLF_INLINE bool take_huge(const llfree_t *self, llf_run *run)
{
	uint16_t seen;
	if (!llf_child_take_huge(child_of_row(self, run->row), &seen))
		return false;
	llf_rows_fill(self, run->row / LLFREE_HUGE_ROWS);
	run->evicted = child_evicted(seen);
	return true;
}

LLF_NOINLINE static bool take_huge_durable(const llfree_t *self, llf_run *run)
{
	if (!take_huge(self, run))
		return false;
	llf_durable_take_run(self, run->row, LLFREE_HUGE_ORDER);
	return true;
}

bool llf_lower_take_huge(const llfree_t *self, llf_run *run)
{
	return llf_durable(self) ? take_huge_durable(self, run) : take_huge(self, run);
}

bool llf_lower_take(const llfree_t *self, llf_run *run, unsigned order)
{
	if (order <= LLF_ROW_ORDER)
		return llf_lower_take_row(self, run);
	if (order < LLFREE_HUGE_ORDER)
		return take_row_group(self, run, order);
	return take_children(self, run, order);
}

/* --- give ------------------------------------------------------------------------------------------------------- */

/* Before a part of a huge frame goes back: huge -> free(0), by whoever comes first. Nobody waits for anybody.
 * @return false when an owner can't be giving back here: the huge frame is evicted. */
static bool open_for_part(llfree_child_cell *child, bool rollback)
{
	uint16_t word = llf_child_load_relaxed(child);
	if (child_evicted(word) && !rollback)
		return false;
	if (child_huge(word))
		(void)llf_child_open_huge(child, child_evicted(word));
	return true;
}

static LLF_INLINE llfree_err give_loose(const llfree_t *self, uint64_t row, uint64_t mask, unsigned k_frames,
					bool rollback, bool durable)
{
	llfree_child_cell *child = child_of_row(self, row);
	if ((llf_row_load_relaxed(&self->rows[row]) & mask) != mask || !open_for_part(child, rollback) ||
	    (durable && !llf_durable_give(self, row, mask)))
		return LLFREE_ERR_STATE;
	if (!llf_row_give(&self->rows[row], mask)) {
		if (durable)
			llf_durable_take(self, row, mask);
		return LLFREE_ERR_STATE;
	}
	uint64_t capacity = llf_child_capacity(self, row / LLFREE_HUGE_ROWS);
	return llf_child_give(child, k_frames, (unsigned)capacity) ? LLFREE_OK : LLFREE_ERR_CORRUPT;
}

LLF_NOINLINE static llfree_err give_loose_durable(const llfree_t *self, uint64_t row, uint64_t mask, unsigned k_frames,
						  bool rollback)
{
	return give_loose(self, row, mask, k_frames, rollback, true);
}

llfree_err llf_lower_give_loose(const llfree_t *self, uint64_t row, uint64_t mask, unsigned k_frames, bool rollback)
{
	return llf_durable(self) ? give_loose_durable(self, row, mask, k_frames, rollback)
				 : give_loose(self, row, mask, k_frames, rollback, false);
}

/* Undo of rows given back before a later row of the run turned out not to be taken: two callers put one run at the same
 * time. A row that someone got hold of meanwhile stays given back, and is counted. */
static void retake_rows(const llfree_t *self, uint64_t row, uint64_t n_rows)
{
	for (uint64_t i = 0; i < n_rows; i++) {
		if (llf_row_take(&self->rows[row + i], UINT64_MAX))
			continue;
		(void)llf_child_give(child_of_row(self, row), LLFREE_ROW_FRAMES, LLFREE_HUGE_FRAMES);
		llf_tree_give(self, llf_tree_of_row(row), LLFREE_ROW_FRAMES);
	}
}

static llfree_err give_rows(const llfree_t *self, uint64_t row, unsigned order, bool rollback)
{
	uint64_t n_rows = UINT64_C(1) << (order - LLF_ROW_ORDER);
	llfree_child_cell *child = child_of_row(self, row);
	for (uint64_t i = 0; i < n_rows; i++) {
		if (llf_row_load_relaxed(&self->rows[row + i]) != UINT64_MAX)
			return LLFREE_ERR_STATE;
	}
	if (!open_for_part(child, rollback) || (llf_durable(self) && !llf_durable_give_run(self, row, order)))
		return LLFREE_ERR_STATE;
	for (uint64_t i = 0; i < n_rows; i++) {
		if (!llf_row_give(&self->rows[row + i], UINT64_MAX)) {
			if (llf_durable(self))
				llf_durable_take_run(self, row, order);
			retake_rows(self, row, i);
			return LLFREE_ERR_STATE;
		}
	}
	unsigned k_frames = (unsigned)n_rows * LLFREE_ROW_FRAMES;
	return llf_child_give(child, k_frames, LLFREE_HUGE_FRAMES) ? LLFREE_OK : LLFREE_ERR_CORRUPT;
}

/* STATE children of an order 9+ run: huge -> free(0), one by one; then rows cleared, then free(512)
 * LP    the CAS on the first child: a second put of the run fails there */
static llfree_err give_children(const llfree_t *self, uint64_t first, unsigned order, bool rollback)
{
	uint64_t group = UINT64_C(1) << (order - LLFREE_HUGE_ORDER);
	uint32_t evicted = 0; /* bit i: child i had E, only in a rollback */
	for (uint64_t i = 0; i < group; i++) {
		uint16_t word = llf_child_load_relaxed(&self->children[first + i]);
		if (!child_huge(word) || (child_evicted(word) && !rollback))
			return LLFREE_ERR_STATE;
		evicted |= (uint32_t)child_evicted(word) << i;
	}
	if (llf_durable(self) && !llf_durable_give_run(self, first * LLFREE_HUGE_ROWS, order))
		return LLFREE_ERR_STATE;
	for (uint64_t i = 0; i < group; i++) {
		if (llf_child_open_huge(&self->children[first + i], evicted >> i & 1))
			continue;
		/* E went away under a rollback: an install for someone who holds another part of this request. */
		if (rollback && llf_child_open_huge(&self->children[first + i], false))
			continue;
		while (i--)
			(void)llf_child_close_huge(&self->children[first + i], evicted >> i & 1);
		if (llf_durable(self))
			llf_durable_take_run(self, first * LLFREE_HUGE_ROWS, order);
		return LLFREE_ERR_STATE;
	}
	for (uint64_t i = 0; i < group; i++) {
		for (uint64_t r = 0; r < LLFREE_HUGE_ROWS; r++)
			llf_row_store_relaxed(&self->rows[(first + i) * LLFREE_HUGE_ROWS + r], 0);
		if (!llf_child_give(&self->children[first + i], LLFREE_HUGE_FRAMES, LLFREE_HUGE_FRAMES))
			return LLFREE_ERR_CORRUPT;
	}
	return LLFREE_OK;
}

llfree_err llf_lower_give(const llfree_t *self, uint64_t frame, unsigned order, bool rollback)
{
	if (order >= LLFREE_HUGE_ORDER)
		return give_children(self, llf_child_of(frame), order, rollback);
	if (order > LLF_ROW_ORDER)
		return give_rows(self, llf_row_of(frame), order, rollback);
	uint64_t mask = llf_run_mask(order) << (frame % LLFREE_ROW_FRAMES);
	return llf_lower_give_loose(self, llf_row_of(frame), mask, 1u << order, rollback);
}
