/* SPDX-License-Identifier: MIT
 *
 * Template: a malloc as allocator, aligned_alloc(4096 << order) and free. The process that runs it was started with
 * the library preloaded, so these are calls to it through the usual linkage. Blocks are addresses. The including file
 * defines BENCH_ID and then its own bench_allocator with BENCH_MALLOC_TABLE. */
#define BENCH_NO_CPU
#include <stdlib.h>
#include "bench_allocator.h"

static void *peer_init(const bench_peer_config *config)
{
	static char nothing;

	(void)config;
	return &nothing;
}

static void peer_exit(void *state)
{
	(void)state;
}

static inline bool peer_get(void *self, uint32_t cpu, uint32_t order, uint64_t *block)
{
	size_t block_bytes = (size_t)LLFREE_FRAME_BYTES << order;

	(void)self, (void)cpu;
	*block = (uintptr_t)aligned_alloc(block_bytes, block_bytes);
	return *block != 0;
}

static inline bool peer_put(void *self, uint32_t cpu, uint32_t order, uint64_t block)
{
	(void)self, (void)cpu, (void)order;
	free((void *)(uintptr_t)block);
	return true;
}

static void *peer_address(void *state, uint64_t block)
{
	(void)state;
	return (void *)(uintptr_t)block;
}

#include "bench_loops.h"

#define BENCH_MALLOC_TABLE                                                                                 \
	.abi = BENCH_PEER_ABI, .max_order = 10, .frames_known = false, .init = peer_init, .get = peer_get, \
	.put = peer_put, .exit = peer_exit, .address = peer_address
