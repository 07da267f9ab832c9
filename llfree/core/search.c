/* SPDX-License-Identifier: MIT
 *
 * Which tree next. Each CPU looks into its own share of the trees first, so that CPUs stay on different cache lines,
 * and there reserves the fullest tree that still has reserve_min_frames free: allocations gather in few trees, the
 * others empty out and become huge frames again (best fit). One pass over tree words, 16 to a cache line, per
 * reservation. Keeps A5 (sweep looks everywhere) and A9 (offline trees are never candidates). */
#include "core/core.h"

/* Candidates are compared within a window of trees, so that huge memories don't cost more. A huge frame is as good
 * from one tree as from the next, and the scan is shared by few gets: a smaller window. */
enum { LLF_WINDOW_TREES = 512, LLF_WINDOW_TREES_HUGE = 8 };

/* A partial tree within 1/4 of the least that is worth reserving ends the search. */
enum { LLF_GOOD_ENOUGH = 4 };

/* In the order in which they are preferred. */
enum { RANK_PARTIAL, RANK_EMPTY, RANK_FOREIGN, RANK_LOW, RANK_FOREIGN_LOW, RANKS };

typedef struct {
	uint64_t tree_idx[RANKS];
	unsigned score[RANKS]; /* lower is better; UINT_MAX: none */
} candidates;

typedef struct {
	const llfree_t *self;
	llf_claimant who;
	unsigned order, need, min_frames;
} search;

/* Is there a huge run, by the children's words? Smaller orders find out when they try. */
static bool tree_fits(const search *s, uint64_t tree_idx)
{
	if (s->order < LLFREE_HUGE_ORDER)
		return true;
	llf_run run;
	return llf_lower_find(s->self, tree_idx * LLF_TREE_ROWS,
			      llf_tree_end_child(s->self, tree_idx) * LLFREE_HUGE_ROWS, s->order, &run);
}

static void consider(const search *s, uint64_t tree_idx, uint32_t word, candidates *best)
{
	unsigned free_frames = tree_free(word);
	unsigned rule = s->who.rule[llf_known_class(s->self, tree_class(word))];
	unsigned rank, score = free_frames;
	if (free_frames == llf_tree_capacity(s->self, tree_idx)) {
		rank = RANK_EMPTY;
		score = 0; /* the first one */
	} else if (rule == LLFREE_NEVER) {
		return;
	} else if (free_frames >= s->min_frames) {
		rank = rule == LLFREE_MATCH ? RANK_PARTIAL : RANK_FOREIGN;
	} else {
		rank = rule == LLFREE_MATCH ? RANK_LOW : RANK_FOREIGN_LOW;
		score = LLFREE_TREE_FRAMES - free_frames; /* nearly full memory: what gives most */
	}
	if (score < best->score[rank] && (rank == RANK_EMPTY || tree_fits(s, tree_idx))) {
		best->score[rank] = score;
		best->tree_idx[rank] = tree_idx;
	}
}

static bool has(const candidates *best, unsigned rank)
{
	return best->score[rank] != UINT32_MAX;
}

/* Look at trees [first, end) that have at least at_least frames free.
 * @return true when one of them is so good that looking on is not worth it. */
static bool scan(const search *s, uint64_t first, uint64_t end, unsigned at_least, candidates *best)
{
	const llfree_tree_cell *trees = s->self->trees;
	unsigned good_frames = s->min_frames + s->min_frames / LLF_GOOD_ENOUGH;
	unsigned below = has(best, RANK_EMPTY) ? LLFREE_TREE_FRAMES : UINT32_MAX;
	if (has(best, RANK_PARTIAL))
		below = best->score[RANK_PARTIAL];
	for (uint64_t i = first; i < end; i++) {
		uint32_t word = llf_tree_load_relaxed(&trees[i]);
		unsigned free_frames = tree_free(word);
		if (free_frames < at_least || free_frames >= below ||
		    (word & (LLFREE_TREE_RESERVED | LLFREE_TREE_OFFLINE)))
			continue;
		consider(s, i, word, best);
		if (has(best, RANK_PARTIAL)) {
			below = best->score[RANK_PARTIAL];
			if (below <= good_frames)
				return true;
		} else if (has(best, RANK_EMPTY)) {
			below = LLFREE_TREE_FRAMES;
		}
	}
	return false;
}

/* The trees of one CPU: [first, end), never empty. */
static void own_share(const llfree_t *self, uint32_t cpu, uint64_t *first, uint64_t *end)
{
	if (cpu >= self->cpus)
		cpu %= self->cpus;
	*first = self->n_trees * cpu / self->cpus;
	*end = self->n_trees * (cpu + 1) / self->cpus;
	if (*end == *first)
		*end = *first + 1;
}

/* Scan [first, end) from start round to start; stop after a whole window in which there was a good tree. */
static bool scan_range(const search *s, uint64_t first, uint64_t end, uint64_t start, unsigned at_least,
		       candidates *best)
{
	uint64_t window = s->order < LLFREE_HUGE_ORDER ? LLF_WINDOW_TREES : LLF_WINDOW_TREES_HUGE;
	uint64_t i = start >= first && start < end ? start : first;
	for (uint64_t left = end - first; left;) {
		uint64_t n = llf_min(llf_min(left, window), end - i);
		if (scan(s, i, i + n, at_least, best))
			return true;
		left -= n;
		window -= n;
		i = i + n == end ? first : i + n;
		if (window)
			continue;
		if (has(best, RANK_PARTIAL) || has(best, RANK_EMPTY))
			return true;
		window = LLF_WINDOW_TREES;
	}
	return has(best, RANK_PARTIAL) || has(best, RANK_EMPTY);
}

