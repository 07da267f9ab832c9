/* SPDX-License-Identifier: MIT
 *
 * Orders mixed: a random block put, one of the same order got, by allocator, the fewest threads; one figure per mix. */
#include "../rep_figure.h"

#include <string.h>

static const rep_mark marks[] = { { "median, ns", REP_BAR, false }, { "p50", REP_TICK, true },
				  { "p99", REP_DOT, false },        { "p99.9", REP_DIAMOND, false },
				  { "p99.99", REP_CROSS, false },   { "x one exchange", REP_TICK, true },
				  { "refused, %", REP_TICK, true } };
static const char *const metrics[] = { "pair_ns", "p50", "p99", "p99.9", "p99.99", "pair_x_cas", "refused_pct" };
enum { N_MARKS = sizeof(marks) / sizeof(marks[0]) };

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	rep_query query = { REP_ANY, .scenario = "mixed", .metric = "pair_ns" };
	rep_names mixes = { 0 };
	const rep_row *row;
	for (size_t at = 0; (row = rep_set_next(set, &query, &at)) != NULL;)
		rep_names_add(&mixes, row->variant != NULL ? row->variant : "");
	if (idx >= mixes.n_names)
		return REP_LAST;
	query.variant = mixes.names[idx];
	query.threads = (int)rep_set_fewest_threads(set, &query);
	rep_bars bars = { .axis = "ns per put and get (log scale)",
			  .row_head = "allocator",
			  .logarithmic = true,
			  .marks = marks,
			  .n_marks = N_MARKS };
	rep_bars_metrics(&bars, set, query, metrics, N_MARKS);
	figure->name = idx == 0 ? "mixed" : rep_format("mixed-%zu", idx + 1);
	figure->title = "Blocks of several orders: put a random one, get one of that order";
	rep_caption_conditions(&figure->caption, rep_set_find(set, &query));
	rep_text_add(&figure->caption,
		     "<span data-static>%d thread%s; orders %s</span>. Marks: percentiles of put and get; from "
		     "<span data-static>p99</span> on single operations, the clock's cost included. ",
		     query.threads, query.threads == 1 ? "" : "s",
		     strncmp(query.variant, "mix:", 4) == 0 ? query.variant + 4 : "as given");
	return rep_bars_draw(figure, &bars) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_mixed = {
	.rank = 31,
	.section = "Orders mixed",
	.question = "What does an operation cost where single frames and huge ones come and go side by side?",
	.command = "llfree-bench --cases mixed --threads 1 --json FILE",
	.build = build,
};
