/* SPDX-License-Identifier: MIT
 *
 * Rows of the project's own result format (docs/results.md). */
#include "rep_set.h"

#include <string.h>

static const char *text_of(const cJSON *row, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
	return cJSON_IsString(item) ? item->valuestring : NULL;
}

static rep_value number_of(const rep_file *file, const cJSON *row, size_t row_idx, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
	if (!cJSON_IsNumber(item))
		return (rep_value){ 0 };
	return rep_value_at(item->valuedouble, file->label, rep_format("/rows/%zu/%s", row_idx, key));
}

/* The first of several samples stands apart, as in median, low and high; not in a series over time. */
static void samples_load(rep_row *row, const cJSON *object, size_t row_idx)
{
	const cJSON *samples = cJSON_GetObjectItemCaseSensitive(object, "samples"), *item;
	size_t n_all = (size_t)cJSON_GetArraySize(samples), n_values = 0;
	double *values = rep_keep((n_all + 1) * sizeof(*values));
	cJSON_ArrayForEach(item, samples) values[n_values++] = item->valuedouble;
	bool first_apart =
		row->interval_s == 0 && n_all > 1 && cJSON_GetObjectItemCaseSensitive(object, "first") != NULL;
	row->samples_skipped = first_apart ? 1 : 0;
	row->samples = values + row->samples_skipped;
	row->n_samples = n_all - row->samples_skipped;
	row->samples_source = rep_format("%s#/rows/%zu/samples", row->file->label, row_idx);
}

void rep_load_rows(rep_set *set, const rep_file *file)
{
	const cJSON *object;
	size_t row_idx = 0;
	cJSON_ArrayForEach(object, cJSON_GetObjectItemCaseSensitive(file->root, "rows"))
	{
		rep_row row = { .file = file,
				.scenario = text_of(object, "scenario"),
				.who = text_of(object, "technique"),
				.allocator = text_of(object, "allocator"),
				.device = text_of(object, "device"),
				.backing = text_of(object, "backing"),
				.phase = text_of(object, "phase"),
				.metric = text_of(object, "metric"),
				.unit = text_of(object, "unit"),
				.note = text_of(object, "note"),
				.median = number_of(file, object, row_idx, "median"),
				.low = number_of(file, object, row_idx, "low"),
				.high = number_of(file, object, row_idx, "high") };
		row.interval_s = number_of(file, object, row_idx, "interval_s").number;
		samples_load(&row, object, row_idx);
		/* workloads of a simulation and of a real VM may have one name, and are two */
		if (row.scenario != NULL && strcmp(row.scenario, "footprint") == 0 && row.phase != NULL &&
		    rep_row_is_vm(&row))
			row.phase = rep_format("%s, real VM", row.phase);
		if (row.scenario != NULL && row.metric != NULL && row.unit != NULL && rep_value_is(row.median))
			*rep_set_row(set) = row;
		row_idx++;
	}
}
