/* SPDX-License-Identifier: MIT
 *
 * Allocator "buddy": the buddy allocator of buddy.h, called directly. */
#define BENCH_ID buddy
#include "bench_allocator.h"
#include "buddy.h"

#include <stdlib.h>
#include <sys/mman.h>

typedef struct buddy_state {
	buddy zone; /* first: the hot path gets its address */
	void *metadata;
	size_t metadata_bytes;
	uint8_t *memory;
	size_t memory_bytes;
} buddy_state;

static void peer_exit(void *self)
{
	buddy_state *state = self;

	munmap(state->metadata, state->metadata_bytes);
	if (state->memory)
		munmap(state->memory, state->memory_bytes);
	free(state);
}

static bool peer_back(buddy_state *state, uint64_t frames)
{
	void *memory;

	state->memory_bytes = (size_t)frames << LLFREE_FRAME_SHIFT;
	memory = mmap(NULL, state->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		      -1, 0);
	if (memory == MAP_FAILED)
		return false;
	state->memory = memory;
	(void)madvise(memory, state->memory_bytes, MADV_HUGEPAGE); /* small pages serve as well, only slower */
	return true;
}

static void *peer_init(const bench_peer_config *config)
{
	buddy_state *state = aligned_alloc(64, (sizeof(*state) + 63) / 64 * 64);

	if (!state)
		return NULL;
	*state = (buddy_state){ .metadata_bytes = buddy_metadata_bytes(config->frames, config->cpus) };
	state->metadata = mmap(NULL, state->metadata_bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (state->metadata == MAP_FAILED) {
		free(state);
		return NULL;
	}
	if (buddy_init(&state->zone, config->frames, config->cpus, state->metadata, state->metadata_bytes) &&
	    (!config->backed || peer_back(state, config->frames)))
		return state;
	peer_exit(state);
	return NULL;
}

static inline bool peer_get(void *self, uint32_t cpu, uint32_t order, uint64_t *block)
{
	return buddy_get(&((buddy_state *)self)->zone, cpu, order, block);
}

static inline bool peer_put(void *self, uint32_t cpu, uint32_t order, uint64_t block)
{
	return buddy_put(&((buddy_state *)self)->zone, cpu, order, block);
}

static void peer_drain(void *self)
{
	buddy_drain(&((buddy_state *)self)->zone);
}

static uint64_t peer_free_huge(void *self)
{
	return buddy_free_huge(&((buddy_state *)self)->zone);
}

static size_t peer_metadata_bytes(void *self)
{
	return ((const buddy_state *)self)->metadata_bytes;
}

static void *peer_address(void *self, uint64_t block)
{
	return ((const buddy_state *)self)->memory + (block << LLFREE_FRAME_SHIFT);
}

static bool peer_get_at(void *self, uint32_t cpu, uint32_t order, uint64_t block)
{
	(void)cpu;
	return buddy_get_at(&((buddy_state *)self)->zone, order, block);
}

#include "bench_loops.h"

const bench_allocator bench_allocator_buddy = {
	.table = { .abi = BENCH_PEER_ABI,
		   .max_order = BUDDY_MAX_ORDER,
		   .name = "buddy",
		   .frames_known = true,
		   .init = peer_init,
		   .get = peer_get,
		   .put = peer_put,
		   .exit = peer_exit,
		   .drain = peer_drain,
		   .free_huge = peer_free_huge,
		   .metadata_bytes = peer_metadata_bytes,
		   .address = peer_address },
	.loops = BENCH_LOOPS,
	.get_at = peer_get_at,
	.about = "a buddy allocator like Linux's: zone lock, per-CPU lists (batch 63), orders 0..10",
	.rank = 20,
};
