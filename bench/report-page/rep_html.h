/* SPDX-License-Identifier: MIT
 *
 * Pieces of the page: escaped text, numbers with their source, tables. A number of a result is only ever written by
 * rep_html_number(); other digits (names of rows, units) are words of a label. */
#ifndef REP_HTML_H
#define REP_HTML_H

#include "rep_value.h"

void rep_html_escape(rep_text *html, const char *text);
/** <span data-source=...>12.3</span>; an absent value is a dash. */
void rep_html_number(rep_text *html, rep_value value);
/** The same with a unit: "12.3 ns". */
void rep_html_quantity(rep_text *html, rep_value value, const char *unit);
/** A number of bytes in the unit that fits: "2.00 GiB". */
void rep_html_bytes(rep_text *html, rep_value bytes);
/** A text that was read from a result: <span data-text=SOURCE>...</span>. */
void rep_html_quote(rep_text *html, const char *text, const char *file, const char *pointer);

typedef struct rep_cell {
	const char *text; /**< NULL: the value */
	rep_value value;
} rep_cell;

typedef struct rep_table {
	const char **heads;
	size_t n_columns, heads_capacity;
	rep_cell *cells; /**< row after row */
	size_t n_cells, cells_capacity;
	bool foldable; /**< when long: the reader opens it */
} rep_table;

void rep_table_head(rep_table *table, const char *head);
void rep_table_text(rep_table *table, const char *text);
void rep_table_value(rep_table *table, rep_value value);
void rep_html_table(rep_text *html, const rep_table *table);

#endif
