/* SPDX-License-Identifier: MIT
 *
 * Allocation latency by allocator, with percentiles: one figure per pattern of use, order 0, the fewest threads. */
#include "../rep_figure.h"

static const struct {
	const char *name, *title, *scenario, *metric, *samples_of;
} patterns[] = {
	{ "latency-bulk-get", "Get: frames of order 0 one after another", "bulk", "get_ns", "percentiles of get" },
	{ "latency-bulk-put", "Put: the same frames in the same order", "bulk", "put_ns", NULL },
	{ "latency-repeat", "Get and put straight back, as a pair", "repeat", "pair_ns", "percentiles of put and get" },
	{ "latency-rand", "Put a random frame and get another, as a pair", "rand", "pair_ns",
	  "percentiles of put and get; each sample begins the loop anew, which is slower" },
};

static const rep_mark marks[] = { { "median, ns", REP_BAR, false }, { "p50", REP_TICK, true },
				  { "p99", REP_DOT, false },        { "p99.9", REP_DIAMOND, false },
				  { "p99.99", REP_CROSS, false },   { "x one exchange", REP_TICK, true },
				  { "low, ns", REP_TICK, true },    { "high, ns", REP_TICK, true } };

static void row_fill(const rep_set *set, const rep_query *query, rep_bars *bars, const rep_row *found, bool percentiles)
{
	struct rep_bars_row *row = rep_bars_row(bars, query->who);
	row->values[0] = found->median;
	if (percentiles) {
		row->values[1] = rep_set_value(set, *query, "p50");
		row->values[2] = rep_set_value(set, *query, "p99");
		row->values[3] = rep_set_value(set, *query, "p99.9");
		row->values[4] = rep_set_value(set, *query, "p99.99");
	}
	row->values[5] = rep_value_ratio(found->median, rep_set_value(set, *query, "cas_ns"));
	if (found->n_samples > 1) {
		row->values[6] = found->low;
		row->values[7] = found->high;
	}
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	if (idx >= sizeof(patterns) / sizeof(patterns[0]))
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = patterns[idx].scenario, .metric = patterns[idx].metric };
	query.order = 0;
	query.threads = (int)rep_set_fewest_threads(set, &query);
	const rep_row *first = rep_set_find(set, &query);
	if (first == NULL)
		return REP_NOTHING;
	rep_bars bars = {
		.axis = "ns per operation (log scale)", .row_head = "allocator", .logarithmic = true, .marks = marks
	};
	bars.n_marks = sizeof(marks) / sizeof(marks[0]);
	rep_names who = rep_set_who(set, &query);
	for (size_t at = 0; at < who.n_names; at++) {
		query.who = who.names[at];
		row_fill(set, &query, &bars, rep_set_find(set, &query), patterns[idx].samples_of != NULL);
	}
	figure->name = patterns[idx].name;
	figure->title = patterns[idx].title;
	rep_caption_conditions(&figure->caption, first);
	rep_text_add(&figure->caption, "<span data-static>%u thread%s</span>. ", first->threads,
		     first->threads == 1 ? "" : "s");
	if (patterns[idx].samples_of != NULL)
		rep_text_add(&figure->caption,
			     "Marks: %s; from <span data-static>p99</span> on single operations, the clock's cost "
			     "included. ",
			     patterns[idx].samples_of);
	return rep_bars_draw(figure, &bars) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_latency = {
	.rank = 10,
	.section = "Allocation latency",
	.question = "What does one frame cost, with which allocator, and how bad are the slow ones?",
	.command = "llfree-bench --summary --json FILE",
	.build = build,
};
