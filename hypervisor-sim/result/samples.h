/* SPDX-License-Identifier: MIT
 *
 * Measured values of one figure, in the order they were taken. The first one stands apart: caches, faults and pins of
 * the start belong to it alone. */
#ifndef HV_SAMPLES_H
#define HV_SAMPLES_H

#include "base/hv_base.h"

typedef struct hv_samples {
	double *values;
	size_t n_values, room;
} hv_samples;

typedef struct hv_summary {
	double median;     /**< of all but the first, or of the only one; so low and high */
	double low, high;  /**< interval of the median; of a series the least and the greatest value */
	double confidence; /**< that the interval holds the median, 0..1; 0: there is no interval */
	double first;
	bool spread; /**< the interval is wider than half of the median */
} hv_summary;

HV_MUST_CHECK hv_err hv_samples_add(hv_samples *self, double value);
void hv_samples_clear(hv_samples *self);
/** All zero when there is none.
 *  @param is_series  the values follow each other in time: they are no samples of one figure, and all of them count */
hv_summary hv_samples_summary(const hv_samples *self, bool is_series);

#endif
