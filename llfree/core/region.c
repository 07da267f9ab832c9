/* SPDX-License-Identifier: MIT
 *
 * Layout of the region, and the four ways into it: init free, init taken, attach, recover. Sizes are computed in one
 * place, with the alignment that init applies. Attach trusts nothing it has not checked (H4). */
#include "core/core.h"

static const llfree_policy default_policy = {
	.classes = 3,
	.rule = { { LLFREE_MATCH, LLFREE_DEMOTE, LLFREE_DEMOTE },
		  { LLFREE_STEAL, LLFREE_MATCH, LLFREE_DEMOTE },
		  { LLFREE_STEAL, LLFREE_STEAL, LLFREE_MATCH } },
};

const llfree_policy *llfree_default_policy(void)
{
	return &default_policy;
}

/* Everything that follows from frames, cpus and classes; in a header, so that attach can compare. */
static void layout(llfree_header *h)
{
	uint64_t n_children = (h->frames + LLFREE_HUGE_FRAMES - 1) / LLFREE_HUGE_FRAMES;
	uint64_t n_trees = (h->frames + LLFREE_TREE_FRAMES - 1) / LLFREE_TREE_FRAMES;
	uint64_t line = LLFREE_CACHE_LINE;
	h->header_bytes = sizeof(llfree_header);
	h->slots_offset = sizeof(llfree_header);
	h->trees_offset = h->slots_offset + (uint64_t)h->cpus * h->classes * sizeof(llfree_slot);
	h->children_offset = h->trees_offset + (n_trees * sizeof(llfree_tree_cell) + line - 1) / line * line;
	h->rows_offset = h->children_offset + (n_children * sizeof(llfree_child_cell) + line - 1) / line * line;
	h->region_bytes = h->rows_offset + n_children * LLFREE_HUGE_ROWS * sizeof(llfree_row_cell);
	h->durable_offset = h->flags & LLFREE_FLAG_DURABLE ? h->region_bytes : 0;
	if (h->durable_offset) /* the same three again */
		h->region_bytes += h->region_bytes - h->trees_offset;
}

static bool valid_numbers(const llfree_header *h)
{
	bool exact = (h->flags & LLFREE_FLAG_EXACT) != 0;
	uint64_t max_frames = exact ? UINT64_C(1) << (LLFREE_RES_ROW_BITS + 6) : LLFREE_CLAIM_NONE * LLFREE_HALF_FRAMES;
	if (h->frames < 1 || h->frames > max_frames || h->cpus < 1 || h->cpus > LLFREE_MAX_CPUS || h->classes < 1 ||
	    h->classes > LLFREE_MAX_CLASSES || h->reserve_min_frames < 1 || h->reserve_min_frames > LLFREE_TREE_FRAMES)
		return false;
	for (unsigned i = 0; i < h->classes; i++) {
		for (unsigned j = 0; j < h->classes; j++) {
			if (h->rule[i][j] > LLFREE_DEMOTE || (i == j && h->rule[i][j] != LLFREE_MATCH))
				return false;
		}
	}
	return true;
}

/* The header for a configuration. The struct is filled from zero, so that every byte of it is defined. */
static bool make_header(llfree_header *h, const llfree_config *config)
{
	const llfree_policy *policy = config->policy ? config->policy : &default_policy;
	if (policy->classes < 1 || policy->classes > LLFREE_MAX_CLASSES)
		return false;
	*h = (llfree_header){ .magic = LLFREE_MAGIC,
			      .version = LLFREE_VERSION_LAYOUT,
			      .frame_shift = LLFREE_FRAME_SHIFT,
			      .huge_order = LLFREE_HUGE_ORDER,
			      .tree_huge = LLFREE_TREE_HUGE,
			      .flags = (config->exact ? LLFREE_FLAG_EXACT : 0u) |
				       (config->durable ? LLFREE_FLAG_DURABLE : 0u),
			      .frames = config->frames,
			      .cpus = config->cpus,
			      .classes = policy->classes,
			      .reserve_min_frames = config->reserve_min_frames };
	if (!h->reserve_min_frames)
		h->reserve_min_frames = LLFREE_TREE_FRAMES * 5 / 128;
	for (unsigned i = 0; i < policy->classes; i++) {
		for (unsigned j = 0; j < policy->classes; j++)
			h->rule[i][j] = policy->rule[i][j];
	}
	if (!valid_numbers(h))
		return false;
	layout(h);
	return true;
}

