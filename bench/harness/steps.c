/* SPDX-License-Identifier: MIT
 *
 * Steps that several cases share: they run an allocator's loops over the worker's blocks and take the time. */
#include "bench_clock.h"
#include "bench_team.h"

enum { BATCH_BLOCKS = 64 };

static void finish(bench_worker *worker, uint64_t done_ops, uint64_t wanted_ops)
{
	worker->step_ops += done_ops;
	worker->failed |= done_ops != wanted_ops;
}

void bench_do_get(bench_worker *worker, uint64_t first, uint64_t n_ops)
{
	const bench_row *row = worker->row;
	uint64_t done = row->allocator->loops.get(worker->self, worker->cpu, row->order, worker->blocks + first, n_ops);

	worker->counts.get += done;
	finish(worker, done, n_ops);
}

void bench_do_put(bench_worker *worker, uint64_t first, uint64_t n_ops)
{
	const bench_row *row = worker->row;
	uint64_t done = row->allocator->loops.put(worker->self, worker->cpu, row->order, worker->blocks + first, n_ops);

	worker->counts.put += done;
	finish(worker, done, n_ops);
}

void bench_do_pair(bench_worker *worker, uint64_t n_ops)
{
	const bench_row *row = worker->row;
	uint64_t done = row->allocator->loops.pair(worker->self, worker->cpu, row->order, n_ops);

	worker->counts.pair += done;
	finish(worker, done, n_ops);
}

void bench_do_swap(bench_worker *worker, uint64_t n_ops)
{
	const bench_row *row = worker->row;
	uint64_t done = row->allocator->loops.swap(worker->self, worker->cpu, row->order, worker->blocks,
						   worker->n_blocks, n_ops, &worker->rng);

	worker->counts.swap += done;
	finish(worker, done, n_ops);
}

void bench_step_get(bench_worker *worker)
{
	uint64_t start = bench_now_ns();

	bench_do_get(worker, 0, worker->n_blocks);
	worker->step_ns = bench_now_ns() - start;
}

void bench_step_put(bench_worker *worker)
{
	uint64_t start = bench_now_ns();

	bench_do_put(worker, 0, worker->n_blocks);
	worker->step_ns = bench_now_ns() - start;
}

void bench_step_get_batch(bench_worker *worker)
{
	const bench_loops *loops = &worker->row->allocator->loops;
	uint64_t start = bench_now_ns();
	uint64_t done = loops->get_batch(worker->self, worker->cpu, worker->blocks, worker->n_blocks, BATCH_BLOCKS);

	worker->step_ns = bench_now_ns() - start;
	worker->counts.get_batch += done;
	finish(worker, done, worker->n_blocks);
}

void bench_step_put_batch(bench_worker *worker)
{
	const bench_loops *loops = &worker->row->allocator->loops;
	uint64_t start = bench_now_ns();
	uint64_t done = loops->put_batch(worker->self, worker->cpu, worker->blocks, worker->n_blocks, BATCH_BLOCKS);

	worker->step_ns = bench_now_ns() - start;
	worker->counts.put_batch += done;
	finish(worker, done, worker->n_blocks);
}

void bench_step_shuffle(bench_worker *worker)
{
	bench_rng_shuffle(&worker->rng, worker->blocks, worker->n_blocks);
}

bool bench_timed(bench_row *row, bench_step step, const char *metric, double *ns_per_op)
{
	const bench_worker *first = bench_team_worker(row->team, 0);

	if (!bench_team_run(row->team, step))
		return bench_row_fail(row, "%s: an operation failed (thread 0 did %llu)", metric,
				      (unsigned long long)first->step_ops);
	*ns_per_op = bench_team_mean_ns(row->team) / (double)first->step_ops;
	bench_metric_add(row, metric, *ns_per_op);
	return true;
}
