/* SPDX-License-Identifier: MIT
 *
 * frag: how well an allocator makes huge frames whole again. All memory is got at order 0, a random half is put, then
 * each round puts and gets a tenth of the rest, picked at random with replacement, one put and one get. After each
 * round caches are drained, and the huge frames without an allocated frame are counted - from what the case itself
 * holds, and checked against the allocator's own count. The CPU number goes round robin over the slots. */
#include <stdio.h>
#include <stdlib.h>
#include "bench_clock.h"
#include "bench_team.h"
#include "frag_map.h"
#include "frag_oracle.h"
#include "gbench.h"

enum { TREE_FRAMES = 8 * LLFREE_HUGE_FRAMES };

typedef struct frag_state {
	frag_oracle *oracle; /* for the subject "oracle" */
	uint64_t *frames;    /* allocated ones first */
	uint64_t n_frames, n_allocated, n_huge;
	uint16_t *used; /* allocated frames per huge frame */
	frag_map *map;  /* NULL: none is wanted */
	double *curve;  /* share of the possible huge frames that are free, in %, by round */
	uint64_t ops;
	uint32_t slots;
	bench_rng rng;
} frag_state;

static uint32_t frag_variants(const bench_options *options, bench_variant *variants)
{
	uint32_t count =
		options->frag_slots.count < BENCH_MAX_VARIANTS ? options->frag_slots.count : BENCH_MAX_VARIANTS;

	for (uint32_t i = 0; i < count; i++) {
		variants[i].value = options->frag_slots.values[i];
		snprintf(variants[i].suffix, sizeof(variants[i].suffix), "slots:%u", options->frag_slots.values[i]);
	}
	return count;
}

static uint64_t frag_frames(const bench_row *row)
{
	return bench_options_frames(row->options) / TREE_FRAMES * TREE_FRAMES;
}

static bool frag_get(bench_row *row, uint32_t cpu, uint64_t *frame)
{
	frag_state *frag = row->extra;

	if (frag->oracle)
		return frag_oracle_get(frag->oracle, frame);
	return row->allocator->table.get(bench_team_worker(row->team, 0)->self, cpu, 0, frame);
}

static bool frag_put(bench_row *row, uint32_t cpu, uint64_t frame)
{
	frag_state *frag = row->extra;

	if (frag->oracle) {
		frag_oracle_put(frag->oracle, frame);
		return true;
	}
	return row->allocator->table.put(bench_team_worker(row->team, 0)->self, cpu, 0, frame);
}

/* Count, and compare with the allocator's own count. */
static bool frag_count(bench_row *row, uint32_t round)
{
	frag_state *frag = row->extra;
	uint64_t possible = (frag->n_frames - frag->n_allocated) / LLFREE_HUGE_FRAMES;
	uint64_t free_huge = 0;

	for (uint64_t i = 0; i < frag->n_huge; i++)
		frag->used[i] = 0;
	for (uint64_t i = 0; i < frag->n_allocated; i++)
		frag->used[frag->frames[i] / LLFREE_HUGE_FRAMES]++;
	for (uint64_t i = 0; i < frag->n_huge; i++)
		free_huge += frag->used[i] == 0;
	frag_map_add(frag->map, round, frag->used);
	frag->curve[round] = possible ? 100.0 * (double)free_huge / (double)possible : 0;
	if (!row->allocator)
		return true;
	if (row->allocator->table.drain)
		row->allocator->table.drain(bench_team_worker(row->team, 0)->self);
	if (row->allocator->table.free_huge && row->allocator->table.free_huge(row->state) != free_huge)
		return bench_row_fail(row, "round %u: the allocator counts %llu free huge frames, %llu are free", round,
				      (unsigned long long)row->allocator->table.free_huge(row->state),
				      (unsigned long long)free_huge);
	return true;
}

static uint32_t next_cpu(frag_state *frag)
{
	return (uint32_t)(frag->ops++ % frag->slots);
}

