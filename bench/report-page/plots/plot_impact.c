/* SPDX-License-Identifier: MIT
 *
 * What a guest feels of a resize: first the worst second (stream) or the slowest percent of quanta (ftq) of each
 * technique beside the published ones, then one figure per technique over time with the resizes marked. */
#include "../rep_figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { POINTS_MAX = 600, HEIGHT = 260, WHO_MAX = 16 };

static const struct {
	const char *scenario, *series, *axis, *share, *title, *share_axis;
} kinds[] = {
	{ "stream", "bandwidth", "GiB/s, all vCPUs", "worst-second", "Memory bandwidth: the worst second",
	  "% of the undisturbed median" },
	{ "ftq", "work", "units per quantum, all vCPUs", "p1", "CPU time: the slowest percent of quanta",
	  "% of the undisturbed median" },
};

static const rep_mark marks[] = { { "resized, %", REP_BAR, false },
				  { "left alone, %", REP_CROSS, false },
				  { "published (another machine), %", REP_RING, false },
				  { "with a device, %", REP_DIAMOND, false },
				  { "published, device, %", REP_DIAMOND_RING, false } };

static rep_value share_of(const rep_set *set, rep_query query, const char *phase, const char *device, bool published)
{
	query.phase = phase;
	query.device = device;
	query.published = published;
	const rep_row *row = rep_set_find(set, &query);
	return row != NULL ? row->median : (rep_value){ 0 };
}

static rep_made summary_build(const rep_set *set, size_t kind, rep_figure *figure)
{
	rep_query query = { REP_ANY, .scenario = kinds[kind].scenario, .metric = kinds[kind].share,
			    .phase = "resized" };
	rep_bars bars = { .axis = kinds[kind].share_axis, .row_head = "technique", .marks = marks, .n_marks = 5 };
	rep_names who = rep_set_who(set, &query);
	size_t at = 0;
	const rep_row *first = rep_set_next(set, &query, &at);
	for (at = 0; at < who.n_names; at++) {
		query.who = who.names[at];
		struct rep_bars_row *row = rep_bars_row(&bars, query.who);
		row->values[0] = share_of(set, query, "resized", "none", false);
		row->values[1] = share_of(set, query, "baseline", "none", false);
		row->values[2] = share_of(set, query, "resized", "none", true);
		row->values[3] = share_of(set, query, "resized", "dma", false);
		row->values[4] = share_of(set, query, "resized", "dma", true);
	}
	if (first == NULL)
		return REP_NOTHING;
	figure->name = rep_format("impact-%s", kinds[kind].scenario);
	figure->title = kinds[kind].title;
	rep_caption_conditions(&figure->caption, first);
	rep_text_add(&figure->caption,
		     "Crosses: the same guest left alone. <span data-static>Hollow: another machine, as published with "
		     "HyperAlloc, "
		     "EuroSys&rsquo;25 "
		     "(12 threads%s).</span> ",
		     kind == 1 ? ", the minimum instead of the slowest percent" : "");
	return rep_bars_draw(figure, &bars) ? REP_MADE : REP_NOTHING;
}

/* Bands from begin to end of each resize, in the colour of its direction. */
static size_t bands_write(const rep_set *set, rep_query query, const char *phase, unsigned colour, rep_figure *figure)
{
	query.phase = phase;
	query.metric = "resize-begin";
	const rep_row *begin = rep_set_find(set, &query);
	query.metric = "resize-end";
	const rep_row *end = rep_set_find(set, &query);
	if (begin == NULL || end == NULL)
		return 0;
	size_t n_marks = begin->n_samples + begin->samples_skipped;
	for (size_t at = 0; at < n_marks && at < end->n_samples + end->samples_skipped; at++) {
		double from = begin->samples[(ptrdiff_t)at - (ptrdiff_t)begin->samples_skipped];
		double to = end->samples[(ptrdiff_t)at - (ptrdiff_t)end->samples_skipped];
		rep_text_add(&figure->script,
			     "set object rectangle from first %g, graph 0 to first %g, graph 1 behind fs transparent "
			     "solid 0.25 noborder fc "
			     "rgb c%u\nset arrow from first %g, graph 0.97 to first %g, graph 0.9 size graph 0.008,20 "
			     "filled lc rgb c%u\n",
			     from, to, colour, from, from, colour);
	}
	return n_marks;
}

