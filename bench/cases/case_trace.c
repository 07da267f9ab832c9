/* SPDX-License-Identifier: MIT
 *
 * trace: a recorded course of allocation, again. The stream of operations is made before anything is timed; what is
 * still allocated at its end is put before the next pass. */
#include <stdio.h>
#include <stdlib.h>
#include "bench_clock.h"
#include "bench_team.h"
#include "trace_stream.h"

enum { CHUNK_OPS = 8192, LEAST_RUN = 32 };

typedef struct trace_times {
	double ns[BENCH_MAX_GROUPS]; /* per operation, of runs of one kind */
	uint32_t count;
} trace_times;

typedef struct trace_thread {
	trace_stream stream;
	uint64_t refused;
	trace_times get, put;
} trace_thread;

static trace_thread *thread_of(const bench_worker *worker)
{
	return (trace_thread *)worker->row->extra + worker->idx;
}

static bool inspect(const bench_options *options, trace_info *info)
{
	char why[256];

	return trace_inspect(options->trace_path, info, why, sizeof(why));
}

/* Of a guest's trace one row, whatever --orders says: its orders are its own. */
static bool trace_applies(const bench_options *options, const bench_allocator *allocator, uint32_t order)
{
	trace_info info;

	if (!inspect(options, &info) || info.max_order > allocator->table.max_order)
		return false;
	return !info.guest || order == options->orders.values[0];
}

static uint64_t trace_frames(const bench_row *row)
{
	bool bounded = row->allocator->writes_blocks;
	uint64_t frames =
		bounded ? row->options->malloc_bytes >> LLFREE_FRAME_SHIFT : bench_options_frames(row->options);
	trace_info info;

	return inspect(row->options, &info) && info.guest && info.frames > frames && !bounded ? info.frames : frames;
}

/* A tree's amounts are made smaller, so that its peak is half of the memory; never larger. */
static double trace_scale(const bench_row *row)
{
	double half = (double)bench_row_frames(row) / 2;
	trace_info info;

	if (!inspect(row->options, &info) || info.guest || half >= (double)info.peak_frames)
		return 1;
	return half / (double)info.peak_frames;
}

static void step_compile(bench_worker *worker)
{
	const bench_row *row = worker->row;
	trace_thread *trace = thread_of(worker);

	worker->failed = !trace_stream_make(&trace->stream, row->options->trace_path, worker->idx, row->threads,
					    row->order, trace_scale(row));
	worker->n_blocks = worker->failed ? 0 : (uint64_t)trace->stream.n_slots + 1;
	worker->blocks = worker->failed ? NULL : bench_map(worker->n_blocks * sizeof(worker->blocks[0]));
	worker->failed |= !worker->blocks;
	for (uint64_t i = 0; i < worker->n_blocks && !worker->failed; i++)
		worker->blocks[i] = BENCH_NO_BLOCK;
}

/* Operations of one kind in a row, at most CHUNK_OPS. */
static uint64_t run_length(const trace_stream *stream, uint64_t first)
{
	uint64_t end = first + 1;

	while (end < stream->n_ops && end - first < CHUNK_OPS && stream->ops[end].put == stream->ops[first].put)
		end++;
	return end - first;
}

static void add_time(trace_thread *trace, bool put, double ns)
{
	trace_times *times = put ? &trace->put : &trace->get;

	if (times->count < BENCH_MAX_GROUPS)
		times->ns[times->count++] = ns;
}

static uint64_t replay(bench_worker *worker, uint64_t first, uint64_t n_ops)
{
	trace_thread *trace = thread_of(worker);
	uint64_t start = bench_now_ns(), done, ns;

	done = worker->row->allocator->loops.replay(worker->self, worker->cpu, trace->stream.ops + first,
						    worker->blocks, n_ops, &trace->refused);
	ns = bench_now_ns() - start;
	worker->step_ns += ns;
	worker->step_ops += done;
	worker->failed |= done != n_ops;
	if (worker->n_groups < BENCH_MAX_GROUPS)
		worker->group_ns[worker->n_groups++] = (double)ns / (double)n_ops;
	return ns;
}

