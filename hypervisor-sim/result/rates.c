/* SPDX-License-Identifier: MIT
 *
 * Rates over time; see rates.h. */
#include "result/rates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM_MIN = 1024 };

void hv_tape_add(hv_tape *self, uint64_t begin_ns, uint64_t end_ns, double work)
{
	if (self->n_entries == self->room) {
		size_t room = self->room == 0 ? ROOM_MIN : 2 * self->room;
		hv_tape_entry *entries = realloc(self->entries, room * sizeof(*entries));
		self->cut = self->cut || entries == NULL;
		if (entries == NULL)
			return;
		self->entries = entries;
		self->room = room;
	}
	self->entries[self->n_entries++] = (hv_tape_entry){ begin_ns, end_ns, work };
}

void hv_tape_rewind(hv_tape *self)
{
	self->n_entries = 0;
}

void hv_tape_clear(hv_tape *self)
{
	free(self->entries);
	*self = (hv_tape){ 0 };
}

static void entry_divide(const hv_tape_entry *entry, uint64_t begin_ns, uint64_t step_ns, double *steps, size_t n_steps)
{
	uint64_t end_ns = begin_ns + step_ns * n_steps;
	uint64_t from_ns = entry->begin_ns > begin_ns ? entry->begin_ns : begin_ns;
	uint64_t to_ns = entry->end_ns < end_ns ? entry->end_ns : end_ns;
	while (from_ns < to_ns) {
		size_t at = (from_ns - begin_ns) / step_ns;
		uint64_t border_ns = begin_ns + (at + 1) * step_ns;
		uint64_t until_ns = border_ns < to_ns ? border_ns : to_ns;
		steps[at] += entry->work * (double)(until_ns - from_ns) / (double)(entry->end_ns - entry->begin_ns);
		from_ns = until_ns;
	}
}

void hv_tape_steps(const hv_tape *self, uint64_t begin_ns, uint64_t step_ns, double *steps, size_t n_steps)
{
	for (size_t at = 0; at < self->n_entries; at++)
		entry_divide(&self->entries[at], begin_ns, step_ns, steps, n_steps);
}

double hv_worst_mean(const double *values, size_t n_values, size_t n_window)
{
	if (n_values == 0 || n_window == 0)
		return 0;
	if (n_window > n_values)
		n_window = n_values;
	double worst = INFINITY;
	for (size_t first = 0; first + n_window <= n_values; first++) {
		double sum = 0; /* anew each time: a sliding sum would gather rounding errors */
		for (size_t at = first; at < first + n_window; at++)
			sum += values[at];
		worst = sum < worst ? sum : worst;
	}
	return worst / (double)n_window;
}

static int compare(const void *left, const void *right)
{
	double a = *(const double *)left, b = *(const double *)right;
	return (a > b) - (a < b);
}

double hv_quantile(const double *values, size_t n_values, double share)
{
	double *sorted = n_values > 0 ? malloc(n_values * sizeof(*sorted)) : NULL;
	if (sorted == NULL)
		return 0;
	memcpy(sorted, values, n_values * sizeof(*sorted));
	qsort(sorted, n_values, sizeof(*sorted), compare);
	double rank = ceil(share * (double)n_values);
	size_t at = rank < 1 ? 0 : rank > (double)n_values ? n_values - 1 : (size_t)rank - 1;
	double value = sorted[at];
	free(sorted);
	return value;
}
