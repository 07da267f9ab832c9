/* SPDX-License-Identifier: MIT
 *
 * Figures; see qvm_figures.h. Every row is checked when the file is read, so lookups need not. */
#define _GNU_SOURCE
#include "validate/qvm_figures.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* No result of this project comes near. */
#define FILE_BYTES_MAX (UINT64_C(64) << 20)

static char *file_text(const char *path, char *why, size_t why_bytes)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	long bytes = -1;
	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (bytes = ftell(file)) < 0 || fseek(file, 0, SEEK_SET) != 0)
		snprintf(why, why_bytes, "%s: %s", path, strerror(errno));
	else if ((uint64_t)bytes > FILE_BYTES_MAX)
		snprintf(why, why_bytes, "%s: larger than any result", path);
	else if ((text = malloc((size_t)bytes + 1)) == NULL)
		snprintf(why, why_bytes, "%s: no memory", path);
	else
		text[fread(text, 1, (size_t)bytes, file)] = '\0';
	if (file != NULL)
		fclose(file);
	return text;
}

static const char *row_text(const cJSON *row, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
	return cJSON_IsString(item) ? item->valuestring : NULL;
}

static bool number_of(const cJSON *row, const char *key, double *number)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
	if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble) || item->valuedouble < 0)
		return false;
	*number = item->valuedouble;
	return true;
}

static const char *row_fault(const cJSON *row)
{
	double number;
	if (!cJSON_IsObject(row))
		return "is no object";
	if (row_text(row, "metric") == NULL || row_text(row, "unit") == NULL || row_text(row, "scenario") == NULL)
		return "lacks its scenario, metric or unit";
	if (!number_of(row, "median", &number) || !number_of(row, "low", &number) || !number_of(row, "high", &number))
		return "has a median, low or high that is no number, or below zero";
	if (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(row, "samples")) < 1)
		return "has no samples";
	return NULL;
}

static bool rows_check(qvm_figures *self, const char *path, const char *scenario, const char *backing)
{
	const cJSON *row;
	unsigned at = 0, n_backing = 0;
	cJSON_ArrayForEach(row, self->rows)
	{
		const char *fault = row_fault(row);
		if (fault == NULL && strcmp(row_text(row, "scenario"), scenario) != 0)
			fault = "is of another scenario";
		if (fault != NULL) {
			snprintf(self->why, sizeof(self->why), "%s: row %u %s; wanted: a result of %s", path, at, fault,
				 scenario);
			return false;
		}
		const char *of_row = row_text(row, "backing");
		if (self->backing == NULL && (backing == NULL || (of_row != NULL && strcmp(of_row, backing) == 0)))
			self->backing = of_row;
		n_backing += self->backing != NULL && of_row != NULL && strcmp(of_row, self->backing) == 0;
		at++;
	}
	if (at > 0 && (backing == NULL || n_backing > 0))
		return true;
	if (at == 0)
		snprintf(self->why, sizeof(self->why), "%s: has no rows; wanted: a result of %s", path, scenario);
	else
		snprintf(self->why, sizeof(self->why), "%s: has no rows of backing %s", path, backing);
	return false;
}

bool qvm_figures_read(qvm_figures *self, const char *path, const char *scenario, const char *backing)
{
	*self = (qvm_figures){ 0 };
	char *text = file_text(path, self->why, sizeof(self->why));
	if (text == NULL)
		return false;
	self->root = cJSON_Parse(text);
	free(text);
	self->rows = cJSON_GetObjectItemCaseSensitive(self->root, "rows");
	if (!cJSON_IsArray(self->rows))
		snprintf(self->why, sizeof(self->why), "%s: not a result file (no JSON object with rows)", path);
	else if (rows_check(self, path, scenario, backing))
		return true;
	qvm_figures_close(self);
	return false;
}

void qvm_figures_close(qvm_figures *self)
{
	cJSON_Delete(self->root);
	self->root = NULL;
	self->rows = NULL;
	self->backing = NULL;
}

static bool row_is(const cJSON *row, const char *key, const char *wanted)
{
	const char *text = row_text(row, key);
	return text != NULL && strcmp(text, wanted) == 0;
}

bool qvm_figures_find(const qvm_figures *self, const char *technique, bool device, const char *phase,
		      const char *metric, qvm_figure *figure)
{
	const cJSON *row;
	cJSON_ArrayForEach(row, self->rows)
	{
		const char *of_row = row_text(row, "device");
		bool has_device = of_row != NULL && strcmp(of_row, "none") != 0;
		if (!row_is(row, "technique", technique) || has_device != device || !row_is(row, "phase", phase) ||
		    !row_is(row, "metric", metric) || (self->backing != NULL && !row_is(row, "backing", self->backing)))
			continue;
		*figure = (qvm_figure){ 0 };
		int n_samples = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(row, "samples"));
		figure->n_samples = (uint64_t)n_samples;
		figure->has_bytes = number_of(row, "bytes_moved", &figure->moved_bytes);
		figure->moved_bytes /= n_samples;
		figure->freed_bytes = -1;
		if (number_of(row, "bytes_freed", &figure->freed_bytes))
			figure->freed_bytes /= n_samples;
		return number_of(row, "median", &figure->median) && number_of(row, "low", &figure->low) &&
		       number_of(row, "high", &figure->high);
	}
	return false;
}

const char *qvm_figures_text(const qvm_figures *self, const char *object, const char *key)
{
	return row_text(cJSON_GetObjectItemCaseSensitive(self->root, object), key);
}

double qvm_figures_number(const qvm_figures *self, const char *object, const char *key)
{
	double number;
	return number_of(cJSON_GetObjectItemCaseSensitive(self->root, object), key, &number) ? number : 0;
}
