/* SPDX-License-Identifier: MIT
 *
 * Median and its interval; see measure.h. The number of samples below the true median is binomial with p = 1/2, so the
 * k-th smallest and the k-th largest of n enclose it with probability 1 - 2 P(B(n, 1/2) < k), whatever the
 * distribution of the samples is. */
#include "measure.h"

#include <math.h>
#include <stdlib.h>

static const double confidence_wanted = 0.95;

/* P(B(n, 1/2) = k), from logarithms: 2^-n alone would underflow for long series. */
static double binomial_half(size_t n_values, size_t k)
{
	double n = (double)n_values, at = (double)k;

	return exp(lgamma(n + 1) - lgamma(at + 1) - lgamma(n - at + 1) - n * log(2));
}

double measure_interval(size_t n_values, size_t *low_idx, size_t *high_idx)
{
	double tail = 0, confidence = 0;

	*low_idx = 0;
	*high_idx = n_values > 0 ? n_values - 1 : 0;
	for (size_t k = 0; 2 * k + 1 < n_values; k++) {
		tail += binomial_half(n_values, k);
		if (k > 0 && 1 - 2 * tail < confidence_wanted)
			break;
		confidence = 1 - 2 * tail;
		*low_idx = k;
		*high_idx = n_values - 1 - k;
	}
	return confidence > 0 ? confidence : 0;
}

static int compare_values(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;

	return (a > b) - (a < b);
}

measure_summary measure_summarise(double *values, size_t n_values)
{
	measure_summary summary = { 0 };
	size_t low_idx, high_idx;

	if (n_values == 0)
		return summary;
	qsort(values, n_values, sizeof(*values), compare_values);
	summary.confidence = measure_interval(n_values, &low_idx, &high_idx);
	summary.median = (values[(n_values - 1) / 2] + values[n_values / 2]) / 2;
	summary.low = values[low_idx];
	summary.high = values[high_idx];
	return summary;
}

bool measure_spread(const measure_summary *summary)
{
	return summary->high - summary->low > fabs(summary->median) / 2;
}
