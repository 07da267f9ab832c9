/* SPDX-License-Identifier: MIT
 *
 * Fragmentation over rounds: which share of the possible huge frames is free. */
#include "../rep_figure.h"

#include <stdio.h>
#include <string.h>

enum { ROUNDS_MAX = 1000, TABLE_STEP = 20 };

static const rep_row *round_of(const rep_set *set, rep_query query, unsigned round)
{
	query.metric = rep_format("round_%03u", round);
	return rep_set_find(set, &query);
}

static void line_fill(const rep_set *set, const rep_query *query, rep_line *line, unsigned *n_rounds)
{
	for (unsigned round = 0; round < ROUNDS_MAX; round++) {
		const rep_row *row = round_of(set, *query, round);
		if (row == NULL)
			break;
		rep_line_point(line, (rep_value){ round, "round" }, row->median);
		*n_rounds = round > *n_rounds ? round : *n_rounds;
	}
}

static void table_fill(rep_table *table, const rep_lines *lines, unsigned n_rounds)
{
	rep_table_head(table, "allocator / slots");
	for (unsigned round = 0; round <= n_rounds; round += TABLE_STEP)
		rep_table_head(table, rep_format("after %u, %%", round));
	for (size_t at = 0; at < lines->n_lines; at++) {
		const rep_line *line = &lines->lines[at];
		rep_table_text(table, line->label);
		for (unsigned round = 0; round <= n_rounds; round += TABLE_STEP)
			rep_table_value(table, round < line->n_points ? line->y[round] : (rep_value){ 0 });
	}
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	if (idx >= 1)
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "frag", .metric = "round_000" };
	rep_lines lines = { .x_axis = "round", .y_axis = "free huge frames, % of the possible", .y_high = 103 };
	const rep_row *row, *last = NULL;
	unsigned n_rounds = 0;
	for (size_t at = 0; (row = rep_set_next(set, &query, &at)) != NULL; last = row) {
		rep_query same = query;
		same.who = row->who;
		same.variant = row->variant;
		const char *slots = row->variant != NULL ? strchr(row->variant, ':') : NULL;
		const char *label = slots != NULL ? rep_format("%s / %s", row->who, slots + 1) : row->who;
		line_fill(set, &same, rep_lines_add(&lines, label, rep_colour_of(row->who)), &n_rounds);
	}
	if (last == NULL)
		return REP_NOTHING;
	table_fill(&figure->table, &lines, n_rounds);
	figure->name = "fragmentation";
	figure->title = "Free huge frames over rounds of random re-allocation";
	rep_caption_conditions(&figure->caption, last);
	rep_text_add(&figure->caption,
		     "All memory got at <span data-static>order 0</span>, a random half put; each round puts and gets "
		     "a tenth of the rest at random. "
		     "Behind the allocator the number of slots (CPUs) used in turn; the oracle always takes from the "
		     "fullest "
		     "tree. ");
	return rep_lines_draw(figure, &lines) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_frag = {
	.rank = 40,
	.section = "Fragmentation over rounds",
	.question = "Do huge frames come back while small ones are allocated and freed at random?",
	.command = "llfree-bench --summary=frag --json FILE",
	.build = build,
};
