/* SPDX-License-Identifier: MIT
 *
 * The trade-off curve: how long freed memory stays against what it costs to allocate it again. */
#include "../rep_figure.h"
#include "../rep_stats.h"

#include <string.h>

/* Pauses differ in length and each counts with its own: means, of all but the first. */
static rep_value mean_of(const rep_row *row, double factor)
{
	rep_text source = { 0 };
	for (size_t at = 0; at < row->n_samples; at++)
		rep_text_add(&source, "%s/%zu ", row->samples_source, at + row->samples_skipped);
	rep_text_add(&source, "mean:%zu", row->n_samples);
	rep_value mean = { rep_mean(row->samples, row->n_samples), rep_format("%s", source.bytes) };
	rep_text_clear(&source);
	return rep_value_scaled(mean, factor);
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	if (idx >= 1)
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "tradeoff", .metric = "release" };
	rep_lines lines = { .x_axis = "a freed byte stays for, ms",
			    .y_axis = "allocated and written again, us per 2 MiB (log scale)",
			    .y_logarithmic = true };
	rep_names who = rep_set_who(set, &query);
	const rep_row *row, *last = NULL;
	static const char *const heads[] = { "technique", "setting", "release, ms", "get, us/2MiB", "best" };
	figure->table.foldable = true;
	for (size_t at = 0; at < 5; at++)
		rep_table_head(&figure->table, heads[at]);
	for (size_t idx_who = 0; idx_who < who.n_names; idx_who++) {
		query.who = who.names[idx_who];
		rep_line *line = rep_lines_add(&lines, query.who, rep_colour_of(query.who));
		line->is_points = true;
		for (size_t at = 0; (row = rep_set_next(set, &query, &at)) != NULL; last = row) {
			rep_query other = query;
			other.phase = row->phase;
			other.metric = "get";
			const rep_row *get = rep_set_find(set, &other);
			other.metric = "pareto-optimal";
			const rep_row *best = rep_set_find(set, &other);
			if (get == NULL || row->n_samples == 0 || get->n_samples == 0)
				continue;
			rep_line_point(line, mean_of(row, 1), mean_of(get, 1e-3));
			rep_table_text(&figure->table, query.who);
			rep_table_text(&figure->table, row->phase);
			rep_table_value(&figure->table, mean_of(row, 1));
			rep_table_value(&figure->table, mean_of(get, 1e-3));
			rep_table_text(&figure->table, best != NULL && best->median.number > 0 ? "yes" : "");
		}
	}
	if (last == NULL)
		return REP_NOTHING;
	figure->name = "tradeoff";
	figure->title = "Release latency against the cost of allocating again";
	rep_caption_conditions(&figure->caption, last);
	rep_text_add(&figure->caption,
		     "Each point is one setting; lower left is better. &ldquo;Best&rdquo;: no other point is better "
		     "on one side and no worse on the other. Means. ");
	return rep_lines_draw(figure, &lines) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_tradeoff = {
	.rank = 100,
	.section = "The trade-off",
	.question = "How fast is memory released, and what does it cost to have it back?",
	.command = "hvsim tradeoff --json FILE",
	.build = build,
};
