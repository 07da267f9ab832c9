/* SPDX-License-Identifier: MIT
 *
 * The short tables: collects finished rows, prints them side by side with the limit of the machine. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench_options.h"
#include "gbench.h"

typedef struct bench_report bench_report;

/** NULL when out of memory; the other functions accept that and do nothing. */
bench_report *bench_report_new(void);
void bench_report_free(bench_report *report);
/** Remember a run: the median of repetitions if there is one, else the last. */
void bench_report_add(bench_report *report, const bench_gb_run_info *run);
/** Names of the rows, in the order in which they came. */
size_t bench_report_rows(const bench_report *report);
const char *bench_report_row(const bench_report *report, size_t idx);
/** A counter of a row; negative: not there. */
double bench_report_value(const bench_report *report, const char *row, const char *counter);

/** Print the table of options->summary to stdout; without a summary the curves of frag, if any ran. */
void bench_report_print(const bench_report *report, const bench_options *options);

#endif
