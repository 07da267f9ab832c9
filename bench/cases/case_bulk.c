/* SPDX-License-Identifier: MIT
 *
 * bulk: each thread gets its share of half of the memory, then puts it back in the same order. */
#include "bench_team.h"

static bool bulk_pass(bench_row *row)
{
	double get_ns, put_ns;

	if (!bench_timed(row, bench_step_get, "get_ns", &get_ns) ||
	    !bench_timed(row, bench_step_put, "put_ns", &put_ns))
		return false;
	row->pass_seconds = (get_ns + put_ns) * (double)row->pass_ops * 1e-9;
	return true;
}

static bool bulk_setup(bench_row *row)
{
	return bulk_pass(row) && bulk_pass(row); /* page tables, caches and a malloc's own memory warm up */
}

static void bulk_unsample(bench_worker *worker)
{
	bench_do_put(worker, 0, worker->step_filled);
	worker->step_filled = 0;
}

static void bulk_sample(bench_worker *worker, uint64_t first, uint64_t n_ops)
{
	bench_do_get(worker, first, n_ops);
	worker->step_filled = first + n_ops;
}

const bench_case bench_case_bulk = {
	.name = "bulk",
	.question = "get half of the memory, then put it in the same order; percentiles of get",
	.rank = 10,
	.blocks = bench_half_of_memory,
	.setup = bulk_setup,
	.pass = bulk_pass,
	.sample_op = bulk_sample,
	.sample_finish = bulk_unsample,
	.sample_positions = true,
};
