/* SPDX-License-Identifier: MIT
 *
 * Percentiles of single operations, in a pass of their own after the warm-up: the clock costs more than most
 * operations. p50 and p90 come from groups of 32 operations between two readings, divided by 32; p99 and above from
 * single operations, and contain the timer's cost, which the row reports as timer_ns. A row with few blocks is sampled
 * in several rounds; one with hardly any takes all percentiles from single operations. */
#include <stdlib.h>
#include "bench_clock.h"
#include "bench_team.h"

enum {
	GROUP_OPS = 32,
	SINGLE_SAMPLES = 100000,
	GROUP_SAMPLES = 4000,
	LEAST_GROUPS = 8, /* a round; with fewer, groups say nothing */
	MAX_ROUNDS = 100,
	MODE_BUDGET_NS = 60 * 1000 * 1000
};

const char *const bench_percentile_names[6] = { "p50", "p90", "p99", "p99.9", "p99.99", "max" };
static const double quantiles[6] = { 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0 };

typedef struct samples {
	uint32_t *ns;     /* of all workers, SINGLE_SAMPLES each */
	uint32_t *counts; /* by worker */
	uint32_t group_ops, most;
	uint64_t positions; /* groups in a round */
	uint64_t begin_ns;
} samples;

/* One row samples at a time; the steps find its buffers here. */
static samples current;

static int compare_u32(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

static void step_sample(bench_worker *worker)
{
	const bench_case *kind = worker->row->kind;
	uint32_t *out = current.ns + (size_t)worker->idx * SINGLE_SAMPLES;
	uint32_t count = current.counts[worker->idx];

	for (uint64_t i = 0; i < current.positions && count < current.most && !worker->failed; i++) {
		uint64_t start = bench_now_ns(), end;

		if (start - current.begin_ns > MODE_BUDGET_NS)
			break;
		kind->sample_op(worker, i * current.group_ops, current.group_ops);
		end = bench_now_ns();
		out[count++] = end - start > UINT32_MAX ? UINT32_MAX : (uint32_t)(end - start);
	}
	current.counts[worker->idx] = count;
}

/* The samples of all workers, sorted, at the front. */
static uint64_t gather(uint32_t threads)
{
	uint64_t total = 0;

	for (uint32_t t = 0; t < threads; t++) {
		for (uint32_t i = 0; i < current.counts[t]; i++)
			current.ns[total++] = current.ns[(size_t)t * SINGLE_SAMPLES + i];
	}
	qsort(current.ns, total, sizeof(current.ns[0]), compare_u32);
	return total;
}

static double quantile(uint64_t total, double share)
{
	uint64_t idx = (uint64_t)(share * (double)total);

	return current.ns[idx >= total ? total - 1 : idx];
}

static bool sample_round(bench_row *row)
{
	const bench_case *kind = row->kind;

	return (!kind->sample_prepare || bench_team_run(row->team, kind->sample_prepare)) &&
	       bench_team_run(row->team, step_sample) &&
	       (!kind->sample_finish || bench_team_run(row->team, kind->sample_finish));
}

/* Fill percentiles from..to-1. */
static bool sample_mode(bench_row *row, uint32_t group_ops, uint32_t most, uint32_t from, uint32_t to)
{
	uint64_t total;

	current.group_ops = group_ops;
	current.most = most;
	current.positions = row->kind->sample_positions ? row->pass_ops / group_ops : most;
	current.begin_ns = bench_now_ns();
	for (uint32_t t = 0; t < row->threads; t++)
		current.counts[t] = 0;
	for (uint32_t round = 0; round < MAX_ROUNDS && current.counts[0] < most; round++) {
		if (bench_now_ns() - current.begin_ns > MODE_BUDGET_NS)
			break;
		if (!sample_round(row))
			return bench_row_fail(row, "an operation failed while sampling");
	}
	total = gather(row->threads);
	for (uint32_t i = from; i < to && total; i++)
		row->percentiles[i] = quantile(total, quantiles[i]) / group_ops;
	return true;
}

bool bench_sample_row(bench_row *row)
{
	size_t ns_bytes = (size_t)row->threads * SINGLE_SAMPLES * sizeof(uint32_t);
	size_t counts_bytes = row->threads * sizeof(uint32_t);
	bool grouped = !row->kind->sample_positions || row->pass_ops >= (uint64_t)GROUP_OPS * LEAST_GROUPS;
	bool ok;

	current = (samples){ .ns = bench_map(ns_bytes), .counts = bench_map(counts_bytes) };
	if (!current.ns || !current.counts)
		ok = bench_row_fail(row, "out of memory");
	else
		ok = grouped ? sample_mode(row, GROUP_OPS, GROUP_SAMPLES, 0, 2) &&
				       sample_mode(row, 1, SINGLE_SAMPLES, 2, 6)
			     : sample_mode(row, 1, SINGLE_SAMPLES, 0, 6);
	bench_unmap(current.ns, ns_bytes);
	bench_unmap(current.counts, counts_bytes);
	return ok;
}