/* Own share first, then what lies behind it, then what lies before it. */
static void scan_all(const search *s, uint32_t cpu, uint64_t start, unsigned at_least, candidates *best)
{
	uint64_t first, end;
	own_share(s->self, cpu, &first, &end);
	if (!scan_range(s, first, end, start, at_least, best) &&
	    !scan_range(s, end, s->self->n_trees, end, at_least, best))
		(void)scan_range(s, 0, first, 0, at_least, best);
}

/* STATE tree free(n), not reserved, online --reserve--> free(0), reserved, class by the table; n is the caller's
 * LP    the successful CAS. All outputs come from the word that it replaced, none from an earlier attempt. */
static bool tree_reserve(const search *s, uint64_t tree_idx, unsigned *free_frames)
{
	llfree_tree_cell *cell = &s->self->trees[tree_idx];
	uint32_t word = llf_tree_load_relaxed(cell);
	unsigned class_idx;
	do {
		class_idx = llf_tree_class_for(s->self, tree_idx, word, s->who);
		if (tree_reserved(word) || tree_offline(word) || tree_free(word) < s->need || class_idx == LLF_NO_CLASS)
			return false;
	} while (!llf_tree_cas_acqrel(cell, &word,
				      tree_with_class(tree_with_free(word, 0) | LLFREE_TREE_RESERVED, class_idx)));
	*free_frames = tree_free(word);
	return true;
}

bool llf_reserve_best(const llfree_t *self, llfree_slot *slot, uint32_t cpu, unsigned class_idx, unsigned order)
{
	unsigned need = 1u << order;
	llf_count_event(LLF_EVENT_SEARCH);
	search s = { self, { self->rule[class_idx], class_idx }, order, need, self->reserve_min_frames };
	if (s.min_frames < need)
		s.min_frames = need;
	uint64_t old = llf_u64_load_acquire(&slot->reservation);
	candidates best;
	for (unsigned rank = 0; rank < RANKS; rank++)
		best.score[rank] = UINT32_MAX;
	scan_all(&s, cpu, llf_tree_of_row(res_row(old)), s.min_frames, &best);
	if (!has(&best, RANK_PARTIAL) && !has(&best, RANK_EMPTY) && !has(&best, RANK_FOREIGN))
		scan_all(&s, cpu, llf_tree_of_row(res_row(old)), need, &best);

	for (unsigned rank = 0; rank < RANKS; rank++) {
		unsigned free_frames;
		if (!has(&best, rank) || !tree_reserve(&s, best.tree_idx[rank], &free_frames))
			continue;
		/* Until the CAS the tree is nobody's but ours; the CAS makes it the slot's. It fails if another thread
		 * gave the slot a tree, used the old one, or drained: then this one goes back as it was. */
		uint64_t next = res_make(old, best.tree_idx[rank] * LLF_TREE_ROWS, free_frames);
		if (!llf_u64_cas_acqrel(&slot->reservation, &old, next))
			llf_tree_unreserve(self, best.tree_idx[rank], free_frames);
		else if (res_present(old) && res_row(old) < self->n_rows)
			llf_tree_unreserve(self, llf_tree_of_row(res_row(old)), res_free(old));
		return true;
	}
	return false;
}

/* One tree, candidate by candidate: upper count first, then the lower level. */
static bool sweep_tree(const search *s, uint64_t tree_idx, llf_run *run)
{
	const llfree_t *self = s->self;
	uint64_t row = tree_idx * LLF_TREE_ROWS, end = llf_tree_end_child(self, tree_idx) * LLFREE_HUGE_ROWS;
	if (!llf_lower_find(self, row, end, s->order, run) ||
	    llf_tree_take(self, tree_idx, s->need, s->who) != LLFREE_OK)
		return false;
	while (llf_lower_find(self, row, end, s->order, run)) {
		if (llf_lower_take(self, run, s->order))
			return true;
		row = run->row + 1;
	}
	llf_tree_give(self, tree_idx, s->need);
	return false;
}

bool llf_sweep(const llfree_t *self, uint32_t cpu, unsigned class_idx, unsigned order, bool *held_back, llf_run *run)
{
	static const uint8_t passes[] = { LLFREE_MATCH, LLFREE_STEAL, LLFREE_DEMOTE };
	search s = { self, { self->rule[class_idx], class_idx }, order, 1u << order, 0 };
	uint64_t first, end;
	own_share(self, cpu, &first, &end);
	*held_back = false;
	llf_count_event(LLF_EVENT_SWEEP);
	for (unsigned pass = 0; pass < sizeof(passes); pass++) {
		for (uint64_t i = 0; i < self->n_trees; i++) {
			uint64_t tree_idx = first + i < self->n_trees ? first + i : first + i - self->n_trees;
			uint32_t word = llf_tree_load_relaxed(&self->trees[tree_idx]);
			bool whole = tree_free(word) == llf_tree_capacity(self, tree_idx);
			*held_back |= tree_reserved(word);
			unsigned rule = whole ? LLFREE_MATCH : s.who.rule[llf_known_class(self, tree_class(word))];
			if (tree_free(word) >= s.need && !tree_offline(word) && rule == passes[pass] &&
			    sweep_tree(&s, tree_idx, run))
				return true;
		}
	}
	return false;
}
