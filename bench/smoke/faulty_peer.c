/* SPDX-License-Identifier: MIT
 *
 * An allocator that hands out a frame twice now and then, as a lost update would: stress must see it. */
#define BENCH_PEER_EXPORT
#include "bench_peer.h"

#include <stdlib.h>

enum { FAULT_EVERY = 1000 };

typedef struct counter {
	uint64_t frames, next, gets;
} counter;

static void *faulty_init(const bench_peer_config *config)
{
	counter *self = calloc(1, sizeof(*self));

	if (self)
		self->frames = config->frames;
	return self;
}

/* Round and round: with half of the memory in use and random puts, frames come back while they are owned as well. */
static bool faulty_get(void *state, uint32_t cpu, uint32_t order, uint64_t *block)
{
	counter *self = state;
	uint64_t gets = __atomic_add_fetch(&self->gets, 1, __ATOMIC_RELAXED);

	(void)cpu, (void)order;
	if (gets % FAULT_EVERY)
		__atomic_add_fetch(&self->next, 1, __ATOMIC_RELAXED);
	*block = __atomic_load_n(&self->next, __ATOMIC_RELAXED) % self->frames;
	return true;
}

static bool faulty_put(void *state, uint32_t cpu, uint32_t order, uint64_t block)
{
	(void)state, (void)cpu, (void)order, (void)block;
	return true;
}

const bench_peer_table bench_peer = {
	.abi = BENCH_PEER_ABI,
	.max_order = 0,
	.name = "faulty",
	.frames_known = true,
	.init = faulty_init,
	.get = faulty_get,
	.put = faulty_put,
	.exit = free,
};
