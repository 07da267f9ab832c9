/* SPDX-License-Identifier: MIT
 *
 * Reading result files and finding rows; see rep_set.h. */
#define _GNU_SOURCE
#include "rep_set.h"

#include "rep_embedded.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool label_taken(const rep_set *set, const char *label)
{
	for (size_t at = 0; at < set->n_files; at++)
		if (strcmp(set->files[at].label, label) == 0)
			return true;
	return false;
}

/* The file's name; with its folder in front where another file has the same. */
static const char *label_make(const rep_set *set, const char *path)
{
	const char *base = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
	const char *prefix = set->prefix != NULL && strcmp(path, REP_PUBLISHED_NAME) != 0 ? set->prefix : "";
	char *label = strdup(rep_format("%s%s", prefix, base));
	for (unsigned n = 2;; n++) {
		for (char *at = label; *at != '\0'; at++)
			if (!isalnum((unsigned char)*at) && strchr("._-/", *at) == NULL)
				*at = '_';
		if (!label_taken(set, label))
			break;
		free(label);
		const char *before = base > path + 1 ? base - 2 : base;
		while (before > path && before[-1] != '/')
			before--;
		label = strdup(n == 2 ? rep_format("%s%s", prefix, before) : rep_format("%s%u/%s", prefix, n, base));
	}
	const char *kept = rep_format("%s", label);
	free(label);
	return kept;
}

rep_row *rep_set_row(rep_set *set)
{
	set->rows = rep_grow(set->rows, set->n_rows, &set->rows_capacity, sizeof(*set->rows));
	return &set->rows[set->n_rows++];
}

static bool file_add(rep_set *set, const char *path, const char *bytes, size_t n_bytes)
{
	cJSON *root = cJSON_ParseWithLength(bytes, n_bytes);
	bool is_bench = cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(root, "benchmarks"));
	if (!is_bench && !cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(root, "rows"))) {
		rep_complain("%s: %s", path,
			     root == NULL
				     ? "not JSON"
				     : "neither \"rows\" nor \"benchmarks\": not a result of hvsim or llfree-bench");
		cJSON_Delete(root);
		return false;
	}
	/* rows point to their file: each in memory of its own, which does not move when the list grows */
	rep_file *file = rep_keep(sizeof(*file));
	const char *about_key = is_bench ? "context" : "environment";
	*file = (rep_file){ .label = label_make(set, path),
			    .path = rep_format("%s", path),
			    .root = root,
			    .is_bench = is_bench,
			    .is_published = strcmp(path, REP_PUBLISHED_NAME) == 0,
			    .about = cJSON_GetObjectItemCaseSensitive(root, about_key),
			    .about_key = rep_format("/%s", about_key) };
	set->files = rep_grow(set->files, set->n_files, &set->files_capacity, sizeof(*set->files));
	set->files[set->n_files++] = *file;
	if (is_bench)
		rep_load_benchmarks(set, file);
	else
		rep_load_rows(set, file);
	return true;
}

static int wanted_entry(const struct dirent *entry)
{
	size_t n_bytes = strlen(entry->d_name);
	return entry->d_name[0] != '.' && (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN ||
					   (n_bytes > 5 && strcmp(entry->d_name + n_bytes - 5, ".json") == 0));
}

static bool folder_add(rep_set *set, const char *path)
{
	struct dirent **entries;
	bool any = false;
	int n_entries = scandir(path, &entries, wanted_entry, alphasort);
	if (n_entries < 0) {
		rep_complain("%s: %s", path, strerror(errno));
		return false;
	}
	for (int at = 0; at < n_entries; at++) {
		struct stat status;
		const char *below = rep_format("%s/%s", path, entries[at]->d_name);
		bool is_folder = stat(below, &status) == 0 && S_ISDIR(status.st_mode);
		/* a page keeps the data of its plots there: not measurements */
		if (!is_folder || strcmp(entries[at]->d_name, "plots") != 0)
			any = rep_set_add(set, below) || any;
		free(entries[at]);
	}
	free(entries);
	return any;
}

