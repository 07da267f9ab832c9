/* SPDX-License-Identifier: MIT
 *
 * scale: what a get and a put would cost with more cores than this machine has. The allocator's core runs on a
 * simulated machine (bench/scale): cores x nodes x how many share a slot. Its cache costs are this machine's, measured,
 * or those of --line-costs. Counts per operation: retries, slot misses, searches, lines that came from another core. */
#include <stdio.h>
#include <string.h>
#include "bench_clock.h"
#include "bench_team.h"
#include "gbench.h"
#include "scale_line.h"
#include "scale_machine.h"

enum { SCALE_OPS = 2000, LEAST_OPS = 128, SCALE_FRAMES_PER_CORE = 8 * 8192, CAS_OPS = 10000 };

/* The value of a variant is its place here. */
static const struct scale_row {
	uint8_t cores, per_slot, nodes, zones;
} scale_rows[] = { { 1, 1, 1, 1 },   { 2, 1, 1, 1 },  { 4, 1, 1, 1 },  { 8, 1, 1, 1 },
		   { 16, 1, 1, 1 },  { 26, 1, 1, 1 }, { 64, 1, 1, 1 }, { 128, 1, 1, 1 },
		   { 2, 2, 1, 1 },   { 8, 8, 1, 1 },  { 26, 2, 1, 1 }, { 26, 26, 1, 1 },
		   { 128, 2, 1, 1 }, { 26, 2, 2, 1 }, { 26, 2, 2, 2 }, { 128, 1, 2, 2 } };
_Static_assert(sizeof(scale_rows) / sizeof(scale_rows[0]) <= BENCH_MAX_VARIANTS, "one variant each");

static uint32_t scale_variants(const bench_options *options, bench_variant *variants)
{
	uint32_t count = sizeof(scale_rows) / sizeof(scale_rows[0]);

	(void)options;
	for (uint32_t i = 0; i < count; i++) {
		const struct scale_row *at = &scale_rows[i];

		variants[i].value = i;
		snprintf(variants[i].suffix, sizeof(variants[i].suffix), "c:%u/slot:%u/n:%u/z:%u", at->cores,
			 at->per_slot, at->nodes, at->zones);
	}
	return count;
}

static bool scale_applies(const bench_options *options, const bench_allocator *allocator, uint32_t order)
{
	/* on request: what it says does not depend on this machine's speed, and it takes its time */
	return bench_names_contain(&options->cases, "scale") && order <= LLFREE_HUGE_ORDER &&
	       (!strcmp(allocator->table.name, "llfree") || !strcmp(allocator->table.name, "llfree-exact"));
}

/* The allocator of the row itself is not used: next to nothing. */
static uint64_t scale_frames(const bench_row *row)
{
	(void)row;
	return LLFREE_TREE_FRAMES;
}

static scale_costs costs_of(const bench_options *options)
{
	scale_costs costs = { .work_ns = 2,
			      .load_ns = 0.3,
			      .cas_ns = options->line_costs.values[0],
			      .line_ns = options->line_costs.values[1],
			      .remote_ns = options->line_costs.values[2] };

	if (!options->line_costs.count) {
		costs.cas_ns = bench_cas_ns(CAS_OPS);
		costs.line_ns = scale_line_ns();
		costs.remote_ns = 2 * costs.line_ns;
	}
	return costs;
}

static bool run_load(bench_row *row, scale_load load, scale_result *result)
{
	const struct scale_row *at = &scale_rows[row->variant.value];
	uint64_t ops = at->per_slot > SCALE_OPS / LEAST_OPS ? LEAST_OPS : (uint64_t)SCALE_OPS / at->per_slot;
	uint64_t trees = (uint64_t)at->cores * SCALE_FRAMES_PER_CORE / LLFREE_TREE_FRAMES + 8;
	scale_run run = { .cores = at->cores,
			  .cores_per_slot = at->per_slot,
			  .nodes = at->nodes,
			  .zones = at->zones,
			  .order = row->order,
			  .exact = strcmp(row->subject, "llfree") != 0,
			  .load = load,
			  .frames = trees * LLFREE_TREE_FRAMES * at->zones,
			  .ops = row->order ? (ops >> row->order) + 8 : ops,
			  .seed = row->options->seed,
			  .costs = costs_of(row->options) };

	bench_metric_add(row, "line_ns", run.costs.line_ns);
	return scale_machine_run(&run, result) || bench_row_fail(row, "the simulated allocator found no run");
}

static bool scale_pass(bench_row *row)
{
	scale_result bulk, repeat, rand;
	uint64_t start_ns = bench_now_ns();

	if (!run_load(row, SCALE_BULK, &bulk) || !run_load(row, SCALE_REPEAT, &repeat) ||
	    !run_load(row, SCALE_RAND, &rand))
		return false;
	bench_metric_add(row, "get_ns", bulk.get_ns);
	bench_metric_add(row, "put_ns", bulk.put_ns);
	bench_metric_add(row, "pair_ns", repeat.get_ns + repeat.put_ns);
	bench_metric_add(row, "rand_pair_ns", rand.get_ns + rand.put_ns);
	bench_metric_add(row, "cas", bulk.cas);
	bench_metric_add(row, "retries", bulk.retries);
	bench_metric_add(row, "lines", bulk.transfers);
	bench_metric_add(row, "wait_ns", bulk.waits_ns);
	bench_metric_add(row, "get_misses", bulk.refills);
	bench_metric_add(row, "put_misses", bulk.put_misses);
	bench_metric_add(row, "searches", bulk.searches);
	bench_metric_add(row, "rand_retries", rand.retries);
	bench_metric_add(row, "rand_lines", rand.transfers);
	row->pass_ops = 1;
	row->pass_seconds = (double)(bench_now_ns() - start_ns) * 1e-9;
	return true;
}

static bool scale_setup(bench_row *row)
{
	row->pass_ops = 1;
	return true;
}

const bench_case bench_case_scale = {
	.name = "scale",
	.question = "simulated: cost of get and put, retries, slot misses, searches with c cores, c per slot, n nodes, "
		    "z zones",
	.rank = 95,
	.one_thread = true,
	.once = true,
	.frames_known = true,
	.variants = scale_variants,
	.applies = scale_applies,
	.frames = scale_frames,
	.setup = scale_setup,
	.pass = scale_pass,
};
