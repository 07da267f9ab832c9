/* SPDX-License-Identifier: MIT
 *
 * gnuplot's SVG as a part of the page: without its own size, titles and fonts, with ids that no other figure has, and
 * with colours that the page's style defines for light and dark. */
#include "rep_gnuplot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool skip_element(const char **at, const char *begin, const char *end)
{
	if (strncmp(*at, begin, strlen(begin)) != 0)
		return false;
	const char *stop = strstr(*at, end);
	if (stop == NULL)
		return false;
	*at = stop + strlen(end);
	return true;
}

/* rgb(r, g, b) -> the variable with this colour, or the same colour. */
static bool colour_take(rep_text *html, const char **at)
{
	unsigned r, g, b;
	int n_read = 0;
	static const struct {
		const char *hex, *name;
	} others[] = { { "#5b6470", "--ink" }, { "#d9dde3", "--faint" } };
	if (sscanf(*at, "rgb(%u,%u,%u)%n", &r, &g, &b, &n_read) != 3 || n_read == 0)
		return false;
	char hex[40];
	snprintf(hex, sizeof(hex), "#%02x%02x%02x", r, g, b);
	*at += n_read;
	for (size_t idx = 0; idx < 2; idx++)
		if (strcmp(hex, others[idx].hex) == 0) {
			rep_text_add(html, "var(%s)", others[idx].name);
			return true;
		}
	for (unsigned idx = 0; idx < REP_COLOURS; idx++)
		if (strcmp(hex, rep_colours[idx]) == 0) {
			rep_text_add(html, "var(--c%u)", idx);
			return true;
		}
	rep_text_add(html, "%s", hex);
	return true;
}

/* Attributes that are written differently on a page. */
static bool attribute_take(rep_text *html, const char **at, const char *name)
{
	static const struct {
		const char *from, *to;
		bool named; /* the figure's name follows */
	} table[] = {
		{ " font-family=\"sans-serif\"", "", false },
		{ "fill=\"black\"", "fill=\"currentColor\"", false },
		{ "color=\"black\"", "", false },
		{ "color=\"white\"", "color=\"var(--page)\"", false },
		{ "stroke=\"black\"", "stroke=\"currentColor\"", false },
		{ "xlink:href='#", "href='#", true },
		{ " id='", " id='", true },
		{ " id=\"", " id=\"", true },
		{ "url(#", "url(#", true },
		{ " shape-rendering='crispEdges'", "", false },
	};
	for (size_t idx = 0; idx < sizeof(table) / sizeof(table[0]); idx++) {
		size_t n_bytes = strlen(table[idx].from);
		if (strncmp(*at, table[idx].from, n_bytes) != 0)
			continue;
		*at += n_bytes;
		rep_text_add(html, "%s%s%s", table[idx].to, table[idx].named ? name : "", table[idx].named ? "-" : "");
		return true;
	}
	return false;
}

/* Groups that gnuplot opens and closes without anything in them. */
static bool empty_group_skip(const char **at)
{
	if (strncmp(*at, "<g ", 3) != 0)
		return false;
	const char *end = strchr(*at, '>');
	if (end == NULL || strncmp(end, ">\n</g>\n", 7) != 0)
		return false;
	*at = end + 7;
	return true;
}

void rep_svg_inline(rep_text *html, const char *svg, const char *name, const char *class, const char *label)
{
	const char *at = strstr(svg, "<svg"), *box = at != NULL ? strstr(at, "viewBox=\"") : NULL;
	if (box == NULL || strchr(at, '>') == NULL)
		return;
	rep_text_add(html, "<svg class=\"%s\" role=\"img\" aria-label=\"", class);
	rep_html_escape(html, label);
	rep_text_add(html, "\" viewBox=\"%.*s\">", (int)strcspn(box + 9, "\""), box + 9);
	for (at = strchr(at, '>') + 1; *at != '\0';) {
		if (skip_element(&at, "<title>", "</title>") || skip_element(&at, "<desc>", "</desc>") ||
		    skip_element(&at, "<filter", "</filter>") || empty_group_skip(&at))
			continue;
		if ((*at == 'r' && colour_take(html, &at)) || attribute_take(html, &at, name))
			continue;
		rep_text_append(html, at++, 1);
	}
}
