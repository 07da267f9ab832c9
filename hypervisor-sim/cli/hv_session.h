/* SPDX-License-Identifier: MIT
 *
 * What scenarios do at their begin and end, and the single figures they write between: a result file that is claimed
 * first, the exit code that belongs to the outcome. */
#ifndef HV_SESSION_H
#define HV_SESSION_H

#include "cli/hv_options.h"
#include "result/hv_result.h"

/** Begin the result of a scenario. @return false: told to the user; end with HV_EXIT_USAGE */
HV_MUST_CHECK bool hv_session_open(hv_result *result, const hv_options *options, const char *scenario);
/** Save, tell the checks, close. @return the exit code */
HV_MUST_CHECK int hv_session_close(hv_result *result, const hv_options *options, bool interrupted);

/** A row of one value, like the template. */
void hv_session_figure(hv_result *result, const hv_row *like, const char *metric, const char *unit, double value);
/** A row that is a series over time. */
void hv_session_series(hv_result *result, const hv_row *like, const char *metric, const char *unit,
		       const hv_samples *samples, double interval_s);

/** A remark for the user on stderr, beside progress. Any thread. */
void hv_session_remark(const char *text);
/** Progress on stderr, where that is a terminal; NULL clears it. */
void hv_session_progress(const char *format, ...) HV_PRINTF(1, 2);

#endif
