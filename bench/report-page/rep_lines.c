/* SPDX-License-Identifier: MIT
 *
 * Figures of lines; see rep_figure.h. Each line has its name at its right end, moved apart where they would touch. */
#include "rep_figure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDE_HEIGHT = 380, NARROW_HEIGHT = 340 };

rep_line *rep_lines_add(rep_lines *lines, const char *label, unsigned colour)
{
	lines->lines = rep_grow(lines->lines, lines->n_lines, &lines->capacity, sizeof(*lines->lines));
	rep_line *line = &lines->lines[lines->n_lines++];
	*line = (rep_line){ .label = label, .colour = colour };
	return line;
}

void rep_line_point(rep_line *line, rep_value x, rep_value y)
{
	line->x = rep_grow(line->x, line->n_points, &line->x_capacity, sizeof(*line->x));
	line->y = rep_grow(line->y, line->n_points, &line->y_capacity, sizeof(*line->y));
	line->x[line->n_points] = x;
	line->y[line->n_points++] = y;
}

void rep_line_series(rep_line *line, const rep_row *row, double x_unit_s, double factor, size_t points_max)
{
	size_t step = row->n_samples / points_max + 1;
	for (size_t at = 0; at < row->n_samples; at += step) {
		rep_value x = { (double)at * row->interval_s / x_unit_s, rep_format("%zu", at) };
		rep_value y = { row->samples[at],
				rep_format("%s/%zu", row->samples_source, at + row->samples_skipped) };
		rep_line_point(line, x, rep_value_scaled(y, factor));
	}
}

static void range_find(const rep_lines *lines, double *low, double *high, double *first_x, double *last_x)
{
	*low = *first_x = INFINITY;
	*high = *last_x = 0;
	for (size_t at = 0; at < lines->n_lines; at++)
		for (size_t point = 0; point < lines->lines[at].n_points; point++) {
			double y = lines->lines[at].y[point].number;
			*low = y > 0 ? fmin(*low, y) : *low;
			*high = fmax(*high, y);
			*first_x = fmin(*first_x, lines->lines[at].x[point].number);
			*last_x = fmax(*last_x, lines->lines[at].x[point].number);
		}
}

typedef struct end_label {
	const rep_line *line;
	double at; /* share of the axis, from below */
} end_label;

static int by_place(const void *left, const void *right)
{
	double a = ((const end_label *)left)->at, b = ((const end_label *)right)->at;
	return (a > b) - (a < b);
}

/* Push neighbours apart until each has its place, then back into the axis from above. */
static void labels_spread(end_label *labels, size_t n_labels, double gap)
{
	for (size_t at = 1; at < n_labels; at++)
		if (labels[at].at < labels[at - 1].at + gap)
			labels[at].at = labels[at - 1].at + gap;
	double top = 1.02;
	for (size_t at = n_labels; at-- > 0; top -= gap)
		if (labels[at].at > top)
			labels[at].at = top;
		else
			top = labels[at].at;
}

static void labels_add(rep_figure *figure, const rep_lines *lines, double low, double high)
{
	end_label *labels = rep_keep((lines->n_lines + 1) * sizeof(*labels));
	size_t n_labels = 0, longest = 0;
	for (size_t at = 0; at < lines->n_lines; at++) {
		const rep_line *line = &lines->lines[at];
		if (line->n_points == 0 || line->label == NULL || line->is_points)
			continue;
		double y = line->y[line->n_points - 1].number;
		double share = lines->y_logarithmic ? log(fmax(y, low) / low) / log(high / low) : y / high;
		labels[n_labels++] = (end_label){ line, share };
		longest = strlen(line->label) > longest ? strlen(line->label) : longest;
	}
	if (n_labels > 0)
		qsort(labels, n_labels, sizeof(*labels), by_place);
	labels_spread(labels, n_labels, 0.062);
	for (size_t at = 0; at < n_labels; at++)
		rep_text_add(&figure->script,
			     "set label \"%s\" at graph 1, graph %.3f left offset character 0.8,0 tc rgb c%u\n",
			     labels[at].line->label, labels[at].at, labels[at].line->colour);
	rep_text_add(&figure->script, "set rmargin %zu\n", longest > 0 ? longest * 9 / 10 + 2 : 2);
}

static void axes_add(rep_figure *figure, const rep_lines *lines, double low, double high, double first_x, double last_x)
{
	rep_text *script = &figure->script;
	rep_text_add(script, "set xlabel \"%s\"\nset ylabel \"%s\"\nset yrange [%g:%g]\nset grid ytics\n",
		     lines->x_axis, lines->y_axis, low, high);
	rep_text_add(script, "set border 3\nset format y \"%%g\"\n");
	if (lines->y_logarithmic)
		rep_log_tics(script, 'y', low, high);
	if (lines->x_logarithmic)
		rep_text_add(script, "set logscale x\nunset mxtics\n");
	if (last_x > first_x)
		rep_text_add(script, "set xrange [%g:%g]\n", lines->lines[0].is_points ? 0 : first_x,
			     lines->lines[0].is_points ? 1.05 * last_x : last_x);
	if (lines->x_tics != NULL)
		rep_text_add(script, "set xtics %s\n", lines->x_tics);
	else
		rep_x_tics(script, last_x);
	rep_text_add(script, lines->lines[0].is_points ? "set key outside top left horizontal Left reverse samplen 1 "
							 "width (narrow ? 3 : 1)\nset tmargin -1\n"
						       : "unset key\n");
}

static void line_plot(rep_figure *figure, const rep_line *line, bool *any)
{
	unsigned block = rep_data_block(figure, line->label != NULL ? line->label : "unnamed");
	for (size_t at = 0; at < line->n_points; at++) {
		rep_text_add(&figure->data, "%.6g ", line->x[at].number);
		rep_data_line(figure, NULL, &line->y[at], 1);
	}
	rep_text_add(&figure->script, "%s \\\n  data index %u using 1:2 with ", *any ? "," : "plot", block);
	*any = true;
	if (line->is_area)
		rep_text_add(&figure->script, "filledcurves y1=0 fs transparent solid 0.22 noborder lc rgb c%u",
			     line->colour);
	else if (line->is_points)
		rep_text_add(&figure->script, "points pt 7 ps 0.9 lc rgb c%u title \"%s\"", line->colour, line->label);
	else
		rep_text_add(&figure->script, "%s lw 2 lc rgb c%u",
			     line->with_points ? "linespoints pt 7 ps 0.7"
			     : line->steps     ? "steps"
					       : "lines",
			     line->colour);
}

bool rep_lines_draw(rep_figure *figure, rep_lines *lines)
{
	double low, high, first_x, last_x;
	bool any = false;
	range_find(lines, &low, &high, &first_x, &last_x);
	if (isinf(first_x) || (high <= 0 && lines->y_high <= 0))
		return false;
	low = lines->y_logarithmic ? low / 1.4 : 0;
	high = lines->y_high > 0 ? lines->y_high : lines->y_logarithmic ? high * 1.4 : high * 1.06;
	figure->wide_height = WIDE_HEIGHT;
	figure->narrow_height = NARROW_HEIGHT;
	axes_add(figure, lines, low, high, first_x, last_x);
	labels_add(figure, lines, low, high);
	for (size_t at = 0; at < lines->n_lines; at++)
		if (lines->lines[at].n_points > 0)
			line_plot(figure, &lines->lines[at], &any);
	rep_text_add(&figure->script, "\n");
	return true;
}
