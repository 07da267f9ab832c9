/* SPDX-License-Identifier: MIT
 *
 * fill: latency when memory gets scarce. All memory is got, and random blocks are put until the level is reached; then
 * half of what is free is got and put again, over and over. */
#include <stdio.h>
#include "bench_team.h"

static uint32_t fill_variants(const bench_options *options, bench_variant *variants)
{
	static const uint32_t levels[] = { 50, 90, 99 };

	(void)options;
	for (uint32_t i = 0; i < 3; i++) {
		variants[i].value = levels[i];
		snprintf(variants[i].suffix, sizeof(variants[i].suffix), "full:%u", levels[i]);
	}
	return 3;
}

static uint64_t fill_ops(const bench_row *row, uint64_t n_blocks)
{
	return (n_blocks - n_blocks * row->variant.value / 100) / 2;
}

static uint64_t fill_blocks(const bench_row *row)
{
	uint64_t n_blocks = bench_row_frames(row) / row->threads >> row->order;

	return fill_ops(row, n_blocks) ? n_blocks : 0;
}

/* Other threads' caches may hold the last blocks: as many as the level needs are enough. */
static void step_fill(bench_worker *worker)
{
	const bench_row *row = worker->row;
	uint64_t got =
		row->allocator->loops.get(worker->self, worker->cpu, row->order, worker->blocks, worker->n_blocks);

	worker->kept = worker->n_blocks * row->variant.value / 100;
	worker->failed = got < worker->kept;
	if (worker->failed)
		return;
	bench_rng_shuffle(&worker->rng, worker->blocks, got);
	bench_do_put(worker, worker->kept, got - worker->kept);
}

static void step_get_free(bench_worker *worker)
{
	bench_groups(worker, bench_do_get, worker->kept, worker->row->pass_ops);
}

static void step_put_free(bench_worker *worker)
{
	bench_groups(worker, bench_do_put, worker->kept, worker->row->pass_ops);
}

static bool fill_pass(bench_row *row)
{
	double get_ns, put_ns;

	if (!bench_timed(row, step_get_free, "get_ns", &get_ns) || !bench_timed(row, step_put_free, "put_ns", &put_ns))
		return false;
	row->pass_seconds = (get_ns + put_ns) * (double)row->pass_ops * 1e-9;
	return true;
}

static bool fill_setup(bench_row *row)
{
	row->pass_ops = fill_ops(row, bench_team_worker(row->team, 0)->n_blocks);
	if (!bench_team_run(row->team, step_fill))
		return bench_row_fail(row, "can't fill the memory to %llu %%", (unsigned long long)row->variant.value);
	return fill_pass(row) && fill_pass(row);
}

static void fill_sample(bench_worker *worker, uint64_t first, uint64_t n_ops)
{
	bench_do_get(worker, worker->kept + first, n_ops);
	worker->step_filled = first + n_ops;
}

static void fill_unsample(bench_worker *worker)
{
	bench_do_put(worker, worker->kept, worker->step_filled);
	worker->step_filled = 0;
}

const bench_case bench_case_fill = {
	.name = "fill",
	.question = "latency at 50, 90 and 99 % full, the free blocks scattered; percentiles of get",
	.rank = 60,
	.frames_known = true,
	.variants = fill_variants,
	.blocks = fill_blocks,
	.setup = fill_setup,
	.pass = fill_pass,
	.sample_op = fill_sample,
	.sample_finish = fill_unsample,
	.sample_positions = true,
};
