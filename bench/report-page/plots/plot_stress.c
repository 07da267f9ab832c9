/* SPDX-License-Identifier: MIT
 *
 * Everything at random, each result checked: operations a second of all threads together, one figure per order. */
#include "../rep_figure.h"

static const rep_mark marks[] = { { "fewest threads, M/s", REP_BAR, false }, { "most threads, M/s", REP_RING, false },
				  { "fewest threads, ns", REP_TICK, true },  { "most threads, ns", REP_TICK, true },
				  { "refused, %", REP_TICK, true },          { "errors", REP_TICK, true } };
enum { N_MARKS = sizeof(marks) / sizeof(marks[0]) };

static unsigned most_threads(const rep_set *set, const rep_query *query)
{
	unsigned most = 0;
	const rep_row *row;
	for (size_t at = 0; (row = rep_set_next(set, query, &at)) != NULL;)
		most = row->threads > most ? row->threads : most;
	return most;
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	if (idx >= 2)
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "stress", .metric = "ops_s" };
	query.order = idx == 0 ? 0 : 9;
	unsigned fewest = rep_set_fewest_threads(set, &query), most = most_threads(set, &query);
	rep_bars bars = { .axis = "million operations per second, all threads, checks included",
			  .row_head = "allocator",
			  .marks = marks,
			  .n_marks = N_MARKS };
	rep_names who = rep_set_who(set, &query);
	if (who.n_names == 0)
		return REP_NOTHING;
	for (size_t at = 0; at < who.n_names; at++) {
		query.who = who.names[at];
		struct rep_bars_row *line = rep_bars_row(&bars, query.who);
		query.threads = (int)fewest;
		line->values[0] = rep_value_scaled(rep_set_value(set, query, "ops_s"), 1e-6);
		line->values[2] = rep_set_value(set, query, "op_ns");
		query.threads = (int)most;
		if (most > fewest) {
			line->values[1] = rep_value_scaled(rep_set_value(set, query, "ops_s"), 1e-6);
			line->values[3] = rep_set_value(set, query, "op_ns");
		}
		line->values[4] = rep_set_value(set, query, "refused_pct");
		line->values[5] = rep_set_value(set, query, "errors");
	}
	figure->name = idx == 0 ? "stress-order0" : "stress-order9";
	figure->title = idx == 0 ? "Random operations with every result checked, frames"
				 : "Random operations with every result checked, orders up to huge";
	rep_caption_conditions(&figure->caption, rep_set_find(set, &query));
	rep_text_add(&figure->caption,
		     "<span data-static>%u and %u threads</span>. The checks, which write each frame, are in the time: "
		     "compare only "
		     "within this figure. An error fails the run. ",
		     fewest, most);
	return rep_bars_draw(figure, &bars) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_stress = {
	.rank = 33,
	.section = "Random operations, checked",
	.question = "Does everything that is got and put at random belong to one owner, and how fast is that?",
	.command = "llfree-bench --cases stress --json FILE",
	.build = build,
};
