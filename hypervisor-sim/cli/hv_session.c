/* SPDX-License-Identifier: MIT
 *
 * Begin and end of scenarios; see hv_session.h. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "live/live.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool hv_session_open(hv_result *result, const hv_options *options, const char *scenario)
{
	hv_err err = hv_result_open(result, options->json, scenario, options->seed);
	if (err == HV_OK) {
		if (options->live && hv_live_open(scenario) != HV_OK)
			hv_session_remark("--live: no thread for it");
		return true;
	}
	fprintf(stderr, "%s: --json %s: %s\n", program_invocation_short_name, options->json,
		err == HV_ERR_EXISTS ? "exists already, and results are never overwritten; name another file"
				     : strerror(errno));
	hv_result_close(result);
	return false;
}

int hv_session_close(hv_result *result, const hv_options *options, bool interrupted)
{
	hv_live_close();
	cJSON_AddBoolToObject(result->parameters, "interrupted", interrupted);
	hv_result_judge(result);
	bool saved = hv_result_save(result) == HV_OK;
	if (!saved)
		fprintf(stderr, "%s: can't write %s: %s\n", program_invocation_short_name, options->json,
			strerror(errno));
	int status = result->failed || !saved ? HV_EXIT_CHECK : interrupted ? HV_EXIT_INTERRUPTED : 0;
	hv_result_say(result, "checks: %d, %s\n", cJSON_GetArraySize(result->checks),
		      result->failed ? "FAILED" : "all passed");
	hv_result_close(result);
	return status;
}

void hv_session_figure(hv_result *result, const hv_row *like, const char *metric, const char *unit, double value)
{
	hv_samples samples = { 0 };
	hv_row row = *like;
	row.metric = metric;
	row.unit = unit;
	row.samples = &samples;
	if (hv_samples_add(&samples, value) == HV_OK)
		hv_result_row(result, &row);
	hv_samples_clear(&samples);
}

void hv_session_series(hv_result *result, const hv_row *like, const char *metric, const char *unit,
		       const hv_samples *samples, double interval_s)
{
	hv_row row = *like;
	row.metric = metric;
	row.unit = unit;
	row.samples = samples;
	row.interval_s = interval_s;
	if (samples->n_values > 0)
		hv_result_row(result, &row);
}

void hv_session_remark(const char *text)
{
	if (hv_live_on())
		hv_live_event(text);
	else
		fprintf(stderr, "%shvsim: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", text);
}

void hv_session_progress(const char *format, ...)
{
	va_list arguments;
	char text[200] = "";
	if (hv_live_on()) {
		va_start(arguments, format);
		if (format != NULL)
			vsnprintf(text, sizeof(text), format, arguments);
		va_end(arguments);
		hv_live_progress(text);
		return;
	}
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[K");
	if (format == NULL)
		return;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
}
