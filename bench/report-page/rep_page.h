/* SPDX-License-Identifier: MIT
 *
 * The page: the answer, a comparison if there is one, the figures with their tables, checks, environment, sources. One
 * file, no script, nothing from the network. */
#ifndef REP_PAGE_H
#define REP_PAGE_H

#include "rep_compare.h"
#include "rep_figure.h"

typedef struct rep_section {
	const rep_plot *plot;
	rep_figure *figures;
	size_t n_figures, capacity;
	const rep_set *of; /**< a comparison shows its second set */
} rep_section;

typedef struct rep_page {
	const rep_set *set;               /**< what is shown */
	const rep_set *before;            /**< of a comparison: the first set; else NULL */
	const rep_comparison *comparison; /**< NULL: none */
	const rep_section *sections;
	size_t n_sections;
	bool drawn;               /**< gnuplot was there */
	const char *time;         /**< when the page was made */
	const char *base;         /**< of links to its own files: "" or "20260101T000000Z/" */
	rep_names earlier;        /**< folders of earlier pages beside base, newest first */
	const char *earlier_from; /**< the way from this page to these folders: "" or "../" */
} rep_page;

void rep_page_html(const rep_page *page, rep_text *html);

/* conditions.c */
/** What a reader must know before he believes a number: noise, switches, interrupted runs, failed checks. */
void rep_warnings_html(const rep_set *set, rep_text *html);
void rep_checks_html(const rep_set *set, rep_text *html);
void rep_environment_html(const rep_set *set, rep_text *html);

#endif