size_t llfree_metadata_bytes(const llfree_config *config)
{
	llfree_header h;
	return make_header(&h, config) ? (size_t)h.region_bytes : 0;
}

/* Everything private to this process is copied out of a header that was checked. */
static void make_view(llfree_t *self, void *region, const llfree_header *h)
{
	uint8_t *base = region;
	*self = (llfree_t){ .header = region,
			    .slots = (llfree_slot *)(void *)(base + h->slots_offset),
			    .trees = (llfree_tree_cell *)(void *)(base + h->trees_offset),
			    .children = (llfree_child_cell *)(void *)(base + h->children_offset),
			    .rows = (llfree_row_cell *)(void *)(base + h->rows_offset),
			    .frames = h->frames,
			    .n_trees = (h->frames + LLFREE_TREE_FRAMES - 1) / LLFREE_TREE_FRAMES,
			    .n_children = (h->frames + LLFREE_HUGE_FRAMES - 1) / LLFREE_HUGE_FRAMES,
			    .cpus = h->cpus,
			    .classes = h->classes,
			    .reserve_min_frames = h->reserve_min_frames,
			    .flags = h->flags };
	self->n_rows = self->n_children * LLFREE_HUGE_ROWS;
	if (h->durable_offset) {
		uint8_t *durable = base + h->durable_offset;
		self->durable_rows = (llfree_row_cell *)(void *)durable;
		self->durable_children = (llfree_child_cell *)(void *)(durable + (h->durable_offset - h->rows_offset));
		self->durable_trees = (llfree_tree_cell *)(void *)((uint8_t *)self->durable_children +
								   (h->rows_offset - h->children_offset));
	}
	for (unsigned i = 0; i < LLFREE_MAX_CLASSES; i++) {
		for (unsigned j = 0; j < LLFREE_MAX_CLASSES; j++)
			self->rule[i][j] = h->rule[i][j];
	}
}

/* Bits of a row that lie beyond the last frame: always taken. */
static uint64_t row_tail(const llfree_t *self, uint64_t row)
{
	uint64_t first = llf_row_frame(row);
	if (first >= self->frames)
		return UINT64_MAX;
	uint64_t inside = self->frames - first;
	return inside >= LLFREE_ROW_FRAMES ? 0 : UINT64_MAX << inside;
}

static void reset_slots(const llfree_t *self)
{
	for (uint64_t i = 0; i < (uint64_t)self->cpus * self->classes; i++) {
		llf_u64_store_relaxed(&self->slots[i].reservation, 0);
		llf_u64_store_relaxed(&self->slots[i].claim, LLFREE_CLAIM_NONE << LLFREE_CLAIM_HALF_SHIFT);
		llf_u32_store_relaxed(&self->slots[i].last_put, 0);
	}
}

static void init_durable(const llfree_t *self, bool all_taken)
{
	for (uint64_t row = 0; row < self->n_rows; row++)
		llf_row_store_relaxed(&self->durable_rows[row], all_taken ? UINT64_MAX : 0);
	for (uint64_t i = 0; i < self->n_children; i++)
		llf_child_store_relaxed(&self->durable_children[i], 0);
	for (uint64_t i = 0; i < self->n_trees; i++)
		llf_tree_store_relaxed(&self->durable_trees[i], 0);
}

