/* SPDX-License-Identifier: MIT
 *
 * Figures of rows with marks; see rep_figure.h. Names stand on the left, unrotated, so that a phone can show them. */
#include "rep_figure.h"

#include <math.h>
#include <string.h>

enum { ROW_PIXELS = 30, FRAME_PIXELS = 96 };

struct rep_bars_row *rep_bars_row(rep_bars *bars, const char *label)
{
	bars->rows = rep_grow(bars->rows, bars->n_rows, &bars->capacity, sizeof(*bars->rows));
	struct rep_bars_row *row = &bars->rows[bars->n_rows++];
	*row = (struct rep_bars_row){ .label = label, .colour = rep_colour_of(label) };
	return row;
}

void rep_bars_metrics(rep_bars *bars, const rep_set *set, rep_query query, const char *const *metrics, size_t n_metrics)
{
	rep_names who = rep_set_who(set, &query);
	for (size_t at = 0; at < who.n_names; at++) {
		query.who = who.names[at];
		struct rep_bars_row *row = rep_bars_row(bars, query.who);
		for (size_t mark = 0; mark < n_metrics; mark++)
			row->values[mark] = rep_set_value(set, query, metrics[mark]);
	}
}

static bool range_find(const rep_bars *bars, double *low, double *high)
{
	*low = INFINITY;
	*high = 0;
	for (size_t at = 0; at < bars->n_rows; at++)
		for (size_t mark = 0; mark < bars->n_marks; mark++) {
			rep_value value = bars->rows[at].values[mark];
			if (!rep_value_is(value) || bars->marks[mark].only_in_table || value.number <= 0)
				continue;
			*low = fmin(*low, value.number);
			*high = fmax(*high, value.number);
		}
	return *high > 0;
}

static void axes_add(rep_figure *figure, const rep_bars *bars, double low, double high)
{
	rep_text *script = &figure->script;
	if (bars->logarithmic) {
		double first = pow(10, floor(log10(low * 0.95))), last = high * 1.6;
		bool many = log10(last / first) > 4.5;
		rep_log_tics(script, 'x', first, last);
		rep_text_add(script, "set xrange [%g:%g]\nset format x \"%%g\"\nunset mxtics\n", first, last);
		rep_text_add(script, many ? "if (narrow) { set xtics 100 }\n" : "");
	} else {
		rep_text_add(script, "set xrange [0:%g]\nset format x \"%%g\"\n", high * 1.06);
		rep_x_tics(script, high);
	}
	rep_text_add(script, "set xlabel \"%s\"\nset grid xtics\nset yrange [%zu-0.5:-0.5]\nset ytics scale 0 (",
		     bars->axis, bars->n_rows);
	for (size_t at = 0; at < bars->n_rows; at++)
		rep_text_add(script, "%s\"%s\" %zu", at > 0 ? ", " : "", bars->rows[at].label, at);
	rep_text_add(script, ")\nset tmargin -1\nset key outside top left horizontal Left reverse samplen 1 width "
			     "(narrow ? 3 : 1)\n");
}

/* The key's mark is grey: in the figure each row has its own colour. */
static void mark_add(rep_figure *figure, const rep_bars *bars, size_t mark, bool *any)
{
	static const char *const points[] = {
		[REP_DOT] = "pt 7 ps 0.9",      [REP_RING] = "pt 6 ps 1.1 lw 1.5",
		[REP_DIAMOND] = "pt 13 ps 1.1", [REP_DIAMOND_RING] = "pt 12 ps 1.3 lw 1.5",
		[REP_TICK] = "pt 9 ps 0.9",     [REP_CROSS] = "pt 2 ps 0.9 lw 1.5"
	};
	rep_text *script = &figure->script;
	const rep_mark *which = &bars->marks[mark];
	size_t column = mark + 3;
	/* a ring may lie on its row's bar, which has the same colour */
	bool on_bar = bars->marks[0].shape == REP_BAR && (which->shape == REP_RING || which->shape == REP_DIAMOND_RING);
	rep_text_add(script, "%s \\\n", *any ? "," : "plot");
	*any = true;
	if (which->shape == REP_BAR)
		rep_text_add(script,
			     "  data index 0 using %zu:($1):(%s):%zu:($1-0.32):($1+0.32):2 with boxxyerror fs solid "
			     "0.85 noborder lc "
			     "rgb variable notitle, \\\n  keyentry with boxes fs solid 0.85 noborder lc rgb ink title "
			     "\"%s\"",
			     column, bars->logarithmic ? "low_end" : "0", column, which->title);
	else
		rep_text_add(script,
			     "  data index 0 using %zu:1%s with points %s lc rgb %s notitle, \\\n  keyentry with "
			     "points %s lc rgb "
			     "ink title \"%s\"",
			     column, on_bar ? "" : ":2", points[which->shape], on_bar ? "\"black\"" : "variable",
			     points[which->shape], which->title);
}

static void rows_write(rep_figure *figure, const rep_bars *bars)
{
	rep_data_block(figure, "row colour values; behind each row where its values come from");
	for (size_t at = 0; at < bars->n_rows; at++) {
		rep_text_add(&figure->data, "%zu 0x%s ", at, rep_colours[bars->rows[at].colour] + 1);
		rep_data_line(figure, NULL, bars->rows[at].values, bars->n_marks);
	}
}

/* A column without any value is left out of the table. */
static bool is_used(const rep_bars *bars, size_t mark)
{
	for (size_t at = 0; at < bars->n_rows; at++)
		if (rep_value_is(bars->rows[at].values[mark]))
			return true;
	return false;
}

static void table_write(rep_figure *figure, const rep_bars *bars)
{
	rep_table_head(&figure->table, bars->row_head);
	for (size_t mark = 0; mark < bars->n_marks; mark++)
		if (is_used(bars, mark))
			rep_table_head(&figure->table, bars->marks[mark].title);
	for (size_t at = 0; at < bars->n_rows; at++) {
		rep_table_text(&figure->table, bars->rows[at].label);
		for (size_t mark = 0; mark < bars->n_marks; mark++)
			if (is_used(bars, mark))
				rep_table_value(&figure->table, bars->rows[at].values[mark]);
	}
}

bool rep_bars_draw(rep_figure *figure, const rep_bars *bars)
{
	double low, high;
	bool any = false;
	if (!range_find(bars, &low, &high))
		return false;
	figure->wide_height = (unsigned)bars->n_rows * ROW_PIXELS + FRAME_PIXELS;
	figure->narrow_height = figure->wide_height + 24;
	rows_write(figure, bars);
	axes_add(figure, bars, low, high);
	if (bars->logarithmic)
		rep_text_add(&figure->script, "low_end = %g\n", pow(10, floor(log10(low * 0.95))));
	for (size_t mark = 0; mark < bars->n_marks; mark++)
		if (!bars->marks[mark].only_in_table && is_used(bars, mark))
			mark_add(figure, bars, mark, &any);
	rep_text_add(&figure->script, "\n");
	table_write(figure, bars);
	return true;
}