bool rep_set_add(rep_set *set, const char *path)
{
	struct stat status;
	size_t n_bytes;
	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return folder_add(set, path);
	const char *bytes = rep_file_read(path, &n_bytes);
	if (bytes == NULL) {
		rep_complain("%s: %s", path, strerror(errno));
		return false;
	}
	return file_add(set, path, bytes, n_bytes);
}

bool rep_set_add_published(rep_set *set)
{
	return file_add(set, REP_PUBLISHED_NAME, rep_published, rep_published_bytes);
}

void rep_set_clear(rep_set *set)
{
	for (size_t at = 0; at < set->n_files; at++)
		cJSON_Delete(set->files[at].root);
	*set = (rep_set){ 0 };
}

static bool text_matches(const char *wanted, const char *text)
{
	return wanted == NULL || (text != NULL && strcmp(wanted, text) == 0);
}

static bool row_matches(const rep_row *row, const rep_query *query)
{
	return row->file->is_published == query->published && text_matches(query->scenario, row->scenario) &&
	       text_matches(query->who, row->who) && text_matches(query->device, row->device) &&
	       text_matches(query->backing, row->backing) && text_matches(query->phase, row->phase) &&
	       text_matches(query->metric, row->metric) && text_matches(query->variant, row->variant) &&
	       (query->metric != NULL || row->interval_s == 0) &&
	       (query->order < 0 || row->order == (unsigned)query->order) &&
	       (query->threads < 0 || row->threads == (unsigned)query->threads);
}

const rep_row *rep_set_next(const rep_set *set, const rep_query *query, size_t *at)
{
	while (*at < set->n_rows) {
		const rep_row *row = &set->rows[(*at)++];
		if (row_matches(row, query))
			return row;
	}
	return NULL;
}

const rep_row *rep_set_find(const rep_set *set, const rep_query *query)
{
	const rep_row *found = NULL, *row;
	for (size_t at = 0; (row = rep_set_next(set, query, &at)) != NULL;)
		found = row;
	return found;
}

rep_value rep_set_value(const rep_set *set, rep_query query, const char *metric)
{
	query.metric = metric;
	const rep_row *row = rep_set_find(set, &query);
	return row != NULL ? row->median : (rep_value){ 0 };
}

unsigned rep_set_fewest_threads(const rep_set *set, const rep_query *query)
{
	unsigned fewest = 0;
	const rep_row *row;
	for (size_t at = 0; (row = rep_set_next(set, query, &at)) != NULL;)
		fewest = fewest == 0 || row->threads < fewest ? row->threads : fewest;
	return fewest;
}

void rep_names_add(rep_names *names, const char *name)
{
	for (size_t at = 0; at < names->n_names; at++)
		if (strcmp(names->names[at], name) == 0)
			return;
	names->names = rep_grow(names->names, names->n_names, &names->capacity, sizeof(*names->names));
	names->names[names->n_names++] = name;
}

rep_names rep_set_who(const rep_set *set, const rep_query *query)
{
	rep_names names = { 0 };
	const rep_row *row;
	for (size_t at = 0; (row = rep_set_next(set, query, &at)) != NULL;)
		if (row->who != NULL)
			rep_names_add(&names, row->who);
	return names;
}

bool rep_row_is_vm(const rep_row *row)
{
	return row->note != NULL && strstr(row->note, "accelerator ") != NULL;
}

const char *rep_row_time(const rep_row *row)
{
	return rep_row_is_vm(row) ? "time" : "simulated time";
}

const char *rep_file_text(const rep_file *file, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(file->about, key);
	return cJSON_IsString(item) ? item->valuestring : NULL;
}

/* Google Benchmark's context holds numbers as texts. */
rep_value rep_file_number(const rep_file *file, const char *section, const char *key)
{
	const cJSON *object = cJSON_GetObjectItemCaseSensitive(file->root, section);
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
	char *end = NULL;
	double number = cJSON_IsString(item) ? strtod(item->valuestring, &end) : cJSON_GetNumberValue(item);
	bool is_number = cJSON_IsNumber(item) || (end != NULL && end != item->valuestring && *end == '\0');
	return is_number ? rep_value_at(number, file->label, rep_format("/%s/%s", section, key)) : (rep_value){ 0 };
}
