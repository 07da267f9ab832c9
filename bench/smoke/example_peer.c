/* SPDX-License-Identifier: MIT
 *
 * The smallest allocator that llfree-bench can measure: a stack of free frames under a spin lock, order 0 only.
 * Build: cc -O3 -shared -fPIC -I bench/peers example_peer.c -o example_peer.so; run: llfree-bench --peer
 * ./example_peer.so */
#define BENCH_PEER_EXPORT
#include "bench_peer.h"

#include <stdlib.h>

typedef struct stack {
	int lock;
	uint64_t n_free;
	uint64_t frames[];
} stack;

static void *stack_init(const bench_peer_config *config)
{
	stack *self = malloc(sizeof(*self) + config->frames * sizeof(self->frames[0]));

	if (!self)
		return NULL;
	self->lock = 0;
	self->n_free = config->frames;
	for (uint64_t i = 0; i < config->frames; i++)
		self->frames[i] = config->frames - 1 - i;
	return self;
}

static void stack_lock(stack *self)
{
	while (__atomic_exchange_n(&self->lock, 1, __ATOMIC_ACQUIRE))
		;
}

static void stack_unlock(stack *self)
{
	__atomic_store_n(&self->lock, 0, __ATOMIC_RELEASE);
}

static bool stack_get(void *state, uint32_t cpu, uint32_t order, uint64_t *block)
{
	stack *self = state;
	bool ok;

	(void)cpu, (void)order;
	stack_lock(self);
	ok = self->n_free > 0;
	if (ok)
		*block = self->frames[--self->n_free];
	stack_unlock(self);
	return ok;
}

static bool stack_put(void *state, uint32_t cpu, uint32_t order, uint64_t block)
{
	stack *self = state;

	(void)cpu, (void)order;
	stack_lock(self);
	self->frames[self->n_free++] = block;
	stack_unlock(self);
	return true;
}

const bench_peer_table bench_peer = {
	.abi = BENCH_PEER_ABI,
	.max_order = 0,
	.name = "stack",
	.frames_known = true,
	.init = stack_init,
	.get = stack_get,
	.put = stack_put,
	.exit = free,
};
