/* SPDX-License-Identifier: MIT
 *
 * Words of stream and ftq; see impact_words.h. */
#include "guest/impact_words.h"

enum { LINE_WORDS = 8 };

static uint64_t word_of(uint32_t vcpu_idx, size_t run_idx, uint64_t word)
{
	return hv_mix((uint64_t)vcpu_idx << 32 | run_idx) + word;
}

void hv_stream_fill(uint64_t *words, uint32_t vcpu_idx, size_t run_idx, bool complement)
{
	uint64_t flip = complement ? UINT64_MAX : 0;
	for (uint64_t word = 0; word < HV_RUN_WORDS; word++)
		words[word] = word_of(vcpu_idx, run_idx, word) ^ flip;
}

void hv_stream_copy(uint64_t *restrict to, const uint64_t *restrict from)
{
	for (size_t word = 0; word < HV_STREAM_PIECE_WORDS; word++)
		to[word] = from[word];
}

uint64_t hv_stream_check(const uint64_t *words, uint32_t vcpu_idx, size_t run_idx, bool complement)
{
	uint64_t wrong = 0, flip = complement ? UINT64_MAX : 0;
	for (uint64_t word = 0; word < HV_RUN_WORDS; word++)
		wrong += words[word] != (word_of(vcpu_idx, run_idx, word) ^ flip);
	return wrong;
}

void hv_ftq_unit(uint64_t *words)
{
	for (uint64_t word = 0; word < HV_FTQ_FRAME_WORDS; word += LINE_WORDS)
		words[word]++;
}

uint64_t hv_ftq_check(const uint64_t *words, uint64_t *n_units)
{
	uint64_t wrong = 0;
	*n_units += words[0];
	for (uint64_t word = 0; word < HV_FTQ_FRAME_WORDS; word++)
		wrong += words[word] != (word % LINE_WORDS == 0 ? words[0] : 0);
	return wrong;
}