/* Long runs of one kind are timed by themselves; where gets and puts alternate, the two together. */
static void step_replay(bench_worker *worker)
{
	trace_thread *trace = thread_of(worker);
	const trace_stream *stream = &trace->stream;

	worker->step_ns = 0;
	for (uint64_t first = 0; first < stream->n_ops && !worker->failed;) {
		uint64_t n_ops = run_length(stream, first);

		if (n_ops >= LEAST_RUN) {
			bool put = stream->ops[first].put;

			add_time(trace, put, (double)replay(worker, first, n_ops) / (double)n_ops);
		} else {
			uint64_t next;

			while (first + n_ops < stream->n_ops && n_ops < CHUNK_OPS &&
			       (next = run_length(stream, first + n_ops)) < LEAST_RUN)
				n_ops += next;
			(void)replay(worker, first, n_ops);
		}
		first += n_ops;
	}
	worker->n_groups = 0; /* of unlike lengths and kinds: the mean is what op_ns says */
}

static void step_release(bench_worker *worker)
{
	const trace_stream *stream = &thread_of(worker)->stream;
	uint64_t none = 0;

	for (uint64_t i = stream->n_ops; i-- > 0;) { /* backwards: an entry's last get tells its order */
		bench_op op[1 + BENCH_AHEAD] = { stream->ops[i] };

		op[0].put = true;
		if (worker->blocks[op[0].slot] != BENCH_NO_BLOCK && !stream->ops[i].put)
			(void)worker->row->allocator->loops.replay(worker->self, worker->cpu, op, worker->blocks, 1,
								   &none);
	}
}

static int compare_double(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

/* The median of the runs, averaged over the threads that have any. */
static void add_median(bench_row *row, const char *metric, bool put)
{
	double sum = 0;
	uint32_t n_threads = 0;

	for (uint32_t i = 0; i < row->threads; i++) {
		trace_thread *trace = thread_of(bench_team_worker(row->team, i));
		trace_times *times = put ? &trace->put : &trace->get;

		if (!times->count)
			continue;
		qsort(times->ns, times->count, sizeof(times->ns[0]), compare_double);
		sum += times->ns[times->count / 2];
		n_threads++;
		times->count = 0;
	}
	if (n_threads)
		bench_metric_add(row, metric, sum / n_threads);
}

static bool trace_pass(bench_row *row)
{
	uint64_t refused = 0, n_ops = 0;
	double sum_ns = 0;

	if (!bench_team_run(row->team, step_replay))
		return bench_row_fail(row, "a put failed");
	for (uint32_t i = 0; i < row->threads; i++) {
		bench_worker *worker = bench_team_worker(row->team, i);

		refused += thread_of(worker)->refused;
		thread_of(worker)->refused = 0;
		n_ops += worker->step_ops;
		sum_ns += (double)worker->step_ns;
	}
	bench_metric_add(row, "op_ns", sum_ns / (double)n_ops);
	add_median(row, "get_ns", false);
	add_median(row, "put_ns", true);
	bench_metric_add(row, "refused_pct", 100.0 * (double)refused / (double)n_ops);
	bench_metric_add(row, "ops", (double)n_ops);
	bench_metric_add(row, "scale_pct", 100 * trace_scale(row));
	row->pass_seconds = sum_ns / (double)n_ops * (double)row->pass_ops * 1e-9;
	return bench_team_run(row->team, step_release);
}

static bool trace_setup(bench_row *row)
{
	uint64_t n_ops = 0;

	row->extra = calloc(row->threads, sizeof(trace_thread));
	if (!row->extra)
		return bench_row_fail(row, "out of memory");
	if (!bench_team_run(row->team, step_compile))
		return bench_row_fail(row, "%s can't be turned into operations", row->options->trace_path);
	for (uint32_t i = 0; i < row->threads; i++)
		n_ops += thread_of(bench_team_worker(row->team, i))->stream.n_ops;
	row->pass_ops = n_ops / row->threads;
	if (!row->pass_ops)
		return bench_row_fail(row, "the trace has no operation for %u threads in blocks of order %u",
				      row->threads, row->order);
	return trace_pass(row);
}

static void trace_teardown(bench_row *row)
{
	trace_thread *all = row->extra;

	for (uint32_t i = 0; all && i < row->threads; i++)
		trace_stream_free(&all[i].stream);
	free(all);
}

static bool trace_missing(const bench_options *options, const bench_allocator *allocator, char *why, size_t why_bytes)
{
	trace_info info;

	if (!trace_inspect(options->trace_path, &info, why, why_bytes))
		return true;
	snprintf(why, why_bytes, "the trace has runs of order %u", info.max_order);
	return info.max_order > allocator->table.max_order;
}

const bench_case bench_case_trace = {
	.name = "trace",
	.question = "a recorded build, or any --trace FILE of hvsim record: its gets and puts again; ns per operation",
	.rank = 64,
	.applies = trace_applies,
	.missing = trace_missing,
	.frames = trace_frames,
	.setup = trace_setup,
	.pass = trace_pass,
	.teardown = trace_teardown,
};
