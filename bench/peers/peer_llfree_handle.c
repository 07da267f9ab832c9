/* SPDX-License-Identifier: MIT
 *
 * Allocator "llfree-handle": one llfree_handle a thread, order 0, class movable. The CPU number is read once, when
 * the thread opens its handle: that is how an embedder uses it. */
#define BENCH_ID           llfree_handle
#define BENCH_NAME         "llfree-handle"
#define BENCH_EXACT        false
#define BENCH_CLASS(order) ((void)(order), LLFREE_CLASS_MOVABLE)
#define BENCH_NO_CPU
#define BENCH_OWN_HOT_PATH
#include <llfree/handle.h>
#include "bench_peer.h"

static inline bool peer_get(void *self, uint32_t cpu, uint32_t order, uint64_t *block)
{
	(void)cpu, (void)order;
	return llfree_handle_get(self, block) == LLFREE_OK;
}

static inline bool peer_put(void *self, uint32_t cpu, uint32_t order, uint64_t block)
{
	(void)cpu, (void)order;
	return llfree_handle_put(self, block) == LLFREE_OK;
}

static void peer_drain(void *self)
{
	llfree_handle *handle = self;

	llfree_handle_drain(handle);
	llfree_drain_all(handle->allocator);
}

#define BENCH_LLFREE_HOT .max_order = 0, .thread_init = peer_thread_init, .thread_exit = peer_thread_exit
#include "peer_llfree_common.h"

static void *peer_thread_init(void *self, uint32_t cpu)
{
	peer_state *state = self;
	llfree_handle *handle = aligned_alloc(64, (sizeof(*handle) + 127) / 64 * 64);
	uint8_t class_idx = peer_request(cpu, 0).class_idx;

	if (handle && llfree_handle_open(handle, &state->allocator, cpu, class_idx) == LLFREE_OK)
		return handle;
	free(handle);
	return NULL;
}

static void peer_thread_exit(void *self)
{
	llfree_handle_close(self);
	free(self);
}

const bench_allocator bench_allocator_llfree_handle = {
	.table = { BENCH_LLFREE_TABLE },
	.loops = BENCH_LOOPS,
	.about = "llfree_handle_get/llfree_handle_put, a handle per thread; order 0",
	.rank = 11,
};
