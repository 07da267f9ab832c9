/* SPDX-License-Identifier: MIT
 *
 * Writing the page; see rep_page.h. */
#include "rep_page.h"

#include "rep_embedded.h"
#include "rep_headline.h"

#include <string.h>

static void head_add(const rep_page *page, rep_text *html)
{
	rep_text_add(html, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			   "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
			   "<meta name=\"color-scheme\" content=\"light dark\">\n<title>llfree: ");
	rep_text_add(html, "%s %s</title>\n<style>\n", page->comparison != NULL ? "comparison" : "results", page->time);
	rep_text_append(html, rep_style, rep_style_bytes);
	rep_text_add(html, "</style>\n</head>\n<body>\n<main>\n<header><p class=\"kind\">llfree</p><h1>%s</h1>",
		     page->comparison != NULL ? "Two sets of results compared" : "Results");
	rep_text_add(html, "<p class=\"when\">Page made <time>%s</time></p></header>\n", page->time);
}

static void answer_add(const rep_page *page, rep_text *html)
{
	bool any = false;
	rep_text_add(html, "<section class=\"answer\" aria-label=\"The answer\">\n");
	for (unsigned idx = 0; idx < REP_HEADLINES; idx++) {
		rep_text sentence = { 0 };
		rep_headline(page->set, idx, &sentence);
		if (sentence.n_bytes > 0)
			rep_text_add(html, "<p class=\"headline\">%s</p>\n", sentence.bytes);
		any = any || sentence.n_bytes > 0;
		rep_text_clear(&sentence);
	}
	if (!any)
		rep_text_add(html, "<p>These results hold neither allocation latency nor write throughput nor reclaim "
				   "of llfree, so "
				   "there is no summary. What they hold is below.</p>\n");
	rep_warnings_html(page->set, html);
	rep_text_add(html, "</section>\n");
}

static void comparison_add(const rep_page *page, rep_text *html)
{
	if (page->comparison == NULL)
		return;
	rep_text_add(html, "<section class=\"answer\"><p class=\"headline\" data-static>%s.</p>\n",
		     rep_compare_sentence(page->comparison));
	rep_warnings_html(page->before, html);
	rep_text_add(
		html,
		"</section>\n<section id=\"comparison\"><h2>A and B, row by row</h2>\n"
		"<p class=\"caption\" data-static>Medians. Beyond noise: the Mann-Whitney test, corrected for the "
		"number of "
		"rows (Benjamini-Hochberg, 5 %%), and each median outside of the other's interval, and a change above "
		"the drift between unrelated rows (here %.1f %%). Rows that differ come first. %zu rows are only in A, "
		"%zu only in B.</p>\n",
		(page->comparison->floor - 1) * 100, page->comparison->n_only_left, page->comparison->n_only_right);
	rep_compare_html(page->comparison, html);
	rep_text_add(html, "</section>\n");
}

static void figure_add(const rep_page *page, const rep_figure *figure, rep_text *html)
{
	rep_text_add(html, "<figure id=\"%s\"><h3>", figure->name);
	rep_html_escape(html, figure->title);
	rep_text_add(html, "</h3>\n");
	rep_text_append(html, figure->svg_wide.bytes, figure->svg_wide.n_bytes);
	rep_text_append(html, figure->svg_narrow.bytes, figure->svg_narrow.n_bytes);
	rep_text_add(html, "<figcaption>");
	rep_text_append(html, figure->caption.bytes, figure->caption.n_bytes);
	rep_text_add(html, "<span class=\"files\">");
	static const char *const ends[] = { "gp", "dat", "svg", "pdf" };
	for (size_t at = 0; at < (page->drawn ? 4 : 2); at++)
		rep_text_add(html, "<a href=\"%splots/%s.%s\">%s</a> ", page->base, figure->name, ends[at], ends[at]);
	rep_text_add(html, "</span></figcaption>\n");
	rep_html_table(html, &figure->table);
	rep_text_add(html, "</figure>\n");
}

static void section_add(const rep_page *page, const rep_section *section, rep_text *html)
{
	if (section->n_figures == 0)
		return;
	rep_text_add(html, "<section><h2>%s</h2><p class=\"question\">%s</p>\n", section->plot->section,
		     section->plot->question);
	for (size_t at = 0; at < section->n_figures; at++)
		figure_add(page, &section->figures[at], html);
	rep_text_add(html, "</section>\n");
}

static void not_measured_add(const rep_page *page, rep_text *html)
{
	bool any = false;
	for (size_t at = 0; at < page->n_sections; at++) {
		if (page->sections[at].n_figures > 0)
			continue;
		rep_text_add(html,
			     any ? "" : "<section><h2>Not in these results</h2><dl class=\"missing\" data-static>\n");
		any = true;
		rep_text_add(html, "<dt>%s</dt><dd><code>%s</code></dd>\n", page->sections[at].plot->section,
			     page->sections[at].plot->command);
	}
	rep_text_add(html, any ? "</dl></section>\n" : "");
}

static void sources_add(const rep_page *page, const rep_set *set, rep_text *html)
{
	for (size_t at = 0; at < set->n_files; at++) {
		const rep_file *file = &set->files[at];
		const char *source = rep_file_text(file, "source");
		rep_text_add(html, "<li data-static><code>%s</code>", file->label);
		if (file->is_published) {
			rep_text_add(html, ": ");
			rep_html_escape(html, source != NULL ? source : "");
			rep_text_add(html, " (<a href=\"%splots/%s\">copy</a>)", page->base, file->label);
		}
		rep_text_add(html, "</li>\n");
	}
}

static void history_add(const rep_page *page, rep_text *html)
{
	if (page->earlier.n_names == 0)
		return;
	rep_text_add(html, "<section><h2>Earlier pages</h2><ul class=\"files\" data-static>\n");
	for (size_t at = 0; at < page->earlier.n_names; at++)
		rep_text_add(html, "<li><a href=\"%s%s/index.html\">%s</a></li>\n", page->earlier_from,
			     page->earlier.names[at], page->earlier.names[at]);
	rep_text_add(html, "</ul></section>\n");
}

void rep_page_html(const rep_page *page, rep_text *html)
{
	head_add(page, html);
	comparison_add(page, html);
	answer_add(page, html);
	if (!page->drawn)
		rep_text_add(html, "<p class=\"warning\">The plots are missing because gnuplot is (Debian: "
				   "gnuplot-nox); their scripts "
				   "and data are in <code>plots/</code>, their tables below.</p>\n");
	for (size_t at = 0; at < page->n_sections; at++)
		section_add(page, &page->sections[at], html);
	rep_checks_html(page->set, html);
	rep_environment_html(page->set, html);
	not_measured_add(page, html);
	rep_text_add(html, "<section><h2>Sources</h2><p class=\"caption\">Each number of this page names its file and "
			   "place in its "
			   "<code>data-source</code>; scripts and data of the plots are in <code>plots/</code>.</p><ul "
			   "class=\"files\">\n");
	if (page->before != NULL)
		sources_add(page, page->before, html);
	sources_add(page, page->set, html);
	rep_text_add(html, "</ul></section>\n");
	history_add(page, html);
	rep_text_add(html, "</main>\n</body>\n</html>\n");
}
