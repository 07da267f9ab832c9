/* SPDX-License-Identifier: MIT
 *
 * Time, and the unit of comparison: one uncontended compare-exchange. */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/** ns of one compare-exchange on a line that nobody else touches, each depending on the one before: n_ops in a row, the
 *  median of several such bursts, which are short, so that most are not interrupted. */
double bench_cas_ns(uint64_t n_ops);
/** ns between two readings of the clock with nothing between them, the median. */
double bench_timer_ns(void);

#endif