static bool frag_fill_and_halve(bench_row *row)
{
	frag_state *frag = row->extra;

	for (uint64_t i = 0; i < frag->n_frames; i++) {
		if (!frag_get(row, next_cpu(frag), &frag->frames[i]))
			return bench_row_fail(row, "out of memory after %llu of %llu frames", (unsigned long long)i,
					      (unsigned long long)frag->n_frames);
		if (frag->frames[i] >= frag->n_frames)
			return bench_row_fail(row, "got a frame out of range");
	}
	bench_rng_shuffle(&frag->rng, frag->frames, frag->n_frames);
	frag->n_allocated = frag->n_frames / 2;
	for (uint64_t i = frag->n_allocated; i < frag->n_frames; i++) {
		if (!frag_put(row, next_cpu(frag), frag->frames[i]))
			return bench_row_fail(row, "put of a random half failed");
	}
	return frag_count(row, 0);
}

static bool frag_setup(bench_row *row)
{
	frag_state *frag = calloc(1, sizeof(*frag));

	row->extra = frag;
	if (!frag)
		return bench_row_fail(row, "out of memory");
	frag->n_frames = frag_frames(row);
	frag->n_huge = frag->n_frames / LLFREE_HUGE_FRAMES;
	frag->slots = row->allocator ? (uint32_t)row->variant.value : 1;
	frag->rng = bench_rng_make(row->options->seed, 0);
	frag->frames = bench_map(frag->n_frames * sizeof(frag->frames[0]));
	frag->used = calloc(frag->n_huge, sizeof(frag->used[0]));
	frag->curve = calloc(row->options->rounds + 1, sizeof(frag->curve[0]));
	if (!row->allocator)
		frag->oracle = frag_oracle_new(frag->n_frames);
	if (row->options->frag_map_cells)
		frag->map = frag_map_new(frag->n_huge, row->options->rounds, row->options->frag_map_cells);
	if ((row->options->frag_map_cells && !frag->map) || !frag->frames || !frag->used || !frag->curve ||
	    (!row->allocator && !frag->oracle))
		return bench_row_fail(row, "out of memory");
	row->pass_ops = frag->n_frames / 2 / 10 * row->options->rounds;
	return frag_fill_and_halve(row);
}

static bool frag_round(bench_row *row)
{
	frag_state *frag = row->extra;

	for (uint64_t i = 0; i < frag->n_allocated / 10; i++) {
		uint64_t *frame = &frag->frames[bench_rng_below(&frag->rng, frag->n_allocated)];
		uint32_t cpu = next_cpu(frag);

		if (!frag_put(row, cpu, *frame) || !frag_get(row, cpu, frame))
			return bench_row_fail(row, "an operation failed with half of the memory free");
	}
	return true;
}

static bool frag_pass(bench_row *row)
{
	uint64_t total_ns = 0;

	for (uint32_t round = 1; round <= row->options->rounds; round++) {
		uint64_t start = bench_now_ns();

		if (!frag_round(row))
			return false;
		total_ns += bench_now_ns() - start;
		if (!frag_count(row, round))
			return false;
	}
	row->pass_seconds = (double)total_ns * 1e-9;
	bench_metric_add(row, "pair_ns", (double)total_ns / (double)row->pass_ops);
	return true;
}

static void frag_report(const bench_row *row, struct bench_gb_state *state)
{
	const frag_state *frag = row->extra;

	frag_map_send(frag->map, row->name);
	for (uint32_t round = 0; round <= row->options->rounds; round++) {
		char name[24];

		snprintf(name, sizeof(name), "round_%03u", round);
		bench_gb_counter(state, name, frag->curve[round]);
		if (round == 60 || round == 80 || round == row->options->rounds) {
			snprintf(name, sizeof(name), "pct_%03u", round);
			bench_gb_counter(state, name, frag->curve[round]);
		}
	}
}

static void frag_teardown(bench_row *row)
{
	frag_state *frag = row->extra;

	if (!frag)
		return;
	frag_oracle_free(frag->oracle);
	frag_map_free(frag->map);
	bench_unmap(frag->frames, frag->n_frames * sizeof(frag->frames[0]));
	free(frag->used);
	free(frag->curve);
	free(frag);
}

static const char *const frag_subjects[] = { "oracle", NULL };

const bench_case bench_case_frag = {
	.name = "frag",
	.question =
		"fill, free half at random, re-allocate 10 % a round: which share of the possible huge frames is free",
	.rank = 80,
	.one_thread = true,
	.order0_only = true,
	.frames_known = true,
	.once = true,
	.slots_from_variant = true,
	.subjects = frag_subjects,
	.variants = frag_variants,
	.frames = frag_frames,
	.setup = frag_setup,
	.pass = frag_pass,
	.report = frag_report,
	.teardown = frag_teardown,
};
