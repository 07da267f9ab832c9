/* SPDX-License-Identifier: MIT
 *
 * A figure: a gnuplot script, its data, and the table beneath, and two kinds of them that most plots are: rows with
 * marks (categories downwards, a value to the right) and lines. A plot is one file plots/plot_NAME.c with a descriptor
 * rep_plot_NAME; the build collects it. */
#ifndef REP_FIGURE_H
#define REP_FIGURE_H

#include "rep_html.h"
#include "rep_set.h"

typedef struct rep_figure {
	const char *name;  /**< of its files */
	const char *title; /**< what is shown, with its unit */
	rep_text caption;  /**< HTML: under which conditions */
	rep_text script;   /**< what follows the common head */
	rep_text data;     /**< blocks, two empty lines between them */
	unsigned n_blocks;
	unsigned wide_height, narrow_height; /**< pixels */
	rep_table table;
	rep_text svg_wide, svg_narrow; /**< for the page; empty without gnuplot */
} rep_figure;

typedef enum rep_made {
	REP_MADE,    /**< a figure */
	REP_NOTHING, /**< the results have nothing for this one; there may be more */
	REP_LAST,    /**< idx is past the last */
} rep_made;

typedef struct rep_plot {
	unsigned rank;        /**< order on the page */
	const char *section;  /**< heading */
	const char *question; /**< what the reader wants to know */
	const char *command;  /**< what measures it, for sections without results */
	rep_made (*build)(const rep_set *set, size_t idx, rep_figure *figure);
} rep_plot;

/** All plots, by rank; NULL at the end. */
extern const rep_plot *const rep_plots[];

/** The colour of a technique or allocator, the same in every figure: an index into the palette. */
unsigned rep_colour_of(const char *who);
enum { REP_COLOURS = 8 };
extern const char *const rep_colours[REP_COLOURS];

/* --- data: every value with its source behind it, as a comment ---------------------------------------------------- */

/** Begin a block. @return its index, for gnuplot's `index` */
unsigned rep_data_block(rep_figure *figure, const char *title);
/** A line: values (absent ones as NaN), sources behind. */
void rep_data_line(rep_figure *figure, const char *label, const rep_value *values, size_t n_values);

/** Round steps for a linear x axis up to high: about seven, on a phone four. */
void rep_x_tics(rep_text *script, double high);
/** A logarithmic axis, 'x' or 'y': a tic for each power of ten, and steps between them where these would be few. */
void rep_log_tics(rep_text *script, char axis, double low, double high);

/* --- rows with marks ---------------------------------------------------------------------------------------------- */

typedef enum rep_shape { REP_BAR, REP_DOT, REP_RING, REP_DIAMOND, REP_DIAMOND_RING, REP_TICK, REP_CROSS } rep_shape;
enum { REP_MARKS_MAX = 8 };

typedef struct rep_mark {
	const char *title; /**< in the key, and the table's head */
	rep_shape shape;
	bool only_in_table;
} rep_mark;

typedef struct rep_bars {
	const char *axis; /**< with the unit */
	const char *row_head;
	bool logarithmic;
	const rep_mark *marks;
	size_t n_marks;
	struct rep_bars_row {
		const char *label;
		unsigned colour;
		rep_value values[REP_MARKS_MAX];
	} * rows;
	size_t n_rows, capacity;
} rep_bars;

/** A new row, to be filled in. */
struct rep_bars_row *rep_bars_row(rep_bars *bars, const char *label);
/** A row for each allocator or technique that has rows which match, mark by mark the medians of these metrics. */
void rep_bars_metrics(rep_bars *bars, const rep_set *set, rep_query query, const char *const *metrics,
		      size_t n_metrics);
/** Script, data and table. @return false: no row has a value */
bool rep_bars_draw(rep_figure *figure, const rep_bars *bars);

/* --- lines -------------------------------------------------------------------------------------------------------- */

typedef struct rep_line {
	const char *label;
	unsigned colour;
	bool is_area, is_points, with_points, steps;
	rep_value *x, *y;
	size_t n_points, x_capacity, y_capacity;
} rep_line;

typedef struct rep_lines {
	const char *x_axis, *y_axis;
	bool x_logarithmic, y_logarithmic;
	double y_high;      /**< 0: from the data */
	const char *x_tics; /**< gnuplot's; NULL: its choice */
	rep_line *lines;
	size_t n_lines, capacity;
} rep_lines;

rep_line *rep_lines_add(rep_lines *lines, const char *label, unsigned colour);
void rep_line_point(rep_line *line, rep_value x, rep_value y);
/** The samples of a series, against time in seconds divided by x_unit_s, values multiplied by factor. At most
 *  points_max of them, equally spaced. */
void rep_line_series(rep_line *line, const rep_row *row, double x_unit_s, double factor, size_t points_max);
/** Script and data; each line's name at its end. @return false: no line has a point */
bool rep_lines_draw(rep_figure *figure, rep_lines *lines);

/* --- conditions, for captions ------------------------------------------------------------------------------------- */

/** The machine and the memory behind a row: "AMD EPYC, 2 CPUs, kernel 6.18; 8.00 GiB". */
void rep_caption_conditions(rep_text *html, const rep_row *row);

#endif
