/* SPDX-License-Identifier: MIT
 *
 * rand: half of the memory is allocated; put a random block of it, get another in its place. Measured in steady
 * state: after four passes over all allocations, when the order of allocation is forgotten. */
#include "bench_team.h"

enum { RAND_WARM_PASSES = 4 };

static void step_swap(bench_worker *worker)
{
	bench_groups(worker, bench_do_swap, 0, worker->n_blocks);
}

static bool rand_pass(bench_row *row)
{
	double pair_ns;

	if (!bench_timed(row, step_swap, "pair_ns", &pair_ns))
		return false;
	row->pass_seconds = pair_ns * (double)row->pass_ops * 1e-9;
	return true;
}

static bool rand_setup(bench_row *row)
{
	if (!bench_team_run(row->team, bench_step_get))
		return bench_row_fail(row, "filling half of the memory failed");
	for (int i = 0; i < RAND_WARM_PASSES; i++) {
		if (!rand_pass(row))
			return false;
	}
	return true;
}

static void rand_teardown(bench_row *row)
{
	if (row->team && !row->error[0])
		(void)bench_team_run(row->team, bench_step_put); /* a malloc serves the next row in the same process */
}

const bench_case bench_case_rand = {
	.name = "rand",
	.question =
		"half of the memory allocated: put a random block, get another; steady state; percentiles of the pair",
	.rank = 30,
	.blocks = bench_half_of_memory,
	.setup = rand_setup,
	.pass = rand_pass,
	.teardown = rand_teardown,
	.sample_op = bench_do_swap,
};
