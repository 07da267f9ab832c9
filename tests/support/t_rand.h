/* SPDX-License-Identifier: MIT
 *
 * Random numbers of the tests: small, seeded, the same everywhere. LLFREE_TEST_SEED in the environment sets the seed.
 */
#ifndef T_RAND_H
#define T_RAND_H

#include <stdint.h>
#include <stdlib.h>

typedef struct t_rand {
	uint64_t state;
} t_rand;

static inline uint64_t t_rand_next(t_rand *rand)
{
	uint64_t z = (rand->state += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 .. below-1; below must not be 0. */
static inline uint64_t t_rand_below(t_rand *rand, uint64_t below)
{
	return t_rand_next(rand) % below;
}

static inline uint64_t t_seed(uint64_t fallback)
{
	const char *text = getenv("LLFREE_TEST_SEED");
	return text && *text ? strtoull(text, NULL, 0) : fallback;
}

#endif
