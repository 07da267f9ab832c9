/* SPDX-License-Identifier: MIT
 *
 * Results; see hv_result.h. The file is replaced by rename, so that no moment shows half of it. */
#define _GNU_SOURCE
#include "result/hv_result.h"

#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Take the name before any work: two runs, or an earlier result, can't collide. */
static hv_err path_claim(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno == EEXIST ? HV_ERR_EXISTS : HV_ERR_SYSTEM;
	close(fd);
	return HV_OK;
}

hv_err hv_result_open(hv_result *self, const char *path, const char *scenario, uint64_t seed)
{
	*self = (hv_result){ 0 };
	if (path != NULL) {
		hv_err err = path_claim(path);
		if (err != HV_OK)
			return err;
		self->path = strdup(path);
	}
	measure_machine machine;
	measure_machine_read(&machine, "");
	self->root = cJSON_CreateObject();
	cJSON_AddItemToObject(self->root, "environment", hv_environment(&machine, seed));
	self->parameters = cJSON_AddObjectToObject(self->root, "parameters");
	cJSON_AddStringToObject(self->parameters, "scenario", scenario);
	self->rows = cJSON_AddArrayToObject(self->root, "rows");
	self->checks = cJSON_AddArrayToObject(self->root, "checks");
	self->skipped = cJSON_AddArrayToObject(self->root, "skipped");
	self->warnings = cJSON_AddArrayToObject(self->root, "warnings");
	hv_environment_warn(self, &machine);
	return hv_result_save(self);
}

void hv_result_close(hv_result *self)
{
	cJSON_Delete(self->root);
	free(self->path);
	*self = (hv_result){ 0 };
}

hv_err hv_result_save(const hv_result *self)
{
	if (self->path == NULL)
		return HV_OK;
	char *text = cJSON_Print(self->root);
	char *part = NULL;
	if (text == NULL || asprintf(&part, "%s.part", self->path) < 0) {
		free(text);
		return HV_ERR_SYSTEM;
	}
	FILE *file = fopen(part, "we");
	bool ok = file != NULL && fputs(text, file) >= 0 && fputc('\n', file) >= 0;
	if (file != NULL)
		ok = fclose(file) == 0 && ok;
	ok = ok && rename(part, self->path) == 0;
	if (!ok && file != NULL)
		unlink(part);
	free(text);
	free(part);
	return ok ? HV_OK : HV_ERR_SYSTEM;
}

static void save_or_warn(const hv_result *self)
{
	if (hv_result_save(self) != HV_OK)
		fprintf(stderr, "%s: can't write %s: %s\n", program_invocation_short_name, self->path, strerror(errno));
}

static void add_text(cJSON *object, const char *key, const char *text)
{
	if (text != NULL)
		cJSON_AddStringToObject(object, key, text);
}

static double rounded_to(double value, unsigned digits)
{
	if (value == 0)
		return 0;
	double scale = pow(10, digits - 1 - floor(log10(fabs(value))));
	return round(value * scale) / scale;
}

/* Four significant digits are more than nearly all of these measurements carry. */
double hv_result_rounded(double value)
{
	return rounded_to(value, 4);
}

static cJSON *row_json(const hv_row *row, const hv_summary *summary)
{
	cJSON *object = cJSON_CreateObject();
	add_text(object, "scenario", row->scenario);
	add_text(object, "technique", row->technique);
	add_text(object, "allocator", row->allocator);
	add_text(object, "device", row->device);
	add_text(object, "backing", row->backing);
	add_text(object, "isolation", row->isolation);
	add_text(object, "phase", row->phase);
	add_text(object, "metric", row->metric);
	add_text(object, "unit", row->unit);
	cJSON_AddNumberToObject(object, "median", hv_result_rounded(summary->median));
	cJSON_AddNumberToObject(object, "low", hv_result_rounded(summary->low));
	cJSON_AddNumberToObject(object, "high", hv_result_rounded(summary->high));
	if (summary->confidence > 0 && row->interval_s == 0)
		cJSON_AddNumberToObject(object, "confidence", hv_result_rounded(summary->confidence));
	cJSON_AddNumberToObject(object, "first", hv_result_rounded(summary->first));
	cJSON *samples = cJSON_AddArrayToObject(object, "samples");
	for (size_t at = 0; at < row->samples->n_values; at++)
		cJSON_AddItemToArray(samples,
				     cJSON_CreateNumber(rounded_to(row->samples->values[at], row->instants ? 12 : 4)));
	if (row->interval_s > 0)
		cJSON_AddNumberToObject(object, "interval_s", hv_result_rounded(row->interval_s));
	if (row->has_bytes_moved)
		cJSON_AddNumberToObject(object, "bytes_moved", (double)row->bytes_moved);
	if (row->has_bytes_freed)
		cJSON_AddNumberToObject(object, "bytes_freed", (double)row->bytes_freed);
	add_text(object, "proof", row->proof);
	add_text(object, "discard", row->discard);
	add_text(object, "note", row->note);
	return object;
}

