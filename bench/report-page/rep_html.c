/* SPDX-License-Identifier: MIT
 *
 * Pieces of the page; see rep_html.h. */
#include "rep_html.h"

#include <string.h>

enum { ROWS_SHOWN = 14 };

void rep_html_escape(rep_text *html, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			rep_text_add(html, "&amp;");
			break;
		case '<':
			rep_text_add(html, "&lt;");
			break;
		case '>':
			rep_text_add(html, "&gt;");
			break;
		case '"':
			rep_text_add(html, "&quot;");
			break;
		default:
			rep_text_append(html, text, 1);
		}
	}
}

void rep_html_number(rep_text *html, rep_value value)
{
	char text[REP_VALUE_TEXT_BYTES];
	if (!rep_value_is(value)) {
		rep_text_add(html, "&ndash;");
		return;
	}
	rep_text_add(html, "<span data-source=\"");
	rep_html_escape(html, value.source);
	rep_text_add(html, "\">%s</span>", rep_value_text(value, text));
}

void rep_html_quantity(rep_text *html, rep_value value, const char *unit)
{
	rep_html_number(html, value);
	rep_text_add(html, "&nbsp;");
	rep_html_escape(html, unit);
}

void rep_html_bytes(rep_text *html, rep_value bytes)
{
	static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
	unsigned at = 0;
	double scale = 1;
	for (; at < 4 && bytes.number * scale >= 1024; at++)
		scale /= 1024;
	rep_html_quantity(html, rep_value_scaled(bytes, scale), units[at]);
}

void rep_html_quote(rep_text *html, const char *text, const char *file, const char *pointer)
{
	rep_text_add(html, "<span data-text=\"%s#%s\">", file, pointer);
	rep_html_escape(html, text);
	rep_text_add(html, "</span>");
}

void rep_table_head(rep_table *table, const char *head)
{
	table->heads = rep_grow(table->heads, table->n_columns, &table->heads_capacity, sizeof(*table->heads));
	table->heads[table->n_columns++] = head;
}

static rep_cell *cell_add(rep_table *table)
{
	table->cells = rep_grow(table->cells, table->n_cells, &table->cells_capacity, sizeof(*table->cells));
	return &table->cells[table->n_cells++];
}

void rep_table_text(rep_table *table, const char *text)
{
	*cell_add(table) = (rep_cell){ .text = text != NULL ? text : "" };
}

void rep_table_value(rep_table *table, rep_value value)
{
	*cell_add(table) = (rep_cell){ .value = value };
}

/* The first column names the row. */
static void cell_html(rep_text *html, const rep_cell *cell, bool is_first)
{
	rep_text_add(html, is_first ? "<th scope=\"row\">" : cell->text != NULL ? "<td class=\"text\">" : "<td>");
	if (cell->text != NULL)
		rep_html_escape(html, cell->text);
	else
		rep_html_number(html, cell->value);
	rep_text_add(html, is_first ? "</th>" : "</td>");
}

void rep_html_table(rep_text *html, const rep_table *table)
{
	if (table->n_cells == 0)
		return;
	size_t n_rows = table->n_cells / table->n_columns;
	bool folded = table->foldable && n_rows > ROWS_SHOWN;
	if (folded)
		rep_text_add(html, "<details><summary data-static>Table, %zu rows</summary>", n_rows);
	rep_text_add(html, "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr>");
	for (size_t at = 0; at < table->n_columns; at++) {
		bool is_text = table->cells[at].text != NULL;
		rep_text_add(html, "<th scope=\"col\"%s>", is_text ? " class=\"text\"" : "");
		rep_html_escape(html, table->heads[at]);
		rep_text_add(html, "</th>");
	}
	rep_text_add(html, "</tr></thead>\n<tbody>\n");
	for (size_t at = 0; at < table->n_cells; at++) {
		bool is_first = at % table->n_columns == 0;
		rep_text_add(html, is_first ? "<tr>" : "");
		cell_html(html, &table->cells[at], is_first);
		if ((at + 1) % table->n_columns == 0)
			rep_text_add(html, "</tr>\n");
	}
	rep_text_add(html, "</tbody></table></div>%s\n", folded ? "</details>" : "");
}
