/* SPDX-License-Identifier: MIT
 *
 * Statistics; see rep_stats.h. */
#include "rep_stats.h"

#include "rep_base.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_MAX 200000.0

measure_summary rep_summary(const double *values, size_t n_values)
{
	double *copy = rep_keep((n_values + 1) * sizeof(*copy));
	if (n_values > 0)
		memcpy(copy, values, n_values * sizeof(*copy));
	return measure_summarise(copy, n_values);
}

double rep_median(const double *values, size_t n_values)
{
	return rep_summary(values, n_values).median;
}

double rep_mean(const double *values, size_t n_values)
{
	double sum = 0;
	for (size_t at = 0; at < n_values; at++)
		sum += values[at];
	return n_values > 0 ? sum / (double)n_values : 0;
}

static double choose(size_t n, size_t k)
{
	double ways = 1;
	for (size_t at = 1; at <= k; at++)
		ways *= (double)(n - k + at) / (double)at;
	return ways;
}

/* Ranks of the pooled values, equal ones sharing their mean; twice the rank, so that halves stay whole numbers. */
static size_t *double_ranks(const double *left, size_t n_left, const double *right, size_t n_right, double *ties)
{
	size_t n_all = n_left + n_right, *ranks = rep_keep(n_all * sizeof(*ranks));
	double *pooled = rep_keep(n_all * sizeof(*pooled));
	memcpy(pooled, left, n_left * sizeof(*pooled));
	memcpy(pooled + n_left, right, n_right * sizeof(*pooled));
	*ties = 0;
	for (size_t at = 0; at < n_all; at++) {
		size_t n_less = 0, n_equal = 0;
		for (size_t other = 0; other < n_all; other++) {
			n_less += pooled[other] < pooled[at];
			n_equal += pooled[other] == pooled[at];
		}
		ranks[at] = 2 * n_less + n_equal + 1;
		*ties += (double)n_equal * (double)n_equal - 1;
	}
	return ranks;
}

/* How many ways to pick n_left of the ranks give a sum at least as far from its mean as the one that was seen. */
static double exact_p(const size_t *ranks, size_t n_left, size_t n_all, size_t seen)
{
	size_t sum_max = 0;
	for (size_t at = 0; at < n_all; at++)
		sum_max += ranks[at];
	double *ways = calloc((n_left + 1) * (sum_max + 1), sizeof(*ways)), extreme = 0, all = 0;
	if (ways == NULL)
		return 1;
	ways[0] = 1;
	for (size_t at = 0; at < n_all; at++)
		for (size_t taken = n_left; taken-- > 0;)
			for (size_t sum = sum_max - ranks[at] + 1; sum-- > 0;)
				ways[(taken + 1) * (sum_max + 1) + sum + ranks[at]] +=
					ways[taken * (sum_max + 1) + sum];
	double mean = (double)n_left * (double)(n_all + 1), distance = fabs((double)seen - mean);
	for (size_t sum = 0; sum <= sum_max; sum++) {
		double here = ways[n_left * (sum_max + 1) + sum];
		all += here;
		if (fabs((double)sum - mean) >= distance - 1e-9)
			extreme += here;
	}
	free(ways);
	return extreme / all;
}

double rep_mann_whitney(const double *left, size_t n_left, const double *right, size_t n_right)
{
	size_t n_all = n_left + n_right, seen = 0;
	double ties;
	if (n_left == 0 || n_right == 0)
		return 1;
	const size_t *ranks = double_ranks(left, n_left, right, n_right, &ties);
	for (size_t at = 0; at < n_left; at++)
		seen += ranks[at];
	if (choose(n_all, n_left) <= EXACT_MAX && n_all <= 64)
		return exact_p(ranks, n_left, n_all, seen);
	double n = (double)n_all, product = (double)n_left * (double)n_right;
	double spread = sqrt(product / 12 * (n + 1 - ties / (n * (n - 1))));
	double distance = fabs((double)seen / 2 - (double)n_left * (n + 1) / 2) - 0.5;
	return spread > 0 && distance > 0 ? erfc(distance / spread / sqrt(2)) : 1;
}

double rep_mann_whitney_least(size_t n_left, size_t n_right)
{
	if (n_left == 0 || n_right == 0)
		return 1;
	return fmin(1, 2 / choose(n_left + n_right, n_left));
}

typedef struct ranked {
	double p;
	size_t at;
} ranked;

static int by_p(const void *left, const void *right)
{
	double a = ((const ranked *)left)->p, b = ((const ranked *)right)->p;
	return (a > b) - (a < b);
}

void rep_false_discovery(double *p, size_t n_values)
{
	ranked *order = rep_keep((n_values + 1) * sizeof(*order));
	for (size_t at = 0; at < n_values; at++)
		order[at] = (ranked){ p[at], at };
	qsort(order, n_values, sizeof(*order), by_p);
	double least = 1;
	for (size_t rank = n_values; rank-- > 0;) {
		least = fmin(least, order[rank].p * (double)n_values / (double)(rank + 1));
		p[order[rank].at] = least;
	}
}