static const char *value_text(double value, char *text, size_t text_bytes)
{
	snprintf(text, text_bytes, fabs(value) >= 100 ? "%.0f" : "%.3g", value);
	return text;
}

/* Microseconds read better than nanoseconds; spread only where there is one. */
static void row_show(hv_result *self, const hv_row *row, const hv_summary *summary)
{
	char median[32], low[32] = "", high[32] = "", first[32] = "", moved[32] = "", freed[32] = "";
	bool is_ns = strncmp(row->unit, "ns/", 3) == 0;
	double scale = is_ns ? 1e-3 : 1;
	if (!self->header_shown)
		printf("%-14s %-9s %-22s %8s %8s %8s %8s  %-8s %9s %9s  %s\n", "technique", "backing", "phase",
		       "median", "low", "high", "first", "unit", "moved", "freed", "discarded by");
	self->header_shown = true;
	value_text(summary->median * scale, median, sizeof(median));
	if (row->samples->n_values > 1) {
		value_text(summary->low * scale, low, sizeof(low));
		value_text(summary->high * scale, high, sizeof(high));
		value_text(summary->first * scale, first, sizeof(first));
	}
	if (row->has_bytes_moved)
		hv_format_bytes(row->bytes_moved, moved, sizeof(moved));
	if (row->has_bytes_freed)
		hv_format_bytes(row->bytes_freed, freed, sizeof(freed));
	printf("%-14s %-9s %-22s %8s %8s %8s %8s  %s%-*s %9s %9s  %s%s%s\n", row->technique, row->backing, row->phase,
	       median, low, high, first, is_ns ? "us/" : "", is_ns ? 5 : 8, row->unit + (is_ns ? 3 : 0), moved, freed,
	       row->discard != NULL ? row->discard : "", row->discard != NULL && row->note != NULL ? "; " : "",
	       row->note != NULL ? row->note : "");
	fflush(stdout);
}

/* Repeated times or rates: counts and sizes may differ for a reason. */
static bool is_repeated_time(const hv_row *row)
{
	size_t unit_chars = strlen(row->unit);
	bool is_rate = unit_chars > 2 && strcmp(row->unit + unit_chars - 2, "/s") == 0;
	return row->samples->n_values > 2 && row->interval_s == 0 && (strncmp(row->unit, "ns", 2) == 0 || is_rate);
}

static void spread_note(hv_result *self, const hv_row *row, const hv_summary *summary)
{
	double ratio = summary->median > 0 ? (summary->high - summary->low) / summary->median : 0;
	if (!is_repeated_time(row))
		return;
	self->n_repeated++;
	self->n_spread += summary->spread;
	if (ratio <= self->widest_ratio)
		return;
	self->widest_ratio = ratio;
	snprintf(self->widest, sizeof(self->widest), "%s, %s", row->technique != NULL ? row->technique : row->scenario,
		 row->phase != NULL ? row->phase : row->metric);
}

void hv_result_judge(hv_result *self)
{
	char detail[320];
	if (self->n_spread == 0)
		return;
	snprintf(detail, sizeof(detail),
		 "%zu of %zu rows of repeated times have an interval wider than half of their median; widest: %s, %.1f "
		 "times",
		 self->n_spread, self->n_repeated, self->widest, self->widest_ratio);
	hv_result_warn(self, "noisy-samples", detail);
	printf("warning: noisy-samples (%s)\n", detail);
}

void hv_result_row(hv_result *self, const hv_row *row)
{
	hv_summary summary = hv_samples_summary(row->samples, row->interval_s > 0 || row->instants);
	spread_note(self, row, &summary);
	cJSON_AddItemToArray(self->rows, row_json(row, &summary));
	if (!row->quiet)
		row_show(self, row, &summary);
	save_or_warn(self);
}

void hv_result_check(hv_result *self, bool ok, const char *name, const char *detail)
{
	cJSON *check = cJSON_CreateObject();
	cJSON_AddStringToObject(check, "name", name);
	cJSON_AddBoolToObject(check, "ok", ok);
	cJSON_AddStringToObject(check, "detail", detail);
	cJSON_AddItemToArray(self->checks, check);
	if (!ok)
		printf("FAILED: %s: %s\n", name, detail);
	self->failed = self->failed || !ok;
}

void hv_result_warn(hv_result *self, const char *name, const char *detail)
{
	cJSON *warning = cJSON_CreateObject();
	cJSON_AddStringToObject(warning, "name", name);
	cJSON_AddStringToObject(warning, "detail", detail);
	cJSON_AddItemToArray(self->warnings, warning);
}

void hv_result_skip(hv_result *self, const char *what, const char *why)
{
	cJSON *entry = cJSON_CreateObject();
	cJSON_AddStringToObject(entry, "what", what);
	cJSON_AddStringToObject(entry, "why", why);
	cJSON_AddItemToArray(self->skipped, entry);
	printf("skipped: %s: %s\n", what, why);
	save_or_warn(self);
}

void hv_result_say(const hv_result *self, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	fflush(stdout);
	if (self->said == NULL)
		return;
	va_start(arguments, format);
	vfprintf(self->said, format, arguments);
	va_end(arguments);
}
