/* SPDX-License-Identifier: MIT
 *
 * Rows: made from the options, opened, run by Google Benchmark, closed. */
#ifndef BENCH_ROWS_H
#define BENCH_ROWS_H

#include "bench_case.h"

/** The rows of subjects (no allocator) run in a process of this name. */
#define BENCH_MACHINE "machine"

typedef struct bench_row_list {
	bench_row *rows;
	size_t count, capacity;
} bench_row_list;

/** Add the rows of one allocator (NULL: the subjects) that the options select. Exits on a bad filter. */
void bench_rows_add(bench_row_list *list, const bench_options *options, const bench_allocator *allocator);
void bench_rows_free(bench_row_list *list);

/** Make allocator, team and the case's state. @return false with row->error */
bool bench_row_open(bench_row *row);
void bench_row_close(bench_row *row);
/** Forget the recorded metrics: a new run begins. */
void bench_row_reset(bench_row *row);
double bench_metric_median(const bench_metric *metric);
/** Add its counters to the row: the median, and for the file the rest, see docs/bench.md. */
void bench_metric_report(const bench_metric *metric, struct bench_gb_state *state);
/** Its passes lie far apart. */
bool bench_metric_is_noisy(const bench_metric *metric);
/** Is a case selected whose figures are about NUMA? */
bool bench_asks_numa(const bench_options *options);

#endif
