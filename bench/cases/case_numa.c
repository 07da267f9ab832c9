/* SPDX-License-Identifier: MIT
 *
 * numa: memory of the thread's own node against memory of the node furthest from it. Each thread is bound to a node, in
 * turn; it gets its blocks there or far away, writes a word into every page twice, a word into every cache line, and
 * puts the blocks. Zones only; skipped where there is one node, unless hwloc is told of more (then nothing is bound,
 * and both rows show the same memory). */
#include <stdio.h>
#include <string.h>
#include <llfree/zones.h>
#include "bench_clock.h"
#include "bench_team.h"
#include "gbench.h"

enum { NUMA_LINE = 64, NUMA_SHARE = 8 };

static uint32_t numa_variants(const bench_options *options, bench_variant *variants)
{
	(void)options;
	variants[0] = (bench_variant){ .suffix = "memory:local", .value = 0 };
	variants[1] = (bench_variant){ .suffix = "memory:remote", .value = 1 };
	return 2;
}

static bool is_zones(const bench_allocator *allocator)
{
	return !strcmp(allocator->table.name, "llfree-zones");
}

/* The topology is read once; a number without zones is enough here. */
static uint32_t node_count(void)
{
	static uint32_t n_nodes;
	llfree_zones_config machine = { 0 };
	llfree_zones *zones;

	if (!n_nodes && llfree_zones_create(&zones, &machine) == LLFREE_OK) {
		n_nodes = llfree_zones_nodes(zones);
		llfree_zones_destroy(zones);
	}
	return n_nodes;
}

static bool numa_applies(const bench_options *options, const bench_allocator *allocator, uint32_t order)
{
	(void)options, (void)order;
	return is_zones(allocator) && node_count() > 1;
}

static bool numa_missing(const bench_options *options, const bench_allocator *allocator, char *why, size_t why_bytes)
{
	(void)options;
	snprintf(why, why_bytes, "one NUMA node here; HWLOC_SYNTHETIC can name more, without binding");
	return is_zones(allocator) && node_count() <= 1;
}

static uint64_t numa_blocks(const bench_row *row)
{
	return row->options->write_bytes / NUMA_SHARE / LLFREE_FRAME_BYTES / row->threads >> row->order;
}

static uint32_t own_node(const bench_worker *worker)
{
	return worker->idx % llfree_zones_nodes(worker->row->state);
}

static uint32_t memory_node(const bench_worker *worker)
{
	const llfree_zones *zones = worker->row->state;
	uint32_t furthest = llfree_zones_nodes(zones) - 1;

	return llfree_zones_nearest(zones, own_node(worker), worker->row->variant.value ? furthest : 0);
}

static void step_bind(bench_worker *worker)
{
	/* A node of memory alone has no CPUs to go to: the thread stays where it is. */
	if (llfree_zones_bind_thread(worker->row->state, own_node(worker)) == LLFREE_ERR_SYSTEM)
		worker->failed = true;
}

static llfree_request request_of(const bench_worker *worker)
{
	uint8_t class_idx = worker->row->order >= LLFREE_HUGE_ORDER ? LLFREE_CLASS_HUGE : LLFREE_CLASS_MOVABLE;

	return (llfree_request){ llfree_current_cpu(), (uint8_t)worker->row->order, class_idx };
}

static void step_get(bench_worker *worker)
{
	llfree_zones_from from = { .named = true, .no_fallback = true, .node = memory_node(worker) };
	uint64_t start = bench_now_ns();

	for (uint64_t i = 0; i < worker->n_blocks && !worker->failed; i++)
		worker->failed = llfree_zones_get_from(worker->row->state, request_of(worker), &from,
						       &worker->blocks[i]) != LLFREE_OK;
	worker->step_ns = bench_now_ns() - start;
	worker->step_ops = worker->n_blocks;
}

static void step_put(bench_worker *worker)
{
	uint64_t start = bench_now_ns();

	for (uint64_t i = 0; i < worker->n_blocks && !worker->failed; i++)
		worker->failed =
			llfree_zones_put(worker->row->state, request_of(worker), worker->blocks[i]) != LLFREE_OK;
	worker->step_ns = bench_now_ns() - start;
	worker->step_ops = worker->n_blocks;
}

/* A word every stride bytes; the step counts words. */
static void write_blocks(bench_worker *worker, size_t stride)
{
	size_t block_bytes = (size_t)LLFREE_FRAME_BYTES << worker->row->order;
	uint64_t start = bench_now_ns();

	for (uint64_t i = 0; i < worker->n_blocks; i++) {
		volatile uint8_t *bytes = llfree_zones_address(worker->row->state, worker->blocks[i]);

		for (size_t at = 0; at < block_bytes; at += stride)
			bytes[at] = (uint8_t)(at + 1);
	}
	worker->step_ns = bench_now_ns() - start;
	worker->step_ops = worker->n_blocks * (block_bytes / stride);
}

static void step_pages(bench_worker *worker)
{
	write_blocks(worker, LLFREE_FRAME_BYTES);
}

static void step_lines(bench_worker *worker)
{
	write_blocks(worker, NUMA_LINE);
}

static bool timed(bench_row *row, bench_step step, const char *metric)
{
	if (!bench_team_run(row->team, step))
		return bench_row_fail(row, "%s: an operation failed", metric);
	bench_metric_add(row, metric,
			 bench_team_mean_ns(row->team) / (double)bench_team_worker(row->team, 0)->step_ops);
	return true;
}

static bool numa_pass(bench_row *row)
{
	uint64_t start_ns = bench_now_ns();
	bool ok = timed(row, step_get, "get_ns") && timed(row, step_pages, "first_touch_ns") &&
		  timed(row, step_pages, "page_ns") && timed(row, step_lines, "line_ns") &&
		  timed(row, step_put, "put_ns");

	row->pass_seconds = (double)(bench_now_ns() - start_ns) * 1e-9;
	return ok;
}

static bool numa_setup(bench_row *row)
{
	return bench_team_run(row->team, step_bind) || bench_row_fail(row, "a thread can't be bound to its node");
}

const bench_case bench_case_numa = {
	.name = "numa",
	.question =
		"memory of the own node against the furthest one: get, first touch, a word a page, a word a line, put",
	.rank = 72,
	.backed = true,
	.fresh = true,
	.once = true,
	.variants = numa_variants,
	.applies = numa_applies,
	.missing = numa_missing,
	.blocks = numa_blocks,
	.setup = numa_setup,
	.pass = numa_pass,
};
