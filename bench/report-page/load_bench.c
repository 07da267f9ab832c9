/* SPDX-License-Identifier: MIT
 *
 * Rows of Google Benchmark's format as llfree-bench writes it: each counter of CASE/ALLOCATOR/order:O/threads:T is a
 * row; its repetitions are the samples. Aggregates are left out where repetitions are there, else the median is taken.
 */
#define _GNU_SOURCE
#include "rep_set.h"
#include "rep_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPETITIONS_MAX = 1024, REPETITIONS_ENOUGH = 4, PASSES_MAX = 32 };

static bool ends_with(const char *text, const char *end)
{
	size_t n_text = strlen(text), n_end = strlen(end);
	return n_text >= n_end && strcmp(text + n_text - n_end, end) == 0;
}

/* Not figures: what Google Benchmark says about every benchmark, and what goes with another counter. */
static bool is_bookkeeping(const char *key)
{
	static const char *const keys[] = { "family_index", "per_family_instance_index",
					    "repetitions",  "repetition_index",
					    "threads",      "iterations" };
	for (size_t at = 0; at < sizeof(keys) / sizeof(keys[0]); at++)
		if (strcmp(key, keys[at]) == 0)
			return true;
	return ends_with(key, "_low") || ends_with(key, "_high") || ends_with(key, "_confidence") ||
	       ends_with(key, "_samples") || ends_with(key, "_first") || strstr(key, "_pass_") != NULL ||
	       strcmp(key, "noisy") == 0;
}

static const char *unit_of(const char *counter)
{
	if (ends_with(counter, "_x_cas"))
		return "x";
	if (strncmp(counter, "round_", 6) == 0 || strncmp(counter, "pct_", 4) == 0)
		return "%";
	if (ends_with(counter, "gib_s"))
		return "GiB/s";
	if (ends_with(counter, "us_mib"))
		return "us/MiB";
	if (ends_with(counter, "kib_per_gib"))
		return "KiB/GiB";
	if (ends_with(counter, "bytes") || strcmp(counter, "bytes_per_gib") == 0)
		return "bytes";
	return ends_with(counter, "_ns") || ends_with(counter, "_time") || counter[0] == 'p' ||
			       strcmp(counter, "max") == 0
		       ? "ns"
		       : "count";
}

/* case/subject/order:O/threads:T[/variant] */
static bool name_split(const char *name, rep_row *row)
{
	char *copy = rep_keep(strlen(name) + 1);
	strcpy(copy, name);
	row->scenario = strsep(&copy, "/");
	row->who = copy != NULL ? strsep(&copy, "/") : NULL;
	if (row->who == NULL)
		return false;
	rep_text variant = { 0 };
	for (char *part; (part = strsep(&copy, "/")) != NULL;) {
		if (sscanf(part, "order:%u", &row->order) != 1 && sscanf(part, "threads:%u", &row->threads) != 1)
			rep_text_add(&variant, "%s%s", variant.n_bytes > 0 ? "/" : "", part);
	}
	row->variant = variant.n_bytes > 0 ? rep_format("%s", variant.bytes) : NULL;
	rep_text_clear(&variant);
	return true;
}

static const char *text_of(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
	return cJSON_IsString(item) ? item->valuestring : "";
}

static bool failed(const cJSON *benchmark)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(benchmark, "error_occurred"));
}

static bool usable(const cJSON *benchmark, bool aggregates)
{
	bool is_aggregate = strcmp(text_of(benchmark, "run_type"), "aggregate") == 0;
	return !failed(benchmark) &&
	       (aggregates ? is_aggregate && strcmp(text_of(benchmark, "aggregate_name"), "median") == 0
			   : !is_aggregate);
}

typedef struct repetition {
	const cJSON *object;
	size_t idx;
} repetition;

/* Values and where each comes from. */
typedef struct gathered {
	double *values;
	size_t n_values, capacity;
	rep_text source;
} gathered;

static void gather(gathered *list, const rep_file *file, const repetition *from, const char *counter)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(from->object, counter);
	if (!cJSON_IsNumber(item))
		return;
	list->values = rep_grow(list->values, list->n_values, &list->capacity, sizeof(*list->values));
	list->values[list->n_values++] = item->valuedouble;
	rep_text_add(&list->source, "%s#/benchmarks/%zu/%s ", file->label, from->idx, counter);
}

