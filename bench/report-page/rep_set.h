/* SPDX-License-Identifier: MIT
 *
 * Results of both formats (docs/results.md, and Google Benchmark's of llfree-bench) as one list of rows. A row knows
 * the file and place of each of its numbers. Repetitions of a benchmark are the samples of one row. */
#ifndef REP_SET_H
#define REP_SET_H

#include "rep_value.h"

#include <cjson/cJSON.h>

typedef struct rep_file {
	const char *label; /**< unique in the set, without blanks: what sources name */
	const char *path;
	cJSON *root;
	bool is_bench;         /**< Google Benchmark's format */
	bool is_published;     /**< figures of a paper */
	const cJSON *about;    /**< environment or context */
	const char *about_key; /**< its JSON pointer */
} rep_file;

typedef struct rep_row {
	const rep_file *file;
	const char *scenario; /**< or the case */
	const char *who;      /**< technique, or allocator of a benchmark */
	const char *allocator, *device, *backing, *phase, *metric, *unit, *note; /**< NULL: does not apply */
	const char *variant;                                                     /**< of a benchmark: "full:90" */
	unsigned order, threads;                                                 /**< of a benchmark */
	rep_value median, low, high; /**< low, high: of one sample like the median */
	const double *samples;       /**< without the first where that stands apart */
	size_t n_samples;
	const char *samples_source; /**< "FILE#/rows/3/samples": element I is at /I; NULL for benchmarks */
	size_t samples_skipped;     /**< how many elements stand apart at the beginning */
	double interval_s;          /**< of a series, else 0 */
	const char *key; /**< of a comparison: the same row of another set has the same; NULL: not compared */
} rep_row;

typedef struct rep_set {
	const char *prefix; /**< of labels, to tell two sets apart; NULL: none */
	rep_file *files;
	size_t n_files, files_capacity;
	rep_row *rows;
	size_t n_rows, rows_capacity;
} rep_set;

/** Add a result file, or every *.json below a folder. Complains about what is no result.
 *  @return false: nothing could be read from there */
bool rep_set_add(rep_set *set, const char *path);
/** The figures that papers give, from the program itself (published.json). */
bool rep_set_add_published(rep_set *set);
void rep_set_clear(rep_set *set);

/* load_hvsim.c, load_bench.c: rows of one file */
void rep_load_rows(rep_set *set, const rep_file *file);
void rep_load_benchmarks(rep_set *set, const rep_file *file);
rep_row *rep_set_row(rep_set *set);

/** Which rows: NULL and negative numbers match all. */
typedef struct rep_query {
	const char *scenario, *who, *device, *backing, *phase, *metric, *variant;
	int order, threads;
	bool published; /**< rows of papers instead of those measured */
} rep_query;
#define REP_ANY .order = -1, .threads = -1

/** The next row from *at on that matches; *at is moved behind it. NULL: none. Series only if the metric is named. */
const rep_row *rep_set_next(const rep_set *set, const rep_query *query, size_t *at);
/** The last row that matches, as with files of several runs the newest counts. NULL: none. */
const rep_row *rep_set_find(const rep_set *set, const rep_query *query);
/** The median of the row that matches with this metric; no value: none. */
rep_value rep_set_value(const rep_set *set, rep_query query, const char *metric);
/** The fewest threads of all rows that match; 0: none does. */
unsigned rep_set_fewest_threads(const rep_set *set, const rep_query *query);

/** Was a real VM measured? Its note names the accelerator. */
bool rep_row_is_vm(const rep_row *row);
/** The name of a time axis of its series: simulated, unless a real VM was measured. */
const char *rep_row_time(const rep_row *row);

/** Distinct texts in order of appearance. */
typedef struct rep_names {
	const char **names;
	size_t n_names, capacity;
} rep_names;
void rep_names_add(rep_names *names, const char *name);
/** Distinct `who` of all rows that match. */
rep_names rep_set_who(const rep_set *set, const rep_query *query);

/** A number or text of the file's environment or parameters; NULL, or a value without source: not there. */
const char *rep_file_text(const rep_file *file, const char *key);
rep_value rep_file_number(const rep_file *file, const char *section, const char *key);

#endif
