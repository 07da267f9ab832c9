/* SPDX-License-Identifier: MIT
 *
 * Times of very many operations: a histogram with 16 steps for each power of two, so that a percentile is off by
 * at most 1/16. No allocation, no lock; one writer. */
#ifndef HV_HISTOGRAM_H
#define HV_HISTOGRAM_H

#include "base/hv_base.h"

enum { HV_HISTOGRAM_STEP_BITS = 4, HV_HISTOGRAM_BINS = 64 << HV_HISTOGRAM_STEP_BITS };

typedef struct hv_histogram {
	uint64_t n_values, max_value;
	uint64_t bins[HV_HISTOGRAM_BINS];
} hv_histogram;

void hv_histogram_add(hv_histogram *self, uint64_t value);
/** Add all values of another one. */
void hv_histogram_merge(hv_histogram *self, const hv_histogram *other);
/** The smallest value that at least this share (0..1) of all does not exceed, rounded up to its step; 0 when empty. */
uint64_t hv_histogram_at(const hv_histogram *self, double share);

#endif
