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

/* A count of a list, which the page's checker counts again. */
static void count_add(rep_value *sum, const rep_file *file, const char *list, const char *what, size_t n_found)
{
	rep_value count = { (double)n_found, rep_format("%s#/%s|%s", file->label, list, what) };
	*sum = rep_value_is(*sum) ? rep_value_sum(*sum, count) : count;
}

static void remark_add(rep_text *list, const char *kind, const char *name, const char *detail)
{
	rep_text_add(list, "<li>%s: ", kind);
	rep_html_escape(list, name);
	rep_text_add(list, "%s", detail[0] != '\0' ? ": " : "");
	rep_html_escape(list, detail);
	rep_text_add(list, "</li>\n");
}

static void checks_add(const rep_file *file, rep_value *all, rep_value *failed, rep_text *list)
{
	const cJSON *each, *checks = cJSON_GetObjectItemCaseSensitive(file->root, "checks");
	size_t n_failed = 0;
	cJSON_ArrayForEach(each, checks) if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(each, "ok")))
	{
		remark_add(list, "<b>Failed</b>", text_of(each, "name"), text_of(each, "detail"));
		n_failed++;
	}
	if (checks != NULL) {
		count_add(all, file, "checks", "size", (size_t)cJSON_GetArraySize(checks));
		count_add(failed, file, "checks", "failed", n_failed);
	}
	cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(file->root, "skipped"))
		remark_add(list, "Skipped", text_of(each, "what"), text_of(each, "why"));
}

static void benchmarks_add(const rep_file *file, rep_text *list)
{
	const cJSON *each;
	cJSON_ArrayForEach(
		each, cJSON_GetObjectItemCaseSensitive(
			      file->root,
			      "benchmarks")) if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(each, "error_occurred")))
		remark_add(list, "<b>Failed</b>", text_of(each, "name"), text_of(each, "error_message"));
	const cJSON *skipped = cJSON_GetObjectItemCaseSensitive(file->about, "skipped");
	if (cJSON_IsString(skipped) && skipped->valuestring[0] != '\0')
		remark_add(list, "Skipped", skipped->valuestring, "");
}

void rep_checks_html(const rep_set *set, rep_text *html)
{
	rep_text list = { 0 };
	rep_value all = { 0 }, failed = { 0 };
	for (size_t at = 0; at < set->n_files; at++) {
		checks_add(&set->files[at], &all, &failed, &list);
		benchmarks_add(&set->files[at], &list);
	}
	if (rep_value_is(all) || list.n_bytes > 0)
		rep_text_add(html, "<section><h2>Checks</h2>\n");
	if (rep_value_is(all)) {
		rep_text_add(html, "<p class=\"%s\">", failed.number > 0 ? "warning" : "caption");
		rep_html_quantity(html, all, "checks");
		rep_text_add(html, ", ");
		rep_html_quantity(html, failed, "failed");
		rep_text_add(html, ": bytes that were to go are gone, no frame changed under its owner, the "
				   "allocator's books agree.</p>\n");
	}
	if (list.n_bytes > 0)
		rep_text_add(html, "<ul class=\"plain\" data-static>%s</ul>\n", list.bytes);
	if (rep_value_is(all) || list.n_bytes > 0)
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
