/* SPDX-License-Identifier: MIT
 *
 * Statistics without assumptions about the shape of the noise: the Mann-Whitney test by permutation, and the
 * Benjamini-Hochberg correction for many rows. Medians and their intervals come from measure/. */
#ifndef REP_STATS_H
#define REP_STATS_H

#include <stdbool.h>
#include <measure.h>
#include <stddef.h>

/** Median and interval of the values, which stay in their order. */
measure_summary rep_summary(const double *values, size_t n_values);
double rep_median(const double *values, size_t n_values);
double rep_mean(const double *values, size_t n_values);

/** Two-sided p of the Mann-Whitney test: are the values of one side larger than those of the other? Exact over all
 *  ways to deal the values to the two sides where these are at most 200 000, else by the normal approximation with
 *  the correction for ties. 1 when a side is empty. */
double rep_mann_whitney(const double *left, size_t n_left, const double *right, size_t n_right);
/** The smallest p that the test can give for so many values. */
double rep_mann_whitney_least(size_t n_left, size_t n_right);

/** Benjamini-Hochberg: replaces each p by the share of false findings among all rows that are at least so extreme. */
void rep_false_discovery(double *p, size_t n_values);

#endif
