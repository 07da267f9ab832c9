/* SPDX-License-Identifier: MIT
 *
 * The entry of a fuzz target driven by a seeded random loop, where the compiler has no libFuzzer: noise, repetition and
 * small numbers. usage: fuzz_NAME [ROUNDS [SEED]] */
#include "../support/t_rand.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

enum { BYTES_MAX = 2048 };

static size_t input_make(t_rand *rand, uint8_t *bytes)
{
	size_t n_bytes = (size_t)t_rand_below(rand, BYTES_MAX);
	uint64_t how = t_rand_below(rand, 4);
	for (size_t at = 0; at < n_bytes; at++) {
		bytes[at] = (uint8_t)t_rand_next(rand);
		if (how == 1)
			bytes[at] &= (uint8_t)t_rand_next(rand) & (uint8_t)t_rand_next(rand);
		else if (how == 2 && at >= 16)
			bytes[at] = bytes[at - 16];
		else if (how == 3 && bytes[at] % 4 != 0)
			bytes[at] = 0;
	}
	return n_bytes;
}

int main(int argc, char **argv)
{
	static uint8_t bytes[BYTES_MAX];
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 0) : 300;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : t_seed(1);
	printf("%s: %llu rounds, seed %llu\n", argv[0], (unsigned long long)rounds, (unsigned long long)seed);
	(void)fflush(stdout);
	for (uint64_t round = 0; round < rounds; round++) {
		t_rand rand = { seed + round };
		(void)LLVMFuzzerTestOneInput(bytes, input_make(&rand, bytes));
	}
	return 0;
}
