/* SPDX-License-Identifier: MIT
 *
 * A histogram of times; see histogram.h. Values below 16 have a bin each. */
#include "result/histogram.h"

enum { STEPS = 1 << HV_HISTOGRAM_STEP_BITS };

static unsigned bin_of(uint64_t value)
{
	if (value < STEPS)
		return (unsigned)value;
	unsigned shift = 63u - (unsigned)__builtin_clzll(value) - HV_HISTOGRAM_STEP_BITS;
	return ((shift + 1) << HV_HISTOGRAM_STEP_BITS) + (unsigned)(value >> shift) - STEPS;
}

static uint64_t bin_top(unsigned bin)
{
	if (bin < STEPS)
		return bin;
	unsigned shift = (bin >> HV_HISTOGRAM_STEP_BITS) - 1;
	return (((uint64_t)(bin % STEPS) + STEPS) << shift) + ((UINT64_C(1) << shift) - 1);
}

void hv_histogram_add(hv_histogram *self, uint64_t value)
{
	self->bins[bin_of(value)]++;
	self->n_values++;
	self->max_value = value > self->max_value ? value : self->max_value;
}

void hv_histogram_merge(hv_histogram *self, const hv_histogram *other)
{
	for (unsigned bin = 0; bin < HV_HISTOGRAM_BINS; bin++)
		self->bins[bin] += other->bins[bin];
	self->n_values += other->n_values;
	self->max_value = other->max_value > self->max_value ? other->max_value : self->max_value;
}

uint64_t hv_histogram_at(const hv_histogram *self, double share)
{
	double wanted = share * (double)self->n_values;
	uint64_t seen = 0;
	for (unsigned bin = 0; bin < HV_HISTOGRAM_BINS; bin++) {
		seen += self->bins[bin];
		if (seen > 0 && (double)seen >= wanted)
			return bin_top(bin) < self->max_value ? bin_top(bin) : self->max_value;
	}
	return self->max_value;
}
