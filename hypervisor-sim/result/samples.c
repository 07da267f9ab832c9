/* SPDX-License-Identifier: MIT
 *
 * Measured values; see samples.h. */
#include "result/samples.h"

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

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

hv_summary hv_samples_summary(const hv_samples *self)
{
	if (self->n_values == 0)
		return (hv_summary){ 0 };
	hv_summary summary = { .first = self->values[0] };
	summary.median = summary.low = summary.high = summary.first;
	size_t n_rest = self->n_values - 1;
	double *rest = n_rest > 0 ? malloc(n_rest * sizeof(*rest)) : NULL;
	if (rest == NULL)
		return summary;
	memcpy(rest, self->values + 1, n_rest * sizeof(*rest));
	qsort(rest, n_rest, sizeof(*rest), compare);
	summary.low = rest[0];
	summary.high = rest[n_rest - 1];
	summary.median = (rest[(n_rest - 1) / 2] + rest[n_rest / 2]) / 2;
	free(rest);
	return summary;
}