static rep_made series_build(const rep_set *set, size_t kind, const char *who, rep_figure *figure)
{
	rep_query query = { REP_ANY, .scenario = kinds[kind].scenario, .who = who, .metric = kinds[kind].series,
			    .phase = "resized" };
	const rep_row *row = rep_set_find(set, &query);
	if (row == NULL || row->n_samples < 2)
		return REP_NOTHING;
	query.phase = "baseline";
	const rep_row *baseline = rep_set_find(set, &query);
	rep_lines lines = { .x_axis = "time, s", .y_axis = kinds[kind].axis };
	rep_line *line = rep_lines_add(&lines, NULL, rep_colour_of(who));
	rep_line_series(line, row, 1, 1, POINTS_MAX);
	if (baseline != NULL) {
		rep_line *level = rep_lines_add(&lines, "left alone", 7);
		rep_value x_first = { 0, "0" };
		rep_line_point(level, x_first, baseline->median);
		rep_line_point(level, line->x[line->n_points - 1], baseline->median);
	}
	figure->name = rep_format("impact-%s-%s", kinds[kind].scenario, who);
	figure->title =
		rep_format("%s over time: %s", strcmp(kinds[kind].scenario, "stream") == 0 ? "Bandwidth" : "Work", who);
	query.device = row->device;
	size_t n_shrinks = bands_write(set, query, "shrink", 1, figure),
	       n_grows = bands_write(set, query, "grow", 2, figure);
	rep_caption_conditions(&figure->caption, row);
	rep_text_add(&figure->caption,
		     "Bands and arrows: the guest shrinks (orange) and grows (green); <span data-static>%zu and "
		     "%zu</span> times. Grey: the median when left alone. ",
		     n_shrinks, n_grows);
	bool drawn = rep_lines_draw(figure, &lines);
	figure->wide_height = figure->narrow_height = HEIGHT;
	rep_table_head(&figure->table, "window");
	static const char *const heads[] = { "median", "low", "high" };
	for (size_t at = 0; at < 3; at++)
		rep_table_head(&figure->table, rep_format("%s, %s", heads[at], row->unit));
	const rep_row *const windows[] = { row, baseline };
	for (size_t at = 0; at < 2; at++) {
		if (windows[at] == NULL)
			continue;
		rep_table_text(&figure->table, at == 0 ? "resized" : "left alone");
		rep_table_value(&figure->table, windows[at]->median);
		rep_table_value(&figure->table, windows[at]->low);
		rep_table_value(&figure->table, windows[at]->high);
	}
	return drawn ? REP_MADE : REP_NOTHING;
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	size_t kind = idx / (WHO_MAX + 1), at = idx % (WHO_MAX + 1);
	if (kind >= sizeof(kinds) / sizeof(kinds[0]))
		return REP_LAST;
	if (at == 0)
		return summary_build(set, kind, figure);
	rep_query query = { REP_ANY, .scenario = kinds[kind].scenario, .metric = kinds[kind].series,
			    .phase = "resized" };
	rep_names who = rep_set_who(set, &query);
	return at <= who.n_names ? series_build(set, kind, who.names[at - 1], figure) : REP_NOTHING;
}

const rep_plot rep_plot_impact = {
	.rank = 70,
	.section = "What the guest feels",
	.question = "How much does a guest slow down while its memory is taken or given?",
	.command = "hvsim stream --json FILE; hvsim ftq --json FILE",
	.build = build,
};
