/* SPDX-License-Identifier: MIT
 *
 * batch: as bulk, but 64 frames a call. Only for allocators that have batch calls. */
#include "bench_team.h"

static bool batch_pass(bench_row *row)
{
	double get_ns, put_ns;

	if (!bench_timed(row, bench_step_get_batch, "get_ns", &get_ns) ||
	    !bench_timed(row, bench_step_put_batch, "put_ns", &put_ns))
		return false;
	row->pass_seconds = (get_ns + put_ns) * (double)row->pass_ops * 1e-9;
	return true;
}

const bench_case bench_case_batch = {
	.name = "batch",
	.question = "get half of the memory in calls of 64 frames, then put it likewise; ns per frame",
	.rank = 50,
	.order0_only = true,
	.needs_batch = true,
	.blocks = bench_half_of_memory,
	.setup = batch_pass,
	.pass = batch_pass,
};
