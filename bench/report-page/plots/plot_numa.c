/* SPDX-License-Identifier: MIT
 *
 * Memory of the thread's own node and of the furthest: what a page, a line, a get and a put cost; one figure per order,
 * the fewest threads, and one of a real VM of several nodes, where the nodes' memory files tell what came from where.
 */
#include "../rep_figure.h"

static const rep_mark marks[] = { { "own node, ns", REP_BAR, false },
				  { "furthest node, ns", REP_DIAMOND_RING, false },
				  { "ratio", REP_TICK, true } };
static const struct {
	const char *metric, *label;
} costs[] = { { "get_ns", "get" },
	      { "put_ns", "put" },
	      { "line_ns", "a cache line" },
	      { "page_ns", "a page, written again" },
	      { "first_touch_ns", "a page, first touch" } };

static const struct {
	const char *name, *title;
	int order; /**< -1: of a VM */
} kinds[] = { { "numa-order0", "Own node and furthest node, frames", 0 },
	      { "numa-order9", "Own node and furthest node, huge frames", 9 },
	      { "numa-vm", "Own node and furthest node, frames, in a real VM", -1 } };

/* Benchmarks name by their variant what real VMs name by their phase. */
static rep_query query_of(int order, const char *where)
{
	rep_query query = { REP_ANY, .scenario = "numa", .metric = "get_ns" };
	query.order = order;
	query.variant = order >= 0 ? where : NULL;
	query.phase = order < 0 ? where : NULL;
	return query;
}

static void caption_add(rep_text *caption, const rep_row *row)
{
	rep_text_add(
		caption,
		"%s, <span data-static>%u thread%s</span>. On nodes that only HWLOC_SYNTHETIC names nothing is bound: "
		"then both are the same memory. ",
		row->who, row->threads, row->threads == 1 ? "" : "s");
}

static void vm_caption_add(rep_text *caption, const rep_set *set, const rep_query *local, const rep_query *remote)
{
	const rep_query tests = { REP_ANY, .scenario = "numa", .phase = "tests" };
	rep_value passed = rep_set_value(set, tests, "passed");
	rep_text_add(caption, "llfree-zones, one thread of the guest. From the right node's memory file came ");
	rep_html_quantity(caption, rep_value_scaled(rep_set_value(set, *local, "placed"), 100), "%");
	rep_text_add(caption, " of what was local, and ");
	rep_html_quantity(caption, rep_value_scaled(rep_set_value(set, *remote, "placed"), 100), "%");
	rep_text_add(caption, " of what was remote. ");
	if (rep_value_is(passed)) {
		rep_text_add(caption, "Of the library's tests in that guest ");
		rep_html_number(caption, passed);
		rep_text_add(caption, " passed, ");
		rep_html_number(caption, rep_set_value(set, tests, "failed"));
		rep_text_add(caption, " failed. ");
	}
	rep_text_add(caption, "Under TCG no node is further away than another. ");
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	if (idx >= sizeof(kinds) / sizeof(kinds[0]))
		return REP_LAST;
	rep_query local = query_of(kinds[idx].order, "memory:local"),
		  remote = query_of(kinds[idx].order, "memory:remote");
	local.threads = remote.threads = (int)rep_set_fewest_threads(set, &local);
	const rep_row *row = rep_set_find(set, &local);
	if (row == NULL)
		return REP_NOTHING;
	rep_bars bars = {
		.axis = "ns (log scale)", .row_head = "what", .logarithmic = true, .marks = marks, .n_marks = 3
	};
	for (size_t at = 0; at < sizeof(costs) / sizeof(costs[0]); at++) {
		struct rep_bars_row *line = rep_bars_row(&bars, costs[at].label);
		line->colour = rep_colour_of(row->who != NULL ? row->who : row->allocator);
		line->values[0] = rep_set_value(set, local, costs[at].metric);
		line->values[1] = rep_set_value(set, remote, costs[at].metric);
		line->values[2] = rep_value_ratio(line->values[1], line->values[0]);
	}
	figure->name = kinds[idx].name;
	figure->title = kinds[idx].title;
	rep_caption_conditions(&figure->caption, row);
	if (kinds[idx].order < 0)
		vm_caption_add(&figure->caption, set, &local, &remote);
	else
		caption_add(&figure->caption, row);
	return rep_bars_draw(figure, &bars) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_numa = {
	.rank = 35,
	.section = "Memory of another node",
	.question = "What does memory of another NUMA node cost, and does the allocator add to it?",
	.command = "llfree-bench --cases numa --json FILE, or llfree-qemu run --scenario numa --json FILE",
	.build = build,
};
