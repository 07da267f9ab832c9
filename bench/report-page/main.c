/* SPDX-License-Identifier: MIT
 *
 * llfree-report: a page people can look at from results of hvsim and llfree-bench, and two sets of results compared.
 * Usually called by tools/report, which builds it. */
#define _GNU_SOURCE
#include "rep_compare.h"
#include "rep_embedded.h"
#include "rep_gnuplot.h"
#include "rep_headline.h"
#include "rep_page.h"

#include <argp.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { KEY_COMPARE = 0x100, KEY_HISTORY, KEY_NO_PLOTS, KEY_NO_PAGE, FIGURES_MAX = 64 };

typedef struct options {
	const char *output;
	bool compare, history, no_plots, no_page;
	char **inputs;
	int n_inputs;
} options;

static const struct argp_option option_table[] = {
	{ "output", 'o', "FOLDER", 0, "Where the page goes; it may exist, but hold no page yet (default: report/TIME)",
	  0 },
	{ "compare", KEY_COMPARE, 0, 0, "Two sets, A and B: ratios, and whether they differ beyond noise", 0 },
	{ "history", KEY_HISTORY, 0, 0,
	  "Also write index.html beside FOLDER: this page, with links to the earlier ones", 0 },
	{ "no-plots", KEY_NO_PLOTS, 0, 0, "Scripts and data only, without running gnuplot", 0 },
	{ "no-page", KEY_NO_PAGE, 0, 0, "With --compare: the table in the terminal only", 0 },
	{ 0 }
};