static rep_value number_of(const rep_file *file, const repetition *from, const char *counter, rep_value otherwise)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(from->object, counter);
	return cJSON_IsNumber(item) ? rep_value_at(item->valuedouble, file->label,
						   rep_format("/benchmarks/%zu/%s", from->idx, counter))
				    : otherwise;
}

static rep_value derived(const gathered *list, double number, const char *how)
{
	return (rep_value){ number, rep_format("%s%s:%zu", list->source.bytes, how, list->n_values) };
}

/* A few repetitions say less than the passes within them. */
static void samples_load(rep_row *row, const rep_file *file, const repetition *all, size_t n_all, const gathered *runs)
{
	gathered passes = { 0 };
	for (size_t at = 0; at < n_all && n_all < REPETITIONS_ENOUGH; at++)
		for (unsigned pass = 0; pass < PASSES_MAX; pass++)
			gather(&passes, file, &all[at], rep_format("%s_pass_%03u", row->metric, pass));
	row->samples = passes.n_values > 0 ? passes.values : runs->values;
	row->n_samples = passes.n_values > 0 ? passes.n_values : runs->n_values;
	rep_text_clear(&passes.source);
}

static void counter_load(rep_set *set, const rep_file *file, const rep_row *like, const repetition *all, size_t n_all,
			 const char *counter)
{
	rep_row row = *like;
	gathered runs = { 0 };
	for (size_t at = 0; at < n_all; at++)
		gather(&runs, file, &all[at], counter);
	row.metric = counter;
	row.unit = unit_of(counter);
	if (runs.n_values == 1) {
		row.median = number_of(file, all, counter, (rep_value){ 0 });
		row.low = number_of(file, all, rep_format("%s_low", counter), row.median);
		row.high = number_of(file, all, rep_format("%s_high", counter), row.median);
	} else {
		measure_summary summary = rep_summary(runs.values, runs.n_values);
		row.median = derived(&runs, summary.median, "median");
		row.low = derived(&runs, summary.low, "low");
		row.high = derived(&runs, summary.high, "high");
	}
	samples_load(&row, file, all, n_all, &runs);
	rep_text_clear(&runs.source);
	*rep_set_row(set) = row;
}

/* All counters of the benchmark at this place, together with its later repetitions. */
static void benchmark_load(rep_set *set, const rep_file *file, const cJSON *first, size_t idx, bool aggregates)
{
	const char *name = text_of(first, "run_name");
	rep_row like = { .file = file };
	repetition *all = rep_keep(REPETITIONS_MAX * sizeof(*all));
	size_t n_all = 0;
	if (!name_split(name, &like))
		return;
	for (const cJSON *each = first; each != NULL && n_all < REPETITIONS_MAX; each = each->next, idx++)
		if (usable(each, aggregates) && strcmp(text_of(each, "run_name"), name) == 0)
			all[n_all++] = (repetition){ each, idx };
	const cJSON *item;
	cJSON_ArrayForEach(item, first) if (cJSON_IsNumber(item) && !is_bookkeeping(item->string))
		counter_load(set, file, &like, all, n_all, item->string);
}

static bool seen_before(const cJSON *list, const cJSON *benchmark, bool aggregates)
{
	for (const cJSON *each = list->child; each != benchmark; each = each->next)
		if (usable(each, aggregates) && strcmp(text_of(each, "run_name"), text_of(benchmark, "run_name")) == 0)
			return true;
	return false;
}

void rep_load_benchmarks(rep_set *set, const rep_file *file)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(file->root, "benchmarks"), *benchmark;
	bool only_aggregates = true;
	cJSON_ArrayForEach(benchmark, list) only_aggregates &= !usable(benchmark, false);
	size_t idx = 0;
	cJSON_ArrayForEach(benchmark, list)
	{
		if (usable(benchmark, only_aggregates) && !seen_before(list, benchmark, only_aggregates))
			benchmark_load(set, file, benchmark, idx, only_aggregates);
		idx++;
	}
}
