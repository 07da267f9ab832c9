/* SPDX-License-Identifier: MIT
 *
 * Statistics: from the counters, or from the bits. Snapshots without any lock: exact when nothing runs beside. */
#include "core/core.h"

/* Frames in claim words, and the free count of all reservations by the class of the slot's tree. */
static uint64_t cached_frames(const llfree_t *self)
{
	uint64_t n = 0;
	if (llf_exact(self))
		return 0;
	for (uint64_t i = 0; i < (uint64_t)self->cpus * self->classes; i++)
		n += llf_popcount(claim_mask(llf_u64_load_relaxed(&self->slots[i].claim)));
	return n;
}

static void count_reservations(const llfree_t *self, llfree_stats *stats)
{
	for (uint64_t i = 0; i < (uint64_t)self->cpus * self->classes; i++) {
		uint64_t word = llf_u64_load_relaxed(&self->slots[i].reservation);
		if (!res_present(word) || res_row(word) >= self->n_rows)
			continue;
		uint32_t tree = llf_tree_load_relaxed(&self->trees[llf_tree_of_row(res_row(word))]);
		stats->free_frames += res_free(word);
		stats->classes[llf_known_class(self, tree_class(tree))].free_frames += res_free(word);
	}
}

static void count_children(const llfree_t *self, llfree_stats *stats)
{
	for (uint64_t i = 0; i < self->n_children; i++) {
		uint16_t word = llf_child_load_relaxed(&self->children[i]);
		stats->huge_frames += llf_child_capacity(self, i) == LLFREE_HUGE_FRAMES;
		stats->free_huge += child_whole(word);
		stats->taken_huge += child_huge(word);
		stats->evicted_huge += child_evicted(word);
	}
}

void llfree_stats_fast(const llfree_t *self, llfree_stats *stats)
{
	*stats = (llfree_stats){ .frames = self->frames, .trees = self->n_trees };
	for (uint64_t i = 0; i < self->n_trees; i++) {
		uint32_t word = llf_tree_load_relaxed(&self->trees[i]);
		llfree_class_stats *class_stats = &stats->classes[llf_known_class(self, tree_class(word))];
		class_stats->trees++;
		class_stats->free_frames += tree_free(word);
		stats->free_frames += tree_free(word);
		stats->free_trees += tree_free(word) == llf_tree_capacity(self, i);
		stats->reserved_trees += tree_reserved(word);
		stats->offline_trees += tree_offline(word);
	}
	count_reservations(self, stats);
	count_children(self, stats);
	stats->cached_frames = cached_frames(self);
	stats->free_frames += stats->cached_frames;
}

void llfree_stats_exact(const llfree_t *self, llfree_stats *stats)
{
	llfree_stats_fast(self, stats);
	stats->free_frames = stats->cached_frames;
	for (uint64_t row = 0; row < self->n_rows; row++)
		stats->free_frames += llf_popcount(~llf_row_load_relaxed(&self->rows[row]));
	if (stats->free_frames) {
		uint64_t loose =
			stats->free_frames - llf_min(stats->free_huge * LLFREE_HUGE_FRAMES, stats->free_frames);
		stats->fragmentation_permille = (uint32_t)(loose * 1000 / stats->free_frames);
	}
}

llfree_err llfree_stats_tree(const llfree_t *self, uint64_t tree_idx, llfree_tree_stats *stats)
{
	if (tree_idx >= self->n_trees)
		return LLFREE_ERR_INVAL;
	uint32_t word = llf_tree_load_relaxed(&self->trees[tree_idx]);
	*stats = (llfree_tree_stats){ .free_frames = tree_free(word),
				      .class_idx = llf_known_class(self, tree_class(word)),
				      .reserved = tree_reserved(word),
				      .offline = tree_offline(word) };
	for (uint64_t i = 0; tree_reserved(word) && i < (uint64_t)self->cpus * self->classes; i++) {
		uint64_t res = llf_u64_load_relaxed(&self->slots[i].reservation);
		if (res_present(res) && llf_tree_of_row(res_row(res)) == tree_idx)
			stats->free_frames += res_free(res);
	}
	for (uint64_t i = tree_idx * LLFREE_TREE_HUGE; i < llf_tree_end_child(self, tree_idx); i++) {
		uint16_t child = llf_child_load_relaxed(&self->children[i]);
		stats->children++;
		stats->free_huge += child_whole(child);
		stats->taken_huge += child_huge(child);
		stats->evicted_huge += child_evicted(child);
	}
	return LLFREE_OK;
}

llfree_err llfree_huge_state_of(const llfree_t *self, uint64_t huge_idx, llfree_huge_state *state)
{
	if (huge_idx >= self->n_children)
		return LLFREE_ERR_INVAL;
	uint16_t word = llf_child_load_acquire(&self->children[huge_idx]);
	*state = (llfree_huge_state){ .free_frames = child_free(word),
				      .taken_huge = child_huge(word),
				      .evicted = child_evicted(word),
				      .free = child_whole(word) };
	return LLFREE_OK;
}

bool llfree_is_free(const llfree_t *self, uint64_t frame)
{
	if (frame >= self->frames)
		return false;
	uint64_t n_slots = llf_exact(self) ? 0 : (uint64_t)self->cpus * self->classes;
	if (child_huge(llf_child_load_acquire(&self->children[llf_child_of(frame)])))
		return false;
	if (!(llf_row_load_relaxed(&self->rows[llf_row_of(frame)]) >> (frame % LLFREE_ROW_FRAMES) & 1))
		return true;
	for (uint64_t i = 0; i < n_slots; i++) {
		uint64_t word = llf_u64_load_relaxed(&self->slots[i].claim);
		if (claim_half(word) == llf_half_of(frame) && (claim_mask(word) >> frame % LLFREE_HALF_FRAMES & 1))
			return true;
	}
	return false;
}
