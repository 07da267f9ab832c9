/* SPDX-License-Identifier: MIT
 *
 * Seeded random numbers for choosing frames: xorshift64*, a nanosecond each. Not for anything secret. */
#ifndef BENCH_RNG_H
#define BENCH_RNG_H

#include <stdint.h>

typedef struct bench_rng {
	uint64_t word;
} bench_rng;

/** Different streams of one seed are unrelated; the state is never 0. */
static inline bench_rng bench_rng_make(uint64_t seed, uint64_t stream)
{
	uint64_t z = seed + (stream + 1) * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return (bench_rng){ z ? z : 1 };
}

static inline uint64_t bench_rng_next(bench_rng *rng)
{
	rng->word ^= rng->word >> 12;
	rng->word ^= rng->word << 25;
	rng->word ^= rng->word >> 27;
	return rng->word * UINT64_C(0x2545f4914f6cdd1d);
}

/** 0..bound-1, for bounds up to 2^32. */
static inline uint64_t bench_rng_below(bench_rng *rng, uint64_t bound)
{
	return ((bench_rng_next(rng) >> 32) * bound) >> 32;
}

static inline void bench_rng_shuffle(bench_rng *rng, uint64_t *values, uint64_t n_values)
{
	for (uint64_t i = n_values; i > 1; i--) {
		uint64_t j = bench_rng_below(rng, i);
		uint64_t tmp = values[i - 1];
		values[i - 1] = values[j];
		values[j] = tmp;
	}
}

#endif