static error_t parse(int key, char *text, struct argp_state *state)
{
	options *chosen = state->input;
	switch (key) {
	case 'o':
		chosen->output = text;
		return 0;
	case KEY_COMPARE:
		return chosen->compare = true, 0;
	case KEY_HISTORY:
		return chosen->history = true, 0;
	case KEY_NO_PLOTS:
		return chosen->no_plots = true, 0;
	case KEY_NO_PAGE:
		return chosen->no_page = true, 0;
	case ARGP_KEY_ARGS:
		chosen->inputs = state->argv + state->next;
		chosen->n_inputs = state->argc - state->next;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no results given: JSON files of hvsim and llfree-bench, or folders of them");
		return EINVAL;
	case ARGP_KEY_END:
		if (chosen->compare && chosen->n_inputs != 2)
			argp_error(state, "--compare takes two files or folders, not %d", chosen->n_inputs);
		if (chosen->no_page && !chosen->compare)
			argp_error(state, "--no-page is for --compare");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char *now_text(const char *format)
{
	char text[64];
	time_t now = time(NULL);
	struct tm utc;
	return gmtime_r(&now, &utc) != NULL && strftime(text, sizeof(text), format, &utc) > 0 ? rep_format("%s", text)
											      : "unknown";
}

static bool folder_make(const char *path)
{
	if (mkdir(path, 0755) == 0 || errno == EEXIST)
		return true;
	rep_complain("can't make the folder %s: %s", path, strerror(errno));
	return false;
}

/* A folder of its own for every page. @return NULL: it was said why */
static const char *output_claim(const char *wanted)
{
	if (wanted != NULL) {
		size_t n_bytes = strlen(wanted);
		while (n_bytes > 1 && wanted[n_bytes - 1] == '/')
			n_bytes--;
		wanted = rep_format("%.*s", (int)n_bytes, wanted);
		const char *page = rep_format("%s/index.html", wanted);
		if (!folder_make(wanted))
			return NULL;
		if (access(page, F_OK) == 0)
			return rep_complain("%s exists, and pages are never overwritten; name another folder", page),
			       NULL;
		return folder_make(rep_format("%s/plots", wanted)) ? wanted : NULL;
	}
	if (!folder_make("report"))
		return NULL;
	const char *name = now_text("report/%Y%m%dT%H%M%SZ"), *folder = name;
	for (unsigned count = 2; mkdir(folder, 0755) != 0; count++) {
		if (errno != EEXIST || count == 100)
			return rep_complain("can't make the folder %s: %s", folder, strerror(errno)), NULL;
		folder = rep_format("%s-%u", name, count);
	}
	return folder_make(rep_format("%s/plots", folder)) ? folder : NULL;
}

static bool figures_make(rep_section *section, const rep_set *set, const char *folder, bool draw)
{
	bool ok = true;
	for (size_t idx = 0; idx < FIGURES_MAX; idx++) {
		rep_figure figure = { 0 };
		rep_made made = section->plot->build(set, idx, &figure);
		if (made == REP_LAST)
			break;
		if (made == REP_MADE) {
			ok = rep_gnuplot_draw(&figure, folder, draw) && ok;
			section->figures =
				rep_grow(section->figures, section->n_figures, &section->capacity, sizeof(figure));
			section->figures[section->n_figures++] = figure;
		}
	}
	return ok;
}

static rep_section *sections_make(const rep_set *set, const char *folder, bool draw, size_t *n_sections, bool *ok)
{
	rep_section *sections = NULL;
	size_t capacity = 0;
	*n_sections = 0;
	for (const rep_plot *const *plot = rep_plots; *plot != NULL; plot++) {
		sections = rep_grow(sections, *n_sections, &capacity, sizeof(*sections));
		sections[*n_sections] = (rep_section){ .plot = *plot };
		if (isatty(2))
			fprintf(stderr, "\r\033[K%s ", (*plot)->section);
		*ok = figures_make(&sections[(*n_sections)++], set, folder, draw) && *ok;
	}
	if (isatty(2))
		fputs("\r\033[K", stderr);
	return sections;
}

static int newest_first(const struct dirent **left, const struct dirent **right)
{
	return strcmp((*right)->d_name, (*left)->d_name);
}

/* The folders beside this one that hold a page. */
static rep_names earlier_find(const char *beside, const char *own)
{
	struct dirent **entries;
	rep_names names = { 0 };
	int n_entries = scandir(beside, &entries, NULL, newest_first);
	for (int at = 0; at < n_entries; at++) {
		const char *name = entries[at]->d_name;
		if (name[0] != '.' && strcmp(name, own) != 0 &&
		    access(rep_format("%s/%s/index.html", beside, name), F_OK) == 0)
			rep_names_add(&names, rep_format("%s", name));
		free(entries[at]);
	}
	if (n_entries >= 0)
		free(entries);
	return names;
}

static bool page_write(const rep_page *page, const char *path, bool replace)
{
	rep_text html = { 0 };
	rep_page_html(page, &html);
	bool ok = rep_file_write(path, html.bytes, html.n_bytes, replace);
	rep_text_clear(&html);
	return ok;
}

/* What the labels of sources mean: for the reader, and for checks of the numbers. */
static bool sources_write(const rep_page *page, const char *folder)
{
	rep_text list = { 0 };
	const rep_set *sets[] = { page->before, page->set };
	for (size_t which = 0; which < 2; which++)
		for (size_t at = 0; sets[which] != NULL && at < sets[which]->n_files; at++) {
			const rep_file *file = &sets[which]->files[at];
			char *full = file->is_published ? NULL : realpath(file->path, NULL);
			rep_text_add(&list, "%s\t%s\n", file->label, full != NULL ? full : file->label);
			free(full);
		}
	bool ok = rep_file_write(rep_format("%s/sources.tsv", folder), list.bytes, list.n_bytes, false) &&
		  rep_file_write(rep_format("%s/%s", folder, REP_PUBLISHED_NAME), rep_published, rep_published_bytes,
				 false);
	rep_text_clear(&list);
	return ok;
}

static void say(const rep_page *page, const char *path)
{
	printf("page: %s\n", path);
	for (unsigned idx = 0; idx < REP_HEADLINES && page->comparison == NULL; idx++) {
		rep_text html = { 0 }, plain = { 0 };
		rep_headline(page->set, idx, &html);
		if (html.n_bytes > 0) {
			rep_plain(&plain, html.bytes);
			printf("%s\n", plain.bytes);
		}
		rep_text_clear(&html);
		rep_text_clear(&plain);
	}
}

static bool page_make(const options *chosen, const rep_set *before, const rep_set *set,
		      const rep_comparison *comparison)
{
	const char *folder = output_claim(chosen->output);
	if (folder == NULL)
		return false;
	bool ok = true, draw = !chosen->no_plots && rep_gnuplot_present();
	const char *plots = rep_format("%s/plots", folder), *full = realpath(folder, NULL);
	const char *own = full != NULL ? strrchr(full, '/') + 1 : folder, *slash = strrchr(folder, '/');
	const char *beside = slash != NULL ? rep_format("%.*s", (int)(slash - folder), folder) : ".";
	rep_page page = {
		.set = set, .before = before, .comparison = comparison, .drawn = draw, .base = "", .earlier_from = "../"
	};
	page.time = now_text("%Y-%m-%d %H:%M UTC");
	page.sections = sections_make(set, plots, draw, &page.n_sections, &ok);
	page.earlier = chosen->history ? earlier_find(beside, own) : (rep_names){ 0 };
	const char *path = rep_format("%s/index.html", folder);
	ok = page_write(&page, path, false) && sources_write(&page, plots) && ok;
	if (chosen->history && ok) {
		page.base = rep_format("%s/", own);
		page.earlier_from = "";
		path = rep_format("%s/index.html", beside);
		ok = page_write(&page, path, true);
	}
	if (!draw && !chosen->no_plots)
		rep_complain("no plots: gnuplot is missing (Debian: gnuplot-nox); the page has the tables");
	if (ok)
		say(&page, path);
	for (size_t at = 0; at < page.n_sections; at++)
		for (size_t idx = 0; idx < page.sections[at].n_figures; idx++) {
			rep_figure *figure = &page.sections[at].figures[idx];
			rep_text_clear(&figure->caption);
			rep_text_clear(&figure->script);
			rep_text_clear(&figure->data);
			rep_text_clear(&figure->svg_wide);
			rep_text_clear(&figure->svg_narrow);
		}
	free((char *)(uintptr_t)full);
	return ok;
}

static int compare_run(const options *chosen)
{
	rep_set left = { .prefix = "A/" }, right = { .prefix = "B/" };
	int status = REP_FAILED;
	if (rep_set_add(&left, chosen->inputs[0]) && rep_set_add(&right, chosen->inputs[1])) {
		rep_comparison comparison = rep_compare(&left, &right);
		bool differ = comparison.n_verdicts[REP_LESS] + comparison.n_verdicts[REP_MORE] > 0;
		if (comparison.n_pairs == 0)
			rep_complain("the two sets have no row in common");
		else
			rep_compare_print(&comparison);
		bool ok = comparison.n_pairs > 0 &&
			  (chosen->no_page ||
			   (rep_set_add_published(&right) && page_make(chosen, &left, &right, &comparison)));
		status = !ok ? REP_FAILED : differ ? REP_DIFFERENT : REP_OK;
	}
	rep_set_clear(&left);
	rep_set_clear(&right);
	return status;
}

static int report_run(const options *chosen)
{
	rep_set set = { 0 };
	bool ok = true;
	for (int at = 0; at < chosen->n_inputs; at++)
		ok = rep_set_add(&set, chosen->inputs[at]) && ok;
	if (ok && set.n_files == 0) {
		rep_complain("no results there: *.json of hvsim or llfree-bench");
		ok = false;
	}
	ok = ok && rep_set_add_published(&set) && page_make(chosen, NULL, &set, NULL);
	rep_set_clear(&set);
	return ok ? REP_OK : REP_FAILED;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse,
		.args_doc = "RESULTS...\n--compare A B",
		.doc = "A page from results of hvsim and llfree-bench (JSON files, or folders of them), with plots; or "
		       "two sets "
		       "of results compared. Writes FOLDER/index.html and FOLDER/plots/; never overwrites either.\v"
		       "Exit code: 0 done, and with --compare no difference beyond noise; 1 failed; 2 wrong usage; 3 "
		       "with "
		       "--compare: rows differ beyond noise."
	};
	options chosen = { 0 };
	argp_err_exit_status = REP_USAGE;
	if (argp_parse(&argp, argc, argv, 0, NULL, &chosen) != 0)
		return REP_USAGE;
	int status = chosen.compare ? compare_run(&chosen) : report_run(&chosen);
	rep_release();
	return status;
}
