/* SPDX-License-Identifier: MIT
 *
 * Steps that several cases share: they run an allocator's loops over the worker's blocks and take the time. */
#include "bench_team.h"

#include <stdlib.h>
#include "bench_clock.h"

enum { BATCH_BLOCKS = 64, GROUP_OPS = 8192 };

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

void bench_do_pair(bench_worker *worker, uint64_t first, uint64_t n_ops)
{
	const bench_row *row = worker->row;
	uint64_t done = row->allocator->loops.pair(worker->self, worker->cpu, row->order, n_ops);

	(void)first;
	worker->counts.pair += done;
	finish(worker, done, n_ops);
}

void bench_do_swap(bench_worker *worker, uint64_t first, uint64_t n_ops)
{
	const bench_row *row = worker->row;
	uint64_t done = row->allocator->loops.swap(worker->self, worker->cpu, row->order, worker->blocks,
						   worker->n_blocks, n_ops, &worker->rng);

	(void)first;
	worker->counts.swap += done;
	finish(worker, done, n_ops);
}

static void do_get_batch(bench_worker *worker, uint64_t first, uint64_t n_ops)
{
	uint64_t done = worker->row->allocator->loops.get_batch(worker->self, worker->cpu, worker->blocks + first,
								n_ops, BATCH_BLOCKS);

	worker->counts.get_batch += done;
	finish(worker, done, n_ops);
}

static void do_put_batch(bench_worker *worker, uint64_t first, uint64_t n_ops)
{
	uint64_t done = worker->row->allocator->loops.put_batch(worker->self, worker->cpu, worker->blocks + first,
								n_ops, BATCH_BLOCKS);

	worker->counts.put_batch += done;
	finish(worker, done, n_ops);
}

void bench_groups(bench_worker *worker, bench_ops ops, uint64_t first, uint64_t n_ops)
{
	uint64_t start = bench_now_ns(), before = start, now = start;

	for (uint64_t done = 0; done < n_ops && !worker->failed;) {
		uint64_t group = n_ops - done < GROUP_OPS ? n_ops - done : GROUP_OPS;

		ops(worker, first + done, group);
		now = bench_now_ns();
		if (worker->n_groups < BENCH_MAX_GROUPS)
			worker->group_ns[worker->n_groups++] = (double)(now - before) / (double)group;
		before = now;
		done += group;
	}
	worker->step_ns = now - start;
}

void bench_step_get(bench_worker *worker)
{
	bench_groups(worker, bench_do_get, 0, worker->n_blocks);
}

void bench_step_put(bench_worker *worker)
{
	bench_groups(worker, bench_do_put, 0, worker->n_blocks);
}

void bench_step_get_batch(bench_worker *worker)
{
	bench_groups(worker, do_get_batch, 0, worker->n_blocks);
}

void bench_step_put_batch(bench_worker *worker)
{
	bench_groups(worker, do_put_batch, 0, worker->n_blocks);
}

void bench_step_shuffle(bench_worker *worker)
{
	bench_rng_shuffle(&worker->rng, worker->blocks, worker->n_blocks);
}

static int compare_double(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

static double typical_ns(bench_worker *worker)
{
	if (worker->n_groups == 0)
		return (double)worker->step_ns / (double)worker->step_ops;
	qsort(worker->group_ns, worker->n_groups, sizeof(worker->group_ns[0]), compare_double);
	return worker->group_ns[worker->n_groups / 2];
}

bool bench_timed(bench_row *row, bench_step step, const char *metric, double *ns_per_op)
{
	const bench_worker *first = bench_team_worker(row->team, 0);
	double sum_ns = 0;

	if (!bench_team_run(row->team, step))
		return bench_row_fail(row, "%s: an operation failed (thread 0 did %llu)", metric,
				      (unsigned long long)first->step_ops);
	*ns_per_op = bench_team_mean_ns(row->team) / (double)first->step_ops;
	for (uint32_t i = 0; i < row->threads; i++)
		sum_ns += typical_ns(bench_team_worker(row->team, i));
	bench_metric_add(row, metric, sum_ns / row->threads);
	return true;
}