llfree_err llfree_init(llfree_t *self, const llfree_config *config, void *region, size_t region_bytes, bool all_taken)
{
	llfree_header h;
	if (!region || !make_header(&h, config))
		return LLFREE_ERR_INVAL;
	if (region_bytes < h.region_bytes || (uintptr_t)region % LLFREE_CACHE_LINE)
		return LLFREE_ERR_TOO_SMALL;
	*(llfree_header *)region = h;
	make_view(self, region, &h);
	(void)llf_u32_add_acqrel(&self->header->generation, 1);
	for (uint64_t i = h.slots_offset / 8; i < h.rows_offset / 8; i++)
		((uint64_t *)region)[i] = 0;
	reset_slots(self);
	for (uint64_t row = 0; row < self->n_rows; row++)
		llf_row_store_relaxed(&self->rows[row], all_taken ? UINT64_MAX : row_tail(self, row));
	for (uint64_t i = 0; i < self->n_children; i++) {
		unsigned capacity = llf_child_capacity(self, i);
		unsigned taken = capacity == LLFREE_HUGE_FRAMES ? LLFREE_CHILD_HUGE : 0;
		llf_child_store_relaxed(&self->children[i], (uint16_t)(all_taken ? taken : capacity));
	}
	for (uint64_t i = 0; i < self->n_trees; i++)
		llf_tree_store_relaxed(&self->trees[i], all_taken ? 0 : llf_tree_capacity(self, i));
	if (llf_durable(self))
		init_durable(self, all_taken);
	return LLFREE_OK;
}

llfree_err llfree_attach(llfree_t *self, void *region, size_t region_bytes)
{
	if (!region || (uintptr_t)region % LLFREE_CACHE_LINE)
		return LLFREE_ERR_INVAL;
	if (region_bytes < sizeof(llfree_header))
		return LLFREE_ERR_TOO_SMALL;
	/* One copy is checked and used: another process can't change it between check and use. */
	llfree_header h = *(const volatile llfree_header *)region;
	if (h.magic != LLFREE_MAGIC)
		return LLFREE_ERR_MAGIC;
	if (h.version != LLFREE_VERSION_LAYOUT)
		return LLFREE_ERR_VERSION;
	if (h.frame_shift != LLFREE_FRAME_SHIFT || h.huge_order != LLFREE_HUGE_ORDER || h.tree_huge != LLFREE_TREE_HUGE)
		return LLFREE_ERR_GEOMETRY;
	if (h.flags & ~(uint32_t)(LLFREE_FLAG_EXACT | LLFREE_FLAG_DURABLE) || !valid_numbers(&h))
		return LLFREE_ERR_CORRUPT;
	llfree_header expected = h;
	layout(&expected);
	if (h.header_bytes != expected.header_bytes || h.slots_offset != expected.slots_offset ||
	    h.trees_offset != expected.trees_offset || h.children_offset != expected.children_offset ||
	    h.rows_offset != expected.rows_offset || h.durable_offset != expected.durable_offset ||
	    h.region_bytes != expected.region_bytes)
		return LLFREE_ERR_CORRUPT;
	if (region_bytes < h.region_bytes)
		return LLFREE_ERR_TOO_SMALL;
	make_view(self, region, &h);
	return LLFREE_OK;
}

/* Claimed frames were free: clear their bits. A huge mark wins, a damaged word says nothing. */
static void release_claims(const llfree_t *self)
{
	for (uint64_t i = 0; i < (uint64_t)self->cpus * self->classes; i++) {
		uint64_t word = llf_u64_load_relaxed(&self->slots[i].claim);
		uint64_t row = claim_half(word) / 2;
		uint64_t mask = (uint64_t)claim_mask(word) << (claim_half(word) % 2 * LLFREE_HALF_FRAMES);
		if (!mask || row >= self->n_rows)
			continue;
		if (llf_durable(self)) {
			/* What a recovery that was cut off has cleared already stays clear. */
			llf_durable_take(self, row, llf_durable_row(self, row) & mask);
			continue;
		}
		if (!child_huge(llf_child_load_relaxed(&self->children[row / LLFREE_HUGE_ROWS])))
			llf_row_store_relaxed(&self->rows[row], llf_row_load_relaxed(&self->rows[row]) & ~mask);
	}
}

