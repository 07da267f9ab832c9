/* SPDX-License-Identifier: MIT
 *
 * Latency against how full the memory is. */
#include "../rep_figure.h"

#include <stdio.h>

static const struct {
	const char *name, *title, *metric;
} sides[] = { { "fill-get", "Get against fill level", "get_ns" }, { "fill-put", "Put against fill level", "put_ns" } };

static const unsigned levels[] = { 10, 20, 25, 30, 40, 50, 60, 70, 75, 80, 90, 95, 98, 99 };
enum { N_LEVELS = sizeof(levels) / sizeof(levels[0]) };

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	if (idx >= 2)
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "fill", .metric = sides[idx].metric };
	query.order = 0;
	query.threads = 1;
	rep_lines lines = { .x_axis = "memory that is allocated, %",
			    .y_axis = "ns per operation (log scale)",
			    .y_logarithmic = true };
	rep_table_head(&figure->table, "allocator");
	rep_names who = rep_set_who(set, &query);
	const rep_row *row = NULL;
	bool used[N_LEVELS] = { false };
	rep_text tics = { 0 };
	for (size_t level = 0; level < N_LEVELS; level++) {
		query.variant = rep_format("full:%u", levels[level]);
		used[level] = rep_set_find(set, &query) != NULL;
		if (!used[level])
			continue;
		rep_table_head(&figure->table, rep_format("%u %%, ns", levels[level]));
		rep_text_add(&tics, "%s%u", tics.n_bytes > 0 ? ", " : "(", levels[level]);
	}
	lines.x_tics = rep_format("%s)", tics.n_bytes > 0 ? tics.bytes : "(");
	rep_text_clear(&tics);
	for (size_t at = 0; at < who.n_names; at++) {
		query.who = who.names[at];
		rep_line *line = rep_lines_add(&lines, query.who, rep_colour_of(query.who));
		line->with_points = true;
		rep_table_text(&figure->table, query.who);
		for (size_t level = 0; level < N_LEVELS; level++) {
			query.variant = rep_format("full:%u", levels[level]);
			const rep_row *found = used[level] ? rep_set_find(set, &query) : NULL;
			if (used[level])
				rep_table_value(&figure->table, found != NULL ? found->median : (rep_value){ 0 });
			if (found != NULL)
				rep_line_point(line, (rep_value){ levels[level], "level" }, found->median);
			row = found != NULL ? found : row;
		}
	}
	if (row == NULL)
		return REP_NOTHING;
	figure->name = sides[idx].name;
	figure->title = sides[idx].title;
	rep_caption_conditions(&figure->caption, row);
	rep_text_add(&figure->caption,
		     "<span data-static>Order 0</span>, one thread; what is free is spread at random. ");
	return rep_lines_draw(figure, &lines) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_fill = {
	.rank = 30,
	.section = "Latency against fill level",
	.question = "Does an allocator get slow when little is left?",
	.command = "llfree-bench --cases fill --orders 0 --threads 1 --json FILE",
	.build = build,
};
