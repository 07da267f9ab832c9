/* SPDX-License-Identifier: MIT
 *
 * What stands beside the numbers: warnings, checks, the environment of each file. */
#include "rep_page.h"

#include <string.h>

static const cJSON *item_of(const rep_file *file, const char *section, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(file->root, section), key);
}

static void warning_begin(rep_text *html, const rep_file *file)
{
	rep_text_add(html, "<li data-static><code>%s</code>: ", file->label);
}

/* Of three processes that want to run on two CPUs one waits. */
static void load_warn(const rep_file *file, rep_text *html)
{
	double load = cJSON_GetNumberValue(cJSON_GetArrayItem(item_of(file, "context", "load_avg"), 0));
	double cpus = cJSON_GetNumberValue(item_of(file, "context", "num_cpus"));
	if (!(load > 0.5 * cpus))
		return;
	warning_begin(html, file);
	rep_text_add(html, "the machine was busy when it began (load %.1f on %.0f CPUs)</li>\n", load, cpus);
}

/* "always [madvise] never" and "madvise" alike. */
static void thp_warn(const rep_file *file, rep_text *html)
{
	const char *thp = rep_file_text(file, "thp");
	if (thp == NULL || (strstr(thp, "[never]") == NULL && strcmp(thp, "never") != 0))
		return;
	warning_begin(html, file);
	rep_text_add(html, "transparent huge pages are switched off</li>\n");
}

static void interrupted_warn(const rep_file *file, rep_text *html)
{
	const cJSON *interrupted = item_of(file, "parameters", "interrupted");
	if (file->is_bench || file->is_published || cJSON_IsFalse(interrupted))
		return;
	warning_begin(html, file);
	rep_text_add(html, "%s</li>\n",
		     cJSON_IsTrue(interrupted) ? "the run was interrupted" : "the run was killed, or is not over");
}

static void build_warn(const rep_file *file, rep_text *html)
{
	const char *commit = rep_file_text(file, "commit"), *build = rep_file_text(file, "build");
	if (commit != NULL && strstr(commit, "-dirty") != NULL) {
		warning_begin(html, file);
		rep_text_add(html, "built from changed sources</li>\n");
	}
	if (build != NULL && strncmp(build, "Debug", 5) == 0) {
		warning_begin(html, file);
		rep_text_add(html, "a debug build: its times say little</li>\n");
	}
}

/* Programs that know more say it themselves: texts, or objects with a text. */
static void own_warnings(const rep_file *file, rep_text *html)
{
	const cJSON *each;
	cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(file->about, "warnings"))
	{
		const cJSON *text = cJSON_IsObject(each) ? cJSON_GetObjectItemCaseSensitive(each, "text") : each;
		if (!cJSON_IsString(text))
			continue;
		warning_begin(html, file);
		rep_html_escape(html, text->valuestring);
		rep_text_add(html, "</li>\n");
	}
}

void rep_warnings_html(const rep_set *set, rep_text *html)
{
	rep_text list = { 0 };
	for (size_t at = 0; at < set->n_files; at++) {
		const rep_file *file = &set->files[at];
		load_warn(file, &list);
		thp_warn(file, &list);
		interrupted_warn(file, &list);
		build_warn(file, &list);
		own_warnings(file, &list);
	}
	if (list.n_bytes > 0)
		rep_text_add(html,
			     "<div class=\"warning\"><p>Before you rely on these figures:</p><ul>\n%s</ul></div>\n",
			     list.bytes);
	rep_text_clear(&list);
}

static const char *text_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
	return cJSON_IsString(item) ? item->valuestring : "";
}