static bool durable_child_taken(const llfree_t *self, uint64_t child_idx)
{
	uint64_t taken = UINT64_MAX;
	for (uint64_t i = 0; i < LLFREE_HUGE_ROWS; i++)
		taken &= llf_durable_row(self, child_idx * LLFREE_HUGE_ROWS + i);
	return taken == UINT64_MAX;
}

static uint16_t recover_evicted(const llfree_t *self, uint64_t child_idx, uint16_t evicted, bool lost_stores)
{
	llfree_child_cell *cell = &self->durable_children[child_idx];
	uint16_t word = llf_child_load_relaxed(cell);
	if (lost_stores)
		return word & LLFREE_CHILD_EVICTED;
	llf_child_store_relaxed(cell, (uint16_t)((word & ~LLFREE_CHILD_EVICTED) | evicted));
	return evicted;
}

/* The durable words if there are any; else huge mark over rows, rows over count. @return the free frames of the child.
 */
static unsigned recover_child(const llfree_t *self, uint64_t child_idx, bool lost_stores)
{
	uint16_t word = llf_child_load_relaxed(&self->children[child_idx]);
	uint16_t evicted = word & LLFREE_CHILD_EVICTED;
	if (llf_durable(self)) /* after a kill the volatile half is as good, and may be ahead */
		evicted = recover_evicted(self, child_idx, evicted, lost_stores);
	bool whole = llf_child_capacity(self, child_idx) == LLFREE_HUGE_FRAMES;
	/* Durable: taken as one or in parts looks the same; marked huge, it can be put both ways. */
	bool huge = whole && (llf_durable(self) ? durable_child_taken(self, child_idx) : child_huge(word));
	unsigned free_frames = 0;
	for (uint64_t i = 0; i < LLFREE_HUGE_ROWS; i++) {
		uint64_t row = child_idx * LLFREE_HUGE_ROWS + i;
		uint64_t bits = llf_durable(self) ? llf_durable_row(self, row) : llf_row_load_relaxed(&self->rows[row]);
		bits |= row_tail(self, row);
		if (huge)
			bits = UINT64_MAX;
		llf_row_store_relaxed(&self->rows[row], bits);
		free_frames += llf_popcount(~bits);
	}
	llf_child_store_relaxed(&self->children[child_idx],
				(uint16_t)((huge ? LLFREE_CHILD_HUGE : free_frames) | evicted));
	return free_frames;
}

llfree_err llfree_recover(llfree_t *self, void *region, size_t region_bytes, bool keep_claims)
{
	llfree_err err = llfree_attach(self, region, region_bytes);
	if (err != LLFREE_OK)
		return err;
	(void)llf_u32_add_acqrel(&self->header->generation, 1);
	(void)llf_u32_add_acqrel(&self->header->drain_epoch, 1);
	llf_u32_store_relaxed(&self->header->clean, 0);
	if (!keep_claims && !llf_exact(self))
		release_claims(self);
	reset_slots(self);
	for (uint64_t tree_idx = 0; tree_idx < self->n_trees; tree_idx++) {
		unsigned free_frames = 0;
		for (uint64_t i = tree_idx * LLFREE_TREE_HUGE; i < llf_tree_end_child(self, tree_idx); i++)
			free_frames += recover_child(self, i, keep_claims);
		uint32_t old = llf_tree_load_relaxed(&self->trees[tree_idx]);
		uint32_t next = tree_with_class(free_frames, llf_known_class(self, tree_class(old)));
		llf_tree_store_relaxed(&self->trees[tree_idx], next | (old & LLFREE_TREE_OFFLINE));
	}
	return LLFREE_OK;
}

void llfree_close(llfree_t *self)
{
	llfree_drain_all(self);
	llf_durable_all(self);
	llf_u32_store_relaxed(&self->header->clean, 1);
	llf_durable_all(self);
}

bool llfree_was_clean(const llfree_t *self)
{
	return llf_u32_load_relaxed(&self->header->clean) == 1;
}

void llfree_set_install(llfree_t *self, llfree_install_fn install, void *context)
{
	self->install = install;
	self->install_context = context;
}
