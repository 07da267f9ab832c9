/* SPDX-License-Identifier: MIT
 *
 * The guest's pattern; see pattern.h. */
#include "guest/pattern.h"

enum { FRAME_WORDS = HV_FRAME_BYTES / 8, STRIDE_WORDS = FRAME_WORDS / 8 };

void hv_pattern_write(uint64_t *frame, uint64_t key)
{
	for (unsigned word = 0; word < FRAME_WORDS; word += STRIDE_WORDS)
		frame[word] = key ^ word;
	frame[FRAME_WORDS - 1] = ~key;
}

bool hv_pattern_check(const uint64_t *frame, uint64_t key)
{
	uint64_t differs = frame[FRAME_WORDS - 1] ^ ~key;
	for (unsigned word = 0; word < FRAME_WORDS; word += STRIDE_WORDS)
		differs |= frame[word] ^ key ^ word;
	return differs == 0;
}
