/* SPDX-License-Identifier: MIT
 *
 * repeat: get a block and put it straight back, over and over. The case of per-CPU and per-thread caches. */
#include "bench_team.h"

enum { REPEAT_PAIRS = 65536, REPEAT_LEAST = 256 };

static void step_pairs(bench_worker *worker)
{
	bench_groups(worker, bench_do_pair, 0, worker->row->pass_ops);
}

static bool repeat_pass(bench_row *row)
{
	double pair_ns;

	if (!bench_timed(row, step_pairs, "pair_ns", &pair_ns))
		return false;
	row->pass_seconds = pair_ns * (double)row->pass_ops * 1e-9;
	return true;
}

static bool repeat_setup(bench_row *row)
{
	uint64_t pairs = (uint64_t)REPEAT_PAIRS >> row->order;

	row->pass_ops = pairs < REPEAT_LEAST ? REPEAT_LEAST : pairs;
	return repeat_pass(row);
}

const bench_case bench_case_repeat = {
	.name = "repeat",
	.question = "get a block and put it straight back; pair_ns and percentiles of the pair",
	.rank = 20,
	.setup = repeat_setup,
	.pass = repeat_pass,
	.sample_op = bench_do_pair,
};
