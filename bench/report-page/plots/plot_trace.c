/* SPDX-License-Identifier: MIT
 *
 * A recorded course of allocation again, by allocator, the fewest threads: by single frames and by huge ones. */
#include "../rep_figure.h"

static const rep_mark marks[] = { { "mean of all, ns", REP_BAR, false },  { "get, ns", REP_RING, false },
				  { "put, ns", REP_DIAMOND_RING, false }, { "x one exchange", REP_TICK, true },
				  { "operations", REP_TICK, true },       { "refused, %", REP_TICK, true },
				  { "scaled to, %", REP_TICK, true } };
static const char *const metrics[] = { "op_ns", "get_ns", "put_ns", "op_x_cas", "ops", "refused_pct", "scale_pct" };
enum { N_MARKS = sizeof(marks) / sizeof(marks[0]) };

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	if (idx >= 2)
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "trace", .metric = "op_ns" };
	query.order = idx == 0 ? 0 : 9;
	query.threads = (int)rep_set_fewest_threads(set, &query);
	const rep_row *first = rep_set_find(set, &query);
	if (first == NULL)
		return REP_NOTHING;
	rep_bars bars = { .axis = "ns per operation", .row_head = "allocator", .marks = marks, .n_marks = N_MARKS };
	rep_bars_metrics(&bars, set, query, metrics, N_MARKS);
	figure->name = idx == 0 ? "trace-order0" : "trace-order9";
	figure->title = idx == 0 ? "A recorded trace again, in frames" : "A recorded trace again, in huge frames";
	rep_caption_conditions(&figure->caption, first);
	rep_text_add(&figure->caption,
		     "<span data-static>%d thread%s</span>. The mean is over all operations; rings and diamonds are "
		     "medians of "
		     "long runs of gets or of puts, absent where the trace has none. ",
		     query.threads, query.threads == 1 ? "" : "s");
	return rep_bars_draw(figure, &bars) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_trace = {
	.rank = 32,
	.section = "A trace again",
	.question = "How fast is what a real program asked for, in its own order?",
	.command = "llfree-bench --cases trace --threads 1 --json FILE",
	.build = build,
};
