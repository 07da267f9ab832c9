/* SPDX-License-Identifier: MIT
 *
 * Results: the first sample stands apart, a series is no repetition, warnings are in the file that was claimed. */
#define _GNU_SOURCE
#include "t_sim.h"

#include "result/hv_result.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static hv_samples samples_of(const double *values, size_t n_values)
{
	hv_samples samples = { 0 };
	for (size_t at = 0; at < n_values; at++)
		assert_int_equal(hv_samples_add(&samples, values[at]), HV_OK);
	return samples;
}

static void first_sample_stands_apart(void **state)
{
	static const double values[] = { 1000, 9, 1, 8, 2, 7, 3, 6, 4, 5 };
	hv_samples samples = samples_of(values, 10);
	hv_summary summary = hv_samples_summary(&samples, false);
	(void)state;
	assert_true(summary.first == 1000 && summary.median == 5 && summary.low == 2 && summary.high == 8);
	assert_true(summary.confidence > 0.9609 && summary.confidence < 0.961 && summary.spread);
	samples.n_values = 1;
	summary = hv_samples_summary(&samples, false);
	assert_true(summary.first == 1000 && summary.median == 1000 && summary.confidence == 0 && !summary.spread);
	hv_samples_clear(&samples);
	summary = hv_samples_summary(&samples, false);
	assert_true(summary.first == 0 && summary.median == 0);
}

static void series_has_extremes_and_no_interval(void **state)
{
	static const double values[] = { 100, 9, 1, 8, 2, 7, 3, 6, 4 };
	hv_samples samples = samples_of(values, 9);
	hv_summary summary = hv_samples_summary(&samples, true);
	(void)state;
	assert_true(summary.first == 100 && summary.median == 6 && summary.low == 1 && summary.high == 100);
	assert_true(summary.confidence == 0 && !summary.spread);
	hv_samples_clear(&samples);
}

static cJSON *file_parse(const char *path)
{
	static char text[1 << 16];
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	cJSON *root = cJSON_Parse(text);
	assert_non_null(root);
	return root;
}

static bool warned(const cJSON *root, const char *name)
{
	const cJSON *each;
	cJSON_ArrayForEach(
		each, cJSON_GetObjectItem(
			      root, "warnings")) if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(each, "name")),
							    name) == 0) return true;
	return false;
}

/* @return whether rows of these values, with this unit, are called noisy in the file */
static bool noisy(const double *values, size_t n_values, const char *unit, double interval_s, bool instants)
{
	char folder[] = "/tmp/llfree-result-XXXXXX", path[64];
	hv_result result;
	hv_samples samples = samples_of(values, n_values);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/result.json", folder);
	assert_int_equal(hv_result_open(&result, path, "test", 1), HV_OK);
	hv_row row = { .scenario = "test",
		       .technique = "t",
		       .backing = "b",
		       .phase = "p",
		       .metric = "m",
		       .unit = unit,
		       .samples = &samples,
		       .interval_s = interval_s,
		       .instants = instants,
		       .quiet = true };
	hv_result_row(&result, &row);
	hv_result_judge(&result);
	assert_int_equal(hv_result_save(&result), HV_OK);
	hv_result_close(&result);
	cJSON *root = file_parse(path);
	bool is_noisy = warned(root, "noisy-samples");
	const cJSON *shown = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "rows"), 0);
	assert_int_equal(cJSON_HasObjectItem(shown, "confidence"), n_values > 2 && interval_s == 0 && !instants);
	for (size_t at = 0; instants && at < n_values; at++) /* exact */
		assert_true(cJSON_GetArrayItem(cJSON_GetObjectItem(shown, "samples"), (int)at)->valuedouble ==
			    values[at]);
	cJSON_Delete(root);
	hv_samples_clear(&samples);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	return is_noisy;
}

static void samples_that_lie_far_apart_are_warned_about(void **state)
{
	static const double close[] = { 900, 10, 11, 12 }, apart[] = { 10, 10, 20, 30 };
	(void)state;
	assert_false(noisy(close, 4, "ns/2MiB", 0, false)); /* the first one stands apart */
	assert_true(noisy(apart, 4, "ns/2MiB", 0, false));
	assert_true(noisy(apart, 4, "GiB/s", 0, false));
	static const double instants[] = { 1.23456789, 1610612736, 0, 12.000001 };
	assert_false(noisy(instants, 4, "ns", 0, true));
	assert_false(noisy(apart, 4, "count", 0, false));
	assert_false(noisy(apart, 4, "ns/2MiB", 0.5, false));
	assert_false(noisy(apart, 2, "ns/2MiB", 0, false)); /* one value behind the first: nothing to compare */
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_sample_stands_apart),
		cmocka_unit_test(series_has_extremes_and_no_interval),
		cmocka_unit_test(samples_that_lie_far_apart_are_warned_about),
	};
	return T_RUN(tests);
}
