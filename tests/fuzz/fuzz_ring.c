/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: the bytes are the memory of a guest, its ring included. The host's end takes what it takes: each
 * segment lies in the memory, and reading and writing it stays there. */
#define _GNU_SOURCE
#include "fuzz_sim.h"
#include "transport/ring.h"

enum { WORDS = 300 };

static void element_use(hv_ring_host *ring, const hv_ring_element *element)
{
	uint32_t words[WORDS] = { 0 };
	FUZZ_CHECK(element->n_read + element->n_write <= HV_RING_SEGMENTS_MAX);
	for (unsigned at = 0; at < element->n_read + element->n_write; at++) {
		const hv_ring_segment *segment = &element->segments[at];
		FUZZ_CHECK(segment->bytes > 0 && segment->address < ring->memory.bytes &&
			   segment->bytes <= ring->memory.bytes - segment->address);
		if (at < element->n_read)
			FUZZ_CHECK(hv_ring_host_read(ring, segment, words, WORDS) <= WORDS);
		else
			FUZZ_CHECK(hv_ring_host_write(ring, segment, words, WORDS) <= WORDS);
	}
	hv_ring_host_push(ring, element, words[0]);
}

/* Noise never gets beyond the first descriptor: make most fields such as a driver could have written. */
static void tame(fuzz_input *input, hv_ring_memory memory, hv_ring_place place)
{
	uint8_t *available = memory.base + place.address + place.size * UINT64_C(16);
	for (uint32_t at = 0; at < place.size; at++) {
		uint8_t *descriptor = memory.base + place.address + at * UINT64_C(16);
		uint64_t dice = fuzz_take(input, 2);
		uint64_t words[2] = { dice % (memory.bytes + 8), dice % 64 | (dice >> 8 & 3) << 32 |
									 (uint64_t)((at + dice / 64) % (place.size + 1))
										 << 48 };
		if (dice % 61 != 0)
			memcpy(descriptor, words, sizeof(words));
	}
	for (uint32_t at = 0; at < place.size; at++) {
		uint16_t head = (uint16_t)(fuzz_take(input, 1) % (place.size + at / 16));
		memcpy(available + 4 + at * 2, &head, 2);
	}
	uint16_t idx = (uint16_t)(fuzz_take(input, 1) % (place.size + 1));
	memcpy(available + 2, &idx, 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	fuzz_input input = { bytes, n_bytes, 0 };
	uint64_t memory_bytes = 4096 + fuzz_take(&input, 1) * 16, tamed = fuzz_take(&input, 1) % 4;
	hv_ring_memory memory = { aligned_alloc(16, memory_bytes), memory_bytes };
	hv_ring_place place = { fuzz_take(&input, 1) * 16, UINT32_C(1) << fuzz_take(&input, 1) % 8 };
	hv_ring_element element;
	hv_ring_host ring;
	FUZZ_CHECK(memory.base != NULL);
	if (fuzz_take(&input, 1) % 8 == 0)
		place = (hv_ring_place){ fuzz_take(&input, 8), (uint32_t)fuzz_take(&input, 4) };
	memset(memory.base, 0, memory_bytes);
	for (uint64_t at = 0; tamed == 0 && at + 8 <= memory_bytes && fuzz_more(&input); at += 8) {
		uint64_t word = fuzz_take(&input, 8);
		memcpy(memory.base + at, &word, 8);
	}
	if (hv_ring_host_open(&ring, memory, place) == HV_OK) {
		if (tamed != 0)
			tame(&input, memory, place);
		/* the rest is what the guest writes to the index meanwhile */
		for (unsigned round = 0; round < 4; round++) {
			for (uint32_t at = 0; at < place.size; at++)
				if (hv_ring_host_pop(&ring, &element) == HV_RING_ELEMENT)
					element_use(&ring, &element);
			uint8_t *idx = memory.base + place.address + place.size * UINT64_C(16) + 2;
			idx[0] = (uint8_t)(idx[0] + 1);
		}
	} else {
		FUZZ_CHECK(place.size != 128 || place.address % 16 != 0 || place.address >= memory_bytes ||
			   hv_ring_bytes(128) > memory_bytes - place.address);
	}
	free(memory.base);
	return 0;
}
