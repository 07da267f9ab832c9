/* SPDX-License-Identifier: MIT
 *
 * Memory of the thread's own node and of the furthest: what a page, a line, a get and a put cost; one figure per order,
 * the fewest threads. */
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

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	if (idx >= 2)
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "numa", .metric = "get_ns" };
	query.order = idx == 0 ? 0 : 9;
	query.threads = (int)rep_set_fewest_threads(set, &query);
	const rep_row *row = rep_set_find(set, &query);
	if (row == NULL)
		return REP_NOTHING;
	rep_bars bars = {
		.axis = "ns (log scale)", .row_head = "what", .logarithmic = true, .marks = marks, .n_marks = 3
	};
	for (size_t at = 0; at < sizeof(costs) / sizeof(costs[0]); at++) {
		struct rep_bars_row *line = rep_bars_row(&bars, costs[at].label);
		line->colour = rep_colour_of(row->who);
		query.variant = "memory:local";
		line->values[0] = rep_set_value(set, query, costs[at].metric);
		query.variant = "memory:remote";
		line->values[1] = rep_set_value(set, query, costs[at].metric);
		line->values[2] = rep_value_ratio(line->values[1], line->values[0]);
	}
	figure->name = idx == 0 ? "numa-order0" : "numa-order9";
	figure->title = idx == 0 ? "Own node and furthest node, frames" : "Own node and furthest node, huge frames";
	rep_caption_conditions(&figure->caption, row);
	rep_text_add(
		&figure->caption,
		"%s, <span data-static>%d thread%s</span>. On nodes that only HWLOC_SYNTHETIC names nothing is bound: "
		"then both are the same memory. ",
		row->who, query.threads, query.threads == 1 ? "" : "s");
	return rep_bars_draw(figure, &bars) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_numa = {
	.rank = 35,
	.section = "Memory of another node",
	.question = "What does memory of another NUMA node cost, and does the allocator add to it?",
	.command = "llfree-bench --cases numa --json FILE",
	.build = build,
};
