/* SPDX-License-Identifier: MIT
 *
 * Write throughput: allocate, write into every 4 KiB, free. */
#include "../rep_figure.h"

static const rep_mark marks[] = { { "first use, GiB/s", REP_BAR, false }, { "again, GiB/s", REP_RING, false },
				  { "map, us/MiB", REP_TICK, true },      { "get, us/MiB", REP_TICK, true },
				  { "touch, us/MiB", REP_TICK, true },    { "free, us/MiB", REP_TICK, true },
				  { "low, GiB/s", REP_TICK, true },       { "high, GiB/s", REP_TICK, true } };

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	static const char *const metrics[] = { "gib_s",      "again_gib_s",  "map_us_mib",
					       "get_us_mib", "touch_us_mib", "free_us_mib" };
	if (idx >= 2)
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "write", .metric = "gib_s" };
	query.threads = 1;
	query.order = idx == 0 ? 0 : 9;
	rep_bars bars = {
		.axis = "GiB/s (log scale)", .row_head = "allocator", .logarithmic = true, .marks = marks, .n_marks = 8
	};
	rep_names who = rep_set_who(set, &query);
	const rep_row *row = NULL;
	for (size_t at = 0; at < who.n_names; at++) {
		query.who = who.names[at];
		row = rep_set_find(set, &query);
		struct rep_bars_row *line = rep_bars_row(&bars, query.who);
		for (size_t mark = 0; mark < 6; mark++)
			line->values[mark] = rep_set_value(set, query, metrics[mark]);
		if (row->n_samples > 1) {
			line->values[6] = row->low;
			line->values[7] = row->high;
		}
	}
	if (row == NULL)
		return REP_NOTHING;
	figure->name = idx == 0 ? "write-order0" : "write-order9";
	figure->title = idx == 0 ? "Allocate, write and free by 4 KiB" : "Allocate, write and free by 2 MiB";
	rep_caption_conditions(&figure->caption, row);
	rep_text_add(&figure->caption,
		     "One thread; map, get, touch and free together. Rings: once more, on memory that the allocator "
		     "may have "
		     "kept. llfree's arena and the buddy's mapping ask for huge pages, the mallocs do not. ");
	return rep_bars_draw(figure, &bars) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_write = {
	.rank = 50,
	.section = "Write throughput",
	.question = "How fast is memory that is really used, page faults included?",
	.command = "llfree-bench --summary=write --json FILE",
	.build = build,
};
