/* SPDX-License-Identifier: MIT
 *
 * Rates over time: tapes of what threads did from when to when, cut into steps of equal length, and the figures that
 * tell how bad the worst of it was. Plain arithmetic; knows no clock. */
#ifndef HV_RATES_H
#define HV_RATES_H

#include "base/hv_base.h"

typedef struct hv_tape_entry {
	uint64_t begin_ns, end_ns;
	double work; /**< done evenly between the two */
} hv_tape_entry;

/** What one thread did, in the order of time; one writer. */
typedef struct hv_tape {
	hv_tape_entry *entries;
	size_t n_entries, room;
	bool cut; /**< there was no memory for some of it */
} hv_tape;

void hv_tape_add(hv_tape *self, uint64_t begin_ns, uint64_t end_ns, double work);
/** Forget the entries, keep the room. */
void hv_tape_rewind(hv_tape *self);
void hv_tape_clear(hv_tape *self);

/** Add the work of each step to steps[]: step k is [begin_ns + k * step_ns, begin_ns + (k + 1) * step_ns). An entry
 *  across the border of steps is divided by time; what lies outside of all steps is left out. */
void hv_tape_steps(const hv_tape *self, uint64_t begin_ns, uint64_t step_ns, double *steps, size_t n_steps);

/** The smallest mean of n_window neighbours; of all values when there are fewer. 0 when there is none. */
double hv_worst_mean(const double *values, size_t n_values, size_t n_window);
/** The smallest value that at least this share (0..1) of all does not exceed. 0 when there is none, or no memory. */
double hv_quantile(const double *values, size_t n_values, double share);

#endif
