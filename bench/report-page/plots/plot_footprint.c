/* SPDX-License-Identifier: MIT
 *
 * Resident memory over time by technique, one figure per workload. */
#include "../rep_figure.h"

#include <string.h>

enum { POINTS_MAX = 400 };

static const struct {
	const char *metric, *head;
	double factor;
} figures[] = { { "footprint", "GiB*min", 1 },
		{ "resident-peak", "peak, MiB", 1.0 / (1 << 20) },
		{ "runtime", "runtime, s", 1 },
		{ "host-cpu", "host CPU, s", 1 },
		{ "vcpu-system", "vCPU system, s", 1 },
		{ "write-time", "writing, s", 1 },
		{ "get-p99", "get p99, us", 1e-3 },
		{ "get-p99.99", "get p99.99, us", 1e-3 },
		{ "resident-mean", "mean, MiB", 1.0 / (1 << 20) },
		{ "resident-end", "at the end, MiB", 1.0 / (1 << 20) },
		{ "resident-dropped", "cache dropped, MiB", 1.0 / (1 << 20) } };

/* Has any technique this figure? A real guest's host can't tell them all. */
static bool is_known(const rep_set *set, rep_query query, size_t figure)
{
	query.who = NULL;
	query.metric = figures[figure].metric;
	return rep_set_find(set, &query) != NULL;
}

static void table_row(const rep_set *set, rep_query query, rep_table *table)
{
	rep_table_text(table, query.who);
	for (size_t at = 0; at < sizeof(figures) / sizeof(figures[0]); at++) {
		if (!is_known(set, query, at))
			continue;
		query.metric = figures[at].metric;
		const rep_row *row = rep_set_find(set, &query);
		rep_table_value(table,
				row != NULL ? rep_value_scaled(row->median, figures[at].factor) : (rep_value){ 0 });
	}
}

static rep_names workloads(const rep_set *set)
{
	rep_query query = { REP_ANY, .scenario = "footprint", .metric = "resident" };
	rep_names names = { 0 };
	const rep_row *row;
	for (size_t at = 0; (row = rep_set_next(set, &query, &at)) != NULL;)
		rep_names_add(&names, row->phase);
	return names;
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	rep_names kinds = workloads(set);
	if (idx >= kinds.n_names)
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = "footprint", .metric = "resident", .phase = kinds.names[idx] };
	rep_lines lines = { .y_axis = "resident, GiB" };
	rep_names who = rep_set_who(set, &query);
	const rep_row *row = rep_set_find(set, &query);
	lines.x_axis = rep_format("%s, min", rep_row_time(row));
	rep_table_head(&figure->table, "technique");
	for (size_t at = 0; at < sizeof(figures) / sizeof(figures[0]); at++)
		if (is_known(set, query, at))
			rep_table_head(&figure->table, figures[at].head);
	rep_query used = query;
	used.metric = "guest-used";
	const rep_row *guest = rep_set_find(set, &used);
	if (guest != NULL) {
		rep_line *line = rep_lines_add(&lines, NULL, 7);
		line->is_area = true;
		rep_line_series(line, guest, 60, 1.0 / (1 << 30), POINTS_MAX);
	}
	for (size_t at = 0; at < who.n_names; at++) {
		query.who = who.names[at];
		row = rep_set_find(set, &query);
		rep_line_series(rep_lines_add(&lines, query.who, rep_colour_of(query.who)), row, 60, 1.0 / (1 << 30),
				POINTS_MAX);
		table_row(set, query, &figure->table);
	}
	figure->name = rep_format("footprint-%.*s%s", (int)strcspn(kinds.names[idx], ","), kinds.names[idx],
				  strchr(kinds.names[idx], ',') != NULL ? "-vm" : "");
	figure->title = rep_format("Resident memory over time, workload %s", kinds.names[idx]);
	rep_caption_conditions(&figure->caption, row);
	rep_text_add(&figure->caption,
		     "Grey: what processes and page cache of the guest (%s) held; what a line is above it could "
		     "be given to others. ",
		     guest != NULL ? guest->who : "none");
	return rep_lines_draw(figure, &lines) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_footprint = {
	.rank = 80,
	.section = "Footprint over time",
	.question = "How much memory does a guest really keep, and what does that cost it?",
	.command = "hvsim footprint --json FILE, or llfree-qemu run --scenario footprint --json FILE",
	.build = build,
};
