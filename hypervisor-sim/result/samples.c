/* SPDX-License-Identifier: MIT
 *
 * Measured values; see samples.h. */
#include "result/samples.h"

#include "measure.h"

#include <stdlib.h>
#include <string.h>

hv_err hv_samples_add(hv_samples *self, double value)
{
	if (self->n_values == self->room) {
		size_t room = self->room == 0 ? 16 : 2 * self->room;
		double *values = realloc(self->values, room * sizeof(*values));
		if (values == NULL)
			return HV_ERR_SYSTEM;
		self->values = values;
		self->room = room;
	}
	self->values[self->n_values++] = value;
	return HV_OK;
}

void hv_samples_clear(hv_samples *self)
{
	free(self->values);
	*self = (hv_samples){ 0 };
}

hv_summary hv_samples_summary(const hv_samples *self, bool is_series)
{
	if (self->n_values == 0)
		return (hv_summary){ 0 };
	hv_summary summary = { .first = self->values[0] };
	summary.median = summary.low = summary.high = summary.first;
	size_t n_apart = is_series || self->n_values == 1 ? 0 : 1;
	size_t n_values = self->n_values - n_apart;
	double *values = malloc(n_values * sizeof(*values));
	if (values == NULL)
		return summary;
	memcpy(values, self->values + n_apart, n_values * sizeof(*values));
	measure_summary of = measure_summarise(values, n_values);
	summary.median = of.median;
	summary.low = is_series ? values[0] : of.low;
	summary.high = is_series ? values[n_values - 1] : of.high;
	summary.confidence = is_series ? 0 : of.confidence;
	summary.spread = !is_series && measure_spread(&of);
	free(values);
	return summary;
}
