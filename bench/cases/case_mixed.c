/* SPDX-License-Identifier: MIT
 *
 * mixed: blocks of several orders, by the weights of --mix, at a steady level: put a random block, get one in the place
 * of a block that was put 64 pairs before, with that block's order. So the distribution never drifts, and the hole that
 * a put has made is not the one that the next get wants. The stream is drawn before it is timed. */
#include <stdio.h>
#include <stdlib.h>
#include "bench_team.h"

enum { HOLES = 64, LEAST_BLOCKS = 64, LEAST_PAIRS = 256, MOST_PAIRS = 65536 };

typedef struct mixed_thread {
	uint8_t *orders; /* of each block */
	uint32_t *live;  /* entries with a block, in no order */
	uint32_t holes[HOLES];
	uint32_t n_live, n_holes, next_hole;
	bench_op *ops; /* 2 * pass_ops, and BENCH_AHEAD */
	uint64_t refused;
} mixed_thread;

static uint32_t mixed_variants(const bench_options *options, bench_variant *variants)
{
	if (snprintf(variants[0].suffix, sizeof(variants[0].suffix), "mix:%s", options->mix.orders) < 0)
		return 0;
	return 1;
}

/* One row, whatever --orders says: the weights decide. */
static bool mixed_applies(const bench_options *options, const bench_allocator *allocator, uint32_t order)
{
	return order == 0 && options->mix.max_order <= allocator->table.max_order;
}

static bool mixed_missing(const bench_options *options, const bench_allocator *allocator, char *why, size_t why_bytes)
{
	snprintf(why, why_bytes, "--mix has blocks of order %u", options->mix.max_order);
	return options->mix.max_order > allocator->table.max_order;
}

static uint64_t mixed_blocks(const bench_row *row)
{
	const bench_mix *mix = &row->options->mix;
	uint64_t level = bench_row_frames(row) / 100 * row->options->mix_fill / row->threads;
	uint64_t weights = 0, frames = 0, n_blocks;

	for (uint32_t order = 0; order <= BENCH_MAX_ORDER; order++) {
		weights += mix->weights[order];
		frames += (uint64_t)mix->weights[order] << order;
	}
	n_blocks = (uint64_t)((double)level / (double)frames * (double)weights);
	return n_blocks < LEAST_BLOCKS ? 0 : n_blocks > UINT32_MAX ? UINT32_MAX : n_blocks;
}

static mixed_thread *mixed_of(const bench_worker *worker)
{
	return (mixed_thread *)worker->row->extra + worker->idx;
}

/* The largest first: they are there when all is got. */
static void set_orders(const bench_mix *mix, uint8_t *orders, uint64_t n_blocks)
{
	uint64_t weights = 0, before = 0, at = 0;

	for (uint32_t order = 0; order <= BENCH_MAX_ORDER; order++)
		weights += mix->weights[order];
	for (uint32_t order = BENCH_MAX_ORDER + 1; order-- > 0;) {
		before += mix->weights[order];
		while (at < (uint64_t)((double)n_blocks * (double)before / (double)weights) && at < n_blocks)
			orders[at++] = (uint8_t)order;
	}
	while (at < n_blocks)
		orders[at++] = 0;
}

static bench_op op_of(const mixed_thread *mixed, uint32_t slot, bool put)
{
	return (bench_op){ .slot = slot, .order = mixed->orders[slot], .put = put };
}

/* The next pass_ops pairs. */
static void step_draw(bench_worker *worker)
{
	mixed_thread *mixed = mixed_of(worker);
	uint64_t n_pairs = worker->row->pass_ops;

	for (uint64_t i = 0; i < n_pairs; i++) {
		uint32_t *place = &mixed->live[bench_rng_below(&worker->rng, mixed->n_live)];
		uint32_t *hole = &mixed->holes[mixed->next_hole++ % mixed->n_holes], slot = *place;

		mixed->ops[2 * i] = op_of(mixed, slot, true);
		mixed->ops[2 * i + 1] = op_of(mixed, *hole, false);
		*place = *hole;
		*hole = slot;
	}
	worker->step_filled = 0;
}

static void do_pairs(bench_worker *worker, uint64_t first, uint64_t n_pairs)
{
	const bench_row *row = worker->row;
	mixed_thread *mixed = mixed_of(worker);
	uint64_t done = row->allocator->loops.replay(worker->self, worker->cpu, mixed->ops + 2 * first, worker->blocks,
						     2 * n_pairs, &mixed->refused);

	worker->step_filled = first + n_pairs;
	worker->step_ops += done / 2;
	worker->failed |= done != 2 * n_pairs;
}

static void step_pairs(bench_worker *worker)
{
	bench_groups(worker, do_pairs, 0, worker->row->pass_ops);
}

/* A round of samples may end before the stream does. */
static void step_finish(bench_worker *worker)
{
	uint64_t done = worker->step_filled;

	do_pairs(worker, done, worker->row->pass_ops - done);
}

