/* SPDX-License-Identifier: MIT
 *
 * What stands beside the numbers: warnings, checks, the environment of each file. */
#include "rep_page.h"

#include <string.h>

static const cJSON *item_of(const rep_file *file, const char *section, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(file->root, section), key);
}

static const char *text_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
	return cJSON_IsString(item) ? item->valuestring : "";
}

static void warning_begin(rep_text *html, const rep_file *file)
{
	rep_text_add(html, "<li data-static><code>%s</code>: ", file->label);
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
	const char *commit = rep_file_text(file, "commit");
	if (commit == NULL || strstr(commit, "-dirty") == NULL)
		return;
	warning_begin(html, file);
	rep_text_add(html, "built from changed sources</li>\n");
}

static void warning_add(rep_text *html, const rep_file *file, const char *name, const char *detail)
{
	warning_begin(html, file);
	rep_html_escape(html, name);
	rep_text_add(html, ", ");
	rep_html_escape(html, detail);
	rep_text_add(html, "</li>\n");
}

/* What the programs said: a list of objects, or texts of the context named warning_NAME. */
static void own_warnings(const rep_file *file, rep_text *html)
{
	const cJSON *each;
	cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(file->root, "warnings"))
		warning_add(html, file, text_of(each, "name"), text_of(each, "detail"));
	cJSON_ArrayForEach(each, file->about) if (cJSON_IsString(each) && strncmp(each->string, "warning_", 8) == 0)
		warning_add(html, file, each->string + 8, each->valuestring);
}

void rep_warnings_html(const rep_set *set, rep_text *html)
{
	rep_text list = { 0 };
	for (size_t at = 0; at < set->n_files; at++) {
		const rep_file *file = &set->files[at];
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
