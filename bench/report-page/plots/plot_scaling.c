/* SPDX-License-Identifier: MIT
 *
 * Latency over the number of threads, by allocator: one figure per pattern of use. */
#include "../rep_figure.h"

#include <stdlib.h>

static const struct {
	const char *name, *title, *scenario, *metric;
} patterns[] = {
	{ "scaling-bulk-get", "Get over threads", "bulk", "get_ns" },
	{ "scaling-repeat", "Get and put straight back over threads, as a pair", "repeat", "pair_ns" },
	{ "scaling-rand", "Put and get at random over threads, as a pair", "rand", "pair_ns" },
	{ "scaling-xfree", "Put what another thread got", "xfree", "put_ns" },
};

static int by_number(const void *left, const void *right)
{
	unsigned a = *(const unsigned *)left, b = *(const unsigned *)right;
	return (a > b) - (a < b);
}

/* The numbers of threads that were measured. */
static size_t threads_find(const rep_set *set, rep_query query, unsigned **threads)
{
	size_t n_threads = 0, capacity = 0;
	const rep_row *row;
	*threads = NULL;
	for (size_t at = 0; (row = rep_set_next(set, &query, &at)) != NULL;) {
		bool known = false;
		for (size_t idx = 0; idx < n_threads; idx++)
			known |= (*threads)[idx] == row->threads;
		*threads = rep_grow(*threads, n_threads, &capacity, sizeof(**threads));
		(*threads)[n_threads] = row->threads;
		n_threads += !known;
	}
	if (n_threads > 0)
		qsort(*threads, n_threads, sizeof(**threads), by_number);
	return n_threads;
}

static void lines_fill(const rep_set *set, rep_query query, const unsigned *threads, size_t n_threads, rep_lines *lines,
		       rep_table *table)
{
	rep_names who = rep_set_who(set, &query);
	for (size_t at = 0; at < who.n_names; at++) {
		query.who = who.names[at];
		rep_line *line = rep_lines_add(lines, query.who, rep_colour_of(query.who));
		line->with_points = true;
		rep_table_text(table, query.who);
		for (size_t idx = 0; idx < n_threads; idx++) {
			query.threads = (int)threads[idx];
			const rep_row *row = rep_set_find(set, &query);
			rep_table_value(table, row != NULL ? row->median : (rep_value){ 0 });
			if (row != NULL)
				rep_line_point(line, (rep_value){ threads[idx], "threads" }, row->median);
		}
		query.threads = -1;
	}
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	unsigned *threads;
	if (idx >= sizeof(patterns) / sizeof(patterns[0]))
		return REP_LAST;
	rep_query query = { REP_ANY, .scenario = patterns[idx].scenario, .metric = patterns[idx].metric };
	query.order = 0;
	size_t n_threads = threads_find(set, query, &threads);
	if (n_threads < 2)
		return REP_NOTHING;
	rep_text tics = { 0 };
	rep_table_head(&figure->table, "allocator");
	for (size_t at = 0; at < n_threads; at++) {
		rep_text_add(&tics, "%s%u", at > 0 ? ", " : "(", threads[at]);
		rep_table_head(&figure->table, rep_format("%u thread%s, ns", threads[at], threads[at] == 1 ? "" : "s"));
	}
	rep_lines lines = { .x_axis = "threads",
			    .y_axis = "ns per operation of one thread (log scale)",
			    .x_logarithmic = true,
			    .y_logarithmic = true,
			    .x_tics = rep_format("%s)", tics.bytes) };
	rep_text_clear(&tics);
	lines_fill(set, query, threads, n_threads, &lines, &figure->table);
	figure->name = patterns[idx].name;
	figure->title = patterns[idx].title;
	size_t at = 0;
	rep_caption_conditions(&figure->caption, rep_set_next(set, &query, &at));
	rep_text_add(&figure->caption,
		     "<span data-static>Order 0</span>. Flat is ideal; beyond the number of CPUs threads take turns. ");
	return rep_lines_draw(figure, &lines) ? REP_MADE : REP_NOTHING;
}

const rep_plot rep_plot_scaling = {
	.rank = 20,
	.section = "Scaling over threads",
	.question = "Do more threads make each other slower?",
	.command = "llfree-bench --cases bulk,repeat,rand,xfree --orders 0 --json FILE",
	.build = build,
};
