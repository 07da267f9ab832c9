/* SPDX-License-Identifier: MIT
 *
 * Results: the file of docs/results.md and the table in the terminal, from the same rows. The file is made before the
 * work begins and never over another one; it is valid JSON at any moment after that, with what was measured so far. */
#ifndef HV_RESULT_H
#define HV_RESULT_H

#include "result/samples.h"

#include <cjson/cJSON.h>
#include <stdio.h>

typedef struct hv_result {
	cJSON *root, *parameters, *rows, *checks, *skipped, *warnings;
	char *path;  /**< NULL = terminal only */
	bool failed; /**< a check failed */
	bool header_shown;
	size_t n_repeated, n_spread; /**< rows of repeated times; of these, rows whose samples lie far apart */
	char widest[160];            /**< the row that is the worst of them */
	double widest_ratio;
	FILE *said; /**< what hv_result_say() shows goes here too; NULL = nowhere. The caller's, and set after opening
		     */
} hv_result;

/** A line of the table. Keys that are NULL (numbers: has_* false) are absent. */
typedef struct hv_row {
	const char *scenario, *technique, *allocator, *device, *backing, *isolation, *phase, *metric, *unit;
	const hv_samples *samples;
	bool has_bytes_moved, has_bytes_freed;
	uint64_t bytes_moved, bytes_freed; /**< sums over all samples */
	const char *proof;
	const char *discard; /**< which calls gave the memory back */
	const char *note;    /**< how this row differs from its neighbours */
	double interval_s;   /**< the samples are a series over time, with this step; 0 = they are not */
	bool instants;       /**< each sample tells of one event: exact, and no measurements of the same */
	bool quiet;          /**< not shown in the terminal: the scenario has a table of its own */
} hv_row;

/** Begin a result. @param path  NULL: none  @return HV_OK; HV_ERR_EXISTS; HV_ERR_SYSTEM (errno) */
HV_MUST_CHECK hv_err hv_result_open(hv_result *self, const char *path, const char *scenario, uint64_t seed);
void hv_result_close(hv_result *self);

/** Add a row, show it, save the file. */
void hv_result_row(hv_result *self, const hv_row *row);
/** Add a check; a failed one is shown, and makes the program end with 1. */
void hv_result_check(hv_result *self, bool ok, const char *name, const char *detail);
/** Something that this machine lacks was left out. */
void hv_result_skip(hv_result *self, const char *what, const char *why);
/** Something spoils the figures, or changes what they mean. The name is one of docs/results.md. */
void hv_result_warn(hv_result *self, const char *name, const char *detail);
/** All rows are there: warn if the samples of any lie far apart. Once, before the last save. */
void hv_result_judge(hv_result *self);
/** A line of the terminal that is not a row. */
void hv_result_say(const hv_result *self, const char *format, ...) HV_PRINTF(2, 3);
/** Save the file as it stands. @return HV_OK; HV_ERR_SYSTEM (errno) */
HV_MUST_CHECK hv_err hv_result_save(const hv_result *self);

/** To four significant digits: more than any of these measurements carries. */
double hv_result_rounded(double value);

/* environment.c: what a reader needs to judge the figures */
struct measure_machine;
cJSON *hv_environment(const struct measure_machine *machine, uint64_t seed);
/** Add the warnings of this machine and build, and show them in one line. */
void hv_environment_warn(hv_result *result, const struct measure_machine *machine);

#endif
