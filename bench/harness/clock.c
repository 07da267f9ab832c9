/* SPDX-License-Identifier: MIT
 *
 * What bench_clock.h declares. */
#include "bench_clock.h"

#include <stdlib.h>

enum { TIMER_READINGS = 1001, CAS_BURSTS = 15 };

static uint64_t cas_burst_ns(uint64_t n_ops)
{
	_Alignas(64) uint64_t line[8] = { 0 };
	uint64_t seen = 0;
	uint64_t start = bench_now_ns();

	for (uint64_t i = 0; i < n_ops; i++) {
		if (!__atomic_compare_exchange_n(&line[0], &seen, seen + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
			continue; /* cannot happen: nobody else has the line */
		seen++;
	}
	return bench_now_ns() - start;
}

static int compare_u64(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

double bench_cas_ns(uint64_t n_ops)
{
	uint64_t bursts[CAS_BURSTS];

	for (int i = 0; i < CAS_BURSTS; i++)
		bursts[i] = cas_burst_ns(n_ops);
	qsort(bursts, CAS_BURSTS, sizeof(bursts[0]), compare_u64);
	return (double)bursts[CAS_BURSTS / 2] / (double)n_ops;
}

double bench_timer_ns(void)
{
	uint64_t readings[TIMER_READINGS];

	for (int i = 0; i < TIMER_READINGS; i++) {
		uint64_t start = bench_now_ns();
		readings[i] = bench_now_ns() - start;
	}
	qsort(readings, TIMER_READINGS, sizeof(readings[0]), compare_u64);
	return (double)readings[TIMER_READINGS / 2];
}