static void failed_checks_add(const rep_file *file, size_t *n_checks, size_t *n_failed, rep_text *list)
{
	const cJSON *each;
	cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(file->root, "checks"))
	{
		++*n_checks;
		if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(each, "ok")))
			continue;
		++*n_failed;
		rep_text_add(list, "<li><b>Failed</b>: ");
		rep_html_escape(list, text_of(each, "name"));
		rep_text_add(list, ": ");
		rep_html_escape(list, text_of(each, "detail"));
		rep_text_add(list, "</li>\n");
	}
	cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(file->root, "skipped"))
	{
		rep_text_add(list, "<li>Skipped: ");
		rep_html_escape(list, text_of(each, "what"));
		rep_text_add(list, ": ");
		rep_html_escape(list, text_of(each, "why"));
		rep_text_add(list, "</li>\n");
	}
}

static void failed_benchmarks_add(const rep_file *file, size_t *n_failed, rep_text *list)
{
	const cJSON *each;
	cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(file->root, "benchmarks"))
	{
		if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(each, "error_occurred")))
			continue;
		++*n_failed;
		rep_text_add(list, "<li><b>Failed</b>: ");
		rep_html_escape(list, text_of(each, "name"));
		rep_text_add(list, ": ");
		rep_html_escape(list, text_of(each, "error_message"));
		rep_text_add(list, "</li>\n");
	}
	const cJSON *skipped = cJSON_GetObjectItemCaseSensitive(file->about, "skipped");
	if (!cJSON_IsString(skipped) || skipped->valuestring[0] == '\0')
		return;
	rep_text_add(list, "<li>Skipped: ");
	rep_html_escape(list, skipped->valuestring);
	rep_text_add(list, "</li>\n");
}

void rep_checks_html(const rep_set *set, rep_text *html)
{
	rep_text list = { 0 };
	size_t n_checks = 0, n_failed = 0;
	for (size_t at = 0; at < set->n_files; at++) {
		failed_checks_add(&set->files[at], &n_checks, &n_failed, &list);
		failed_benchmarks_add(&set->files[at], &n_failed, &list);
	}
	if (n_checks == 0 && list.n_bytes == 0)
		return;
	rep_text_add(html,
		     "<section><h2>Checks</h2><p data-static class=\"%s\">%zu checks, %zu failed: bytes that were to "
		     "go are gone, no "
		     "frame changed under its owner, the allocator's books agree.</p>\n",
		     n_failed > 0 ? "warning" : "caption", n_checks, n_failed);
	if (list.n_bytes > 0)
		rep_text_add(html, "<ul class=\"plain\" data-static>%s</ul>\n", list.bytes);
	rep_text_add(html, "</section>\n");
	rep_text_clear(&list);
}

static void value_add(rep_text *html, const rep_file *file, const cJSON *item)
{
	const char *pointer = rep_format("%s/%s", file->about_key, item->string);
	if (cJSON_IsString(item))
		rep_html_quote(html, item->valuestring, file->label, pointer);
	else if (cJSON_IsBool(item))
		rep_text_add(html, "%s", cJSON_IsTrue(item) ? "yes" : "no");
	else if (strstr(item->string, "bytes") != NULL)
		rep_html_bytes(html, rep_value_at(item->valuedouble, file->label, pointer));
	else
		rep_html_number(html, rep_value_at(item->valuedouble, file->label, pointer));
}

static void file_add(rep_text *html, const rep_file *file)
{
	const cJSON *item;
	rep_text_add(html, "<details><summary><code data-static>%s</code></summary><dl>\n", file->label);
	cJSON_ArrayForEach(item, file->about)
	{
		if (!cJSON_IsString(item) && !cJSON_IsNumber(item) && !cJSON_IsBool(item))
			continue;
		rep_text_add(html, "<dt>");
		rep_html_escape(html, item->string);
		rep_text_add(html, "</dt><dd>");
		value_add(html, file, item);
		rep_text_add(html, "</dd>\n");
	}
	rep_text_add(html, "</dl></details>\n");
}

void rep_environment_html(const rep_set *set, rep_text *html)
{
	rep_text_add(html, "<section><h2>Environment</h2>\n");
	for (size_t at = 0; at < set->n_files; at++)
		if (!set->files[at].is_published)
			file_add(html, &set->files[at]);
	rep_text_add(html, "</section>\n");
}
