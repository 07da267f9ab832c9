/* SPDX-License-Identifier: MIT
 *
 * xfree: producers and consumers. Every thread gets its share of half of the memory; then every thread puts what its
 * neighbour got. From two threads on. */
#include "bench_team.h"

static bench_worker *neighbour(const bench_worker *worker)
{
	const bench_row *row = worker->row;

	return bench_team_worker(row->team, (worker->idx + 1) % row->threads);
}

static void put_neighbours(bench_worker *worker, uint64_t first, uint64_t n_ops)
{
	const bench_row *row = worker->row;
	uint64_t done = row->allocator->loops.put(worker->self, worker->cpu, row->order,
						  neighbour(worker)->blocks + first, n_ops);

	worker->counts.put += done;
	worker->step_ops += done;
	worker->failed |= done != n_ops;
}

static void step_put_neighbours(bench_worker *worker)
{
	bench_groups(worker, put_neighbours, 0, worker->n_blocks);
}

static bool xfree_pass(bench_row *row)
{
	double get_ns, put_ns;

	if (!bench_timed(row, bench_step_get, "get_ns", &get_ns) ||
	    !bench_timed(row, step_put_neighbours, "put_ns", &put_ns))
		return false;
	row->pass_seconds = (get_ns + put_ns) * (double)row->pass_ops * 1e-9;
	return true;
}

static bool xfree_setup(bench_row *row)
{
	return xfree_pass(row) && xfree_pass(row);
}

static void xfree_prepare(bench_worker *worker)
{
	worker->step_filled = 0;
	bench_step_get(worker);
}

static void xfree_sample(bench_worker *worker, uint64_t first, uint64_t n_ops)
{
	put_neighbours(worker, first, n_ops);
	worker->step_filled = first + n_ops;
}

static void xfree_finish(bench_worker *worker)
{
	put_neighbours(worker, worker->step_filled, worker->n_blocks - worker->step_filled);
}

const bench_case bench_case_xfree = {
	.name = "xfree",
	.question = "get on one thread, put on another; percentiles of put",
	.rank = 40,
	.min_threads = 2,
	.blocks = bench_half_of_memory,
	.setup = xfree_setup,
	.pass = xfree_pass,
	.sample_prepare = xfree_prepare,
	.sample_op = xfree_sample,
	.sample_finish = xfree_finish,
	.sample_positions = true,
};
