/* SPDX-License-Identifier: MIT
 *
 * Template: llfree under one configuration. The including file defines BENCH_ID, BENCH_NAME, BENCH_EXACT and
 * BENCH_CLASS(order), and then its own bench_allocator with BENCH_LLFREE_TABLE. A backed instance is an arena
 * (anonymous, huge frames advised); else the region alone is made, and its frames are numbers without memory. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <llfree/arena.h>
#include "bench_allocator.h"

typedef struct peer_state {
	llfree_t allocator; /* first: the hot path gets its address */
	llfree_arena arena;
	void *region;
	size_t region_bytes;
	bool backed;
} peer_state;

static inline llfree_request peer_request(uint32_t cpu, uint32_t order)
{
	return (llfree_request){ .cpu = cpu, .order = (uint8_t)order, .class_idx = (uint8_t)BENCH_CLASS(order) };
}

static bool peer_init_backed(peer_state *state, const bench_peer_config *config, const llfree_config *allocator)
{
	llfree_arena_config arena = { .memory_bytes = config->frames << LLFREE_FRAME_SHIFT,
				      .backing = LLFREE_BACKING_ANON,
				      .allocator = *allocator };

	if (llfree_arena_create(&state->arena, &arena) != LLFREE_OK)
		return false;
	state->allocator = state->arena.allocator;
	state->region_bytes = state->arena.region_bytes;
	return true;
}

static bool peer_init_numbers(peer_state *state, const llfree_config *allocator, bool shared)
{
	state->region_bytes = llfree_metadata_bytes(allocator);
	if (state->region_bytes == 0)
		return false;
	state->region = mmap(NULL, state->region_bytes, PROT_READ | PROT_WRITE,
			     (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (state->region == MAP_FAILED)
		return false;
	if (llfree_init(&state->allocator, allocator, state->region, state->region_bytes, false) == LLFREE_OK)
		return true;
	munmap(state->region, state->region_bytes);
	return false;
}

static void *peer_init(const bench_peer_config *config)
{
	peer_state *state = aligned_alloc(64, (sizeof(*state) + 63) / 64 * 64);
	llfree_config allocator = { .frames = config->frames,
				    .cpus = config->cpus,
				    .reserve_min_frames = config->tuning,
				    .exact = BENCH_EXACT };

	if (!state)
		return NULL;
	memset(state, 0, sizeof(*state));
	state->backed = config->backed;
	if (config->backed ? peer_init_backed(state, config, &allocator)
			   : peer_init_numbers(state, &allocator, config->shared))
		return state;
	free(state);
	return NULL;
}

static void peer_exit(void *self)
{
	peer_state *state = self;

	if (state->backed)
		llfree_arena_destroy(&state->arena);
	else
		munmap(state->region, state->region_bytes);
	free(state);
}

static uint64_t peer_free_huge(void *self)
{
	const peer_state *state = self;
	llfree_stats stats;

	llfree_stats_exact(&state->allocator, &stats);
	return stats.free_huge;
}

static size_t peer_metadata_bytes(void *self)
{
	return ((const peer_state *)self)->region_bytes;
}

static void *peer_address(void *self, uint64_t block)
{
	return llfree_arena_address(&((const peer_state *)self)->arena, block);
}

#ifndef BENCH_OWN_HOT_PATH
static inline bool peer_get(void *self, uint32_t cpu, uint32_t order, uint64_t *block)
{
	return llfree_get(&((const peer_state *)self)->allocator, peer_request(cpu, order), block) == LLFREE_OK;
}

static inline bool peer_put(void *self, uint32_t cpu, uint32_t order, uint64_t block)
{
	return llfree_put(&((const peer_state *)self)->allocator, peer_request(cpu, order), block) == LLFREE_OK;
}

static inline size_t peer_get_batch(void *self, uint32_t cpu, uint64_t *blocks, size_t n_blocks)
{
	return llfree_get_batch(&((const peer_state *)self)->allocator, peer_request(cpu, 0), blocks, n_blocks);
}

static inline size_t peer_put_batch(void *self, uint32_t cpu, const uint64_t *blocks, size_t n_blocks)
{
	return llfree_put_batch(&((const peer_state *)self)->allocator, peer_request(cpu, 0), blocks, n_blocks, NULL);
}

static void peer_drain(void *self)
{
	llfree_drain_all(&((const peer_state *)self)->allocator);
}

static bool peer_get_at(void *self, uint32_t cpu, uint32_t order, uint64_t block)
{
	return llfree_get_at(&((const peer_state *)self)->allocator, peer_request(cpu, order), block) == LLFREE_OK;
}

static void peer_close(void *self)
{
	llfree_close(&((peer_state *)self)->allocator);
}

static bool peer_recover(void *self)
{
	peer_state *state = self;

	return llfree_recover(&state->allocator, state->region, state->region_bytes, false) == LLFREE_OK;
}

static bool peer_audit(void *self, uint64_t *free_frames)
{
	llfree_audit_report report;
	bool ok = llfree_audit(&((const peer_state *)self)->allocator, &report);

	*free_frames = report.free_frames;
	return ok;
}

static bool peer_is_free(void *self, uint64_t frame)
{
	return llfree_is_free(&((const peer_state *)self)->allocator, frame);
}

static const bench_recovery peer_recovery = {
	.close = peer_close, .recover = peer_recover, .audit = peer_audit, .is_free = peer_is_free
};

/** What the table does not have. */
#define BENCH_LLFREE_MORE .get_at = peer_get_at, .recovery = &peer_recovery
#define BENCH_HAS_BATCH
#define BENCH_LLFREE_HOT                                                                         \
	.max_order = LLFREE_MAX_ORDER < 10 ? LLFREE_MAX_ORDER : 10, .get_batch = peer_get_batch, \
	.put_batch = peer_put_batch
#endif

#include "bench_loops.h"

#define BENCH_LLFREE_TABLE                                                                                   \
	.abi = BENCH_PEER_ABI, .name = BENCH_NAME, .frames_known = true, .init = peer_init, .get = peer_get, \
	.put = peer_put, .exit = peer_exit, .drain = peer_drain, .free_huge = peer_free_huge,                \
	.metadata_bytes = peer_metadata_bytes, .address = peer_address, BENCH_LLFREE_HOT
