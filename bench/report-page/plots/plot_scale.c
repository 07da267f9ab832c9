/* SPDX-License-Identifier: MIT
 *
 * Predicted latency on more cores than the machine has: each core with a slot of its own, and all on one slot. */
#include "../rep_figure.h"

#include <stdio.h>

static const struct {
	const char *name, *title, *metric;
} sides[] = { { "scale-get", "Predicted: get over cores", "get_ns" },
	      { "scale-put", "Predicted: put over cores", "put_ns" },
	      { "scale-rand", "Predicted: put and get at random over cores, as a pair", "rand_pair_ns" } };

/* On one node. Rows with slots for some of the cores are in neither line. */
static bool variant_read(const rep_row *row, unsigned *cores, bool *shared)
{
	unsigned per_slot, nodes, zones;
	if (row->variant == NULL ||
	    sscanf(row->variant, "c:%u/slot:%u/n:%u/z:%u", cores, &per_slot, &nodes, &zones) != 4 || nodes != 1)
		return false;
	*shared = per_slot > 1;
	return per_slot == 1 || per_slot == *cores;
}

/* Is there more than the one core that both lines begin with? */
static bool any_shared(const rep_set *set, const rep_query *query)
{
	const rep_row *row;
	unsigned cores;
	bool shared;
	for (size_t at = 0; (row = rep_set_next(set, query, &at)) != NULL;)
		if (variant_read(row, &cores, &shared) && shared)
			return true;
	return false;
}

static void line_fill(const rep_set *set, const rep_query *query, bool shared, rep_lines *lines, rep_table *table)
{
	rep_line *line = NULL;
	const rep_row *row;
	for (size_t at = 0; (row = rep_set_next(set, query, &at)) != NULL;) {
		unsigned cores;
		bool is_shared;
		if (!variant_read(row, &cores, &is_shared) || (is_shared != shared && !(shared && cores == 1)))
			continue;
		const char *label = rep_format("%s, %s", query->who, shared ? "one slot for all" : "a slot each");
		if (line == NULL)
			line = rep_lines_add(lines, label, rep_colour_of(query->who));
		line->with_points = true;
		rep_line_point(line, (rep_value){ cores, "cores" }, row->median);
		rep_table_text(table, label);
		rep_table_text(table, rep_format("%u", cores));
		rep_table_value(table, row->median);
	}
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	if (idx >= sizeof(sides) / sizeof(sides[0]))
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "scale", .metric = sides[idx].metric };
	query.order = 0;
	size_t at = 0;
	const rep_row *row = rep_set_next(set, &query, &at);
	if (row == NULL)
		return REP_NOTHING;
	rep_lines lines = { .x_axis = "simulated cores (log scale)",
			    .y_axis = "ns per operation of one core (log scale)",
			    .x_logarithmic = true,
			    .y_logarithmic = true,
			    .x_tics = "(1, 2, 4, 8, 16, 26, 64, 128)" };
	rep_table_head(&figure->table, "allocator, slots");
	rep_table_head(&figure->table, "cores");
	rep_table_head(&figure->table, "ns");
	rep_names who = rep_set_who(set, &query);
	for (size_t i = 0; i < who.n_names; i++) {
		query.who = who.names[i];
		line_fill(set, &query, false, &lines, &figure->table);
		if (any_shared(set, &query))
			line_fill(set, &query, true, &lines, &figure->table);
	}
	figure->name = sides[idx].name;
	figure->title = sides[idx].title;
	rep_caption_conditions(&figure->caption, row);
	rep_text_add(&figure->caption, "<span data-static>Order 0, one node</span>. A simulation of the cache lines' "
				       "ways (docs/scaling.md), not "
				       "a measurement. ");
	return rep_lines_draw(figure, &lines) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_scale = {
	.rank = 25,
	.section = "Beyond this machine",
	.question = "How would it scale on more cores than are here?",
	.command = "llfree-bench scale --orders 0 --json FILE",
	.build = build,
};