static void step_fill(bench_worker *worker)
{
	const bench_row *row = worker->row;
	mixed_thread *mixed = mixed_of(worker);

	set_orders(&row->options->mix, mixed->orders, worker->n_blocks);
	for (uint64_t i = 0; i < worker->n_blocks; i++)
		worker->blocks[i] = BENCH_NO_BLOCK;
	for (uint32_t i = 0; i < worker->n_blocks; i++) {
		bench_op op[1 + BENCH_AHEAD] = { op_of(mixed, i, false) };

		(void)row->allocator->loops.replay(worker->self, worker->cpu, op, worker->blocks, 1, &mixed->refused);
		mixed->live[i] = i;
	}
	for (uint32_t i = 0; i < mixed->n_holes && !worker->failed; i++) {
		uint32_t *place = &mixed->live[bench_rng_below(&worker->rng, worker->n_blocks - i)];
		bench_op op[1 + BENCH_AHEAD] = { op_of(mixed, *place, true) };

		worker->failed = row->allocator->loops.replay(worker->self, worker->cpu, op, worker->blocks, 1,
							      &mixed->refused) != 1;
		mixed->holes[i] = *place;
		*place = mixed->live[worker->n_blocks - i - 1];
	}
	mixed->n_live = (uint32_t)worker->n_blocks - mixed->n_holes;
	worker->failed |= mixed->refused > worker->n_blocks / 10;
}

static void step_release(bench_worker *worker)
{
	const mixed_thread *mixed = mixed_of(worker);

	for (uint32_t i = 0; i < worker->n_blocks; i++) {
		bench_op op[1 + BENCH_AHEAD] = { op_of(mixed, i, true) };
		uint64_t none = 0;

		(void)worker->row->allocator->loops.replay(worker->self, worker->cpu, op, worker->blocks, 1, &none);
	}
}

static bool mixed_pass(bench_row *row)
{
	double pair_ns;
	uint64_t refused = 0;

	for (uint32_t i = 0; i < row->threads; i++)
		mixed_of(bench_team_worker(row->team, i))->refused = 0;
	if (!bench_team_run(row->team, step_draw) || !bench_timed(row, step_pairs, "pair_ns", &pair_ns))
		return false;
	for (uint32_t i = 0; i < row->threads; i++)
		refused += mixed_of(bench_team_worker(row->team, i))->refused;
	bench_metric_add(row, "refused_pct", 100.0 * (double)refused / (double)(row->pass_ops * row->threads));
	row->pass_seconds = pair_ns * (double)row->pass_ops * 1e-9;
	return true;
}

static bool mixed_open(mixed_thread *mixed, uint64_t n_blocks, uint64_t pass_ops)
{
	mixed->n_holes = n_blocks / 4 < HOLES ? (uint32_t)(n_blocks / 4) : HOLES;
	mixed->orders = calloc(n_blocks, sizeof(mixed->orders[0]));
	mixed->live = calloc(n_blocks, sizeof(mixed->live[0]));
	mixed->ops = calloc(2 * pass_ops + BENCH_AHEAD, sizeof(mixed->ops[0]));
	return mixed->orders && mixed->live && mixed->ops;
}

static bool mixed_setup(bench_row *row)
{
	uint64_t n_blocks = bench_team_worker(row->team, 0)->n_blocks;
	mixed_thread *all = aligned_alloc(64, (row->threads * sizeof(*all) + 63) / 64 * 64);
	bool ok = all != NULL;

	row->extra = all;
	row->pass_ops = n_blocks > MOST_PAIRS ? MOST_PAIRS : n_blocks < LEAST_PAIRS ? LEAST_PAIRS : n_blocks;
	for (uint32_t i = 0; i < row->threads && ok; i++)
		all[i] = (mixed_thread){ 0 };
	for (uint32_t i = 0; i < row->threads && ok; i++)
		ok = mixed_open(&all[i], n_blocks, row->pass_ops);
	if (!ok)
		return bench_row_fail(row, "out of memory");
	if (!bench_team_run(row->team, step_fill))
		return bench_row_fail(row, "can't fill the memory to %u %%", row->options->mix_fill);
	for (uint64_t done = 0; done < 2 * n_blocks; done += row->pass_ops) {
		if (!mixed_pass(row))
			return false;
	}
	return true;
}

static void mixed_teardown(bench_row *row)
{
	mixed_thread *all = row->extra;

	if (all && row->team && !row->error[0])
		(void)bench_team_run(row->team, step_release); /* a malloc serves the next row in the same process */
	for (uint32_t i = 0; all && i < row->threads; i++) {
		free(all[i].orders);
		free(all[i].live);
		free(all[i].ops);
	}
	free(all);
}

const bench_case bench_case_mixed = {
	.name = "mixed",
	.question = "blocks of several orders (--mix) at a steady level: put a random one, get another; percentiles of "
		    "the pair",
	.rank = 62,
	.order0_only = true,
	.variants = mixed_variants,
	.applies = mixed_applies,
	.missing = mixed_missing,
	.blocks = mixed_blocks,
	.setup = mixed_setup,
	.pass = mixed_pass,
	.teardown = mixed_teardown,
	.sample_prepare = step_draw,
	.sample_op = do_pairs,
	.sample_finish = step_finish,
	.sample_positions = true,
};
