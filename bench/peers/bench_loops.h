/* SPDX-License-Identifier: MIT
 *
 * Template: the timed loops of one allocator. The including file defines BENCH_ID (an identifier), peer_get() and
 * peer_put() as static inline functions with the table's signatures, and optionally BENCH_NO_CPU (it ignores the CPU
 * number, so none is read) and peer_get_batch()/peer_put_batch() with BENCH_HAS_BATCH. No include guard: one per file.
 * The loops are noinline and named bench_loop_OPERATION_ID, so that callgrind can count inside them. */
#include "bench_allocator.h"

#define BENCH_GLUE2(a, b) a##b
#define BENCH_GLUE(a, b)  BENCH_GLUE2(a, b)
#define BENCH_LOOP(op)    BENCH_GLUE(bench_loop_##op##_, BENCH_ID)
#ifdef __clang__
#define BENCH_NOINLINE __attribute__((noinline))
#else
#define BENCH_NOINLINE __attribute__((noinline, noclone))
#endif
#define BENCH_INLINE static inline __attribute__((always_inline))
#ifdef BENCH_NO_CPU
#define BENCH_CPU(cpu) 0
#else
#define BENCH_CPU(cpu) bench_cpu_now(cpu)
#endif

BENCH_INLINE uint64_t body_get(void *self, bench_cpu cpu, uint32_t order, uint64_t *blocks, uint64_t n_ops)
{
	(void)cpu;
	for (uint64_t i = 0; i < n_ops; i++) {
		if (!peer_get(self, BENCH_CPU(cpu), order, &blocks[i]))
			return i;
	}
	return n_ops;
}

BENCH_INLINE uint64_t body_put(void *self, bench_cpu cpu, uint32_t order, const uint64_t *blocks, uint64_t n_ops)
{
	(void)cpu;
	for (uint64_t i = 0; i < n_ops; i++) {
		if (!peer_put(self, BENCH_CPU(cpu), order, blocks[i]))
			return i;
	}
	return n_ops;
}

BENCH_INLINE uint64_t body_pair(void *self, bench_cpu cpu, uint32_t order, uint64_t n_ops)
{
	(void)cpu;
	for (uint64_t i = 0; i < n_ops; i++) {
		uint64_t block;

		if (!peer_get(self, BENCH_CPU(cpu), order, &block))
			return i;
		__asm__ volatile("" : "+r"(block)); /* the block is used: nobody may drop the pair */
		if (!peer_put(self, BENCH_CPU(cpu), order, block))
			return i;
	}
	return n_ops;
}

BENCH_INLINE uint64_t body_swap(void *self, bench_cpu cpu, uint32_t order, uint64_t *blocks, uint64_t n_blocks,
				uint64_t n_ops, bench_rng *rng)
{
	uint64_t ahead[BENCH_AHEAD];

	(void)cpu;
	for (uint32_t i = 0; i < BENCH_AHEAD; i++)
		ahead[i] = bench_rng_below(rng, n_blocks);
	for (uint64_t i = 0; i < n_ops; i++) {
		uint64_t *block = &blocks[ahead[i % BENCH_AHEAD]];
		uint64_t next = bench_rng_below(rng, n_blocks);

		ahead[i % BENCH_AHEAD] = next;
		__builtin_prefetch(&blocks[next], 1);
		if (!peer_put(self, BENCH_CPU(cpu), order, *block))
			return i;
		if (!peer_get(self, BENCH_CPU(cpu), order, block))
			return i;
	}
	return n_ops;
}

BENCH_INLINE bool body_op(void *self, bench_cpu cpu, uint32_t order, bool put, uint64_t *block, uint64_t *refused)
{
	uint64_t old = *block;

	(void)cpu;
	if (put) {
		*block = BENCH_NO_BLOCK;
		return old == BENCH_NO_BLOCK || peer_put(self, BENCH_CPU(cpu), order, old);
	}
	if (!peer_get(self, BENCH_CPU(cpu), order, block)) {
		*block = BENCH_NO_BLOCK;
		++*refused;
	}
	return true;
}

/* Order 0 is compiled as a constant, as in a program that asks for one frame. */
static BENCH_NOINLINE uint64_t BENCH_LOOP(get)(void *self, bench_cpu cpu, uint32_t order, uint64_t *blocks,
					       uint64_t n_ops)
{
	return order == 0 ? body_get(self, cpu, 0, blocks, n_ops) : body_get(self, cpu, order, blocks, n_ops);
}

static BENCH_NOINLINE uint64_t BENCH_LOOP(put)(void *self, bench_cpu cpu, uint32_t order, const uint64_t *blocks,
					       uint64_t n_ops)
{
	return order == 0 ? body_put(self, cpu, 0, blocks, n_ops) : body_put(self, cpu, order, blocks, n_ops);
}

static BENCH_NOINLINE uint64_t BENCH_LOOP(pair)(void *self, bench_cpu cpu, uint32_t order, uint64_t n_ops)
{
	return order == 0 ? body_pair(self, cpu, 0, n_ops) : body_pair(self, cpu, order, n_ops);
}

static BENCH_NOINLINE uint64_t BENCH_LOOP(swap)(void *self, bench_cpu cpu, uint32_t order, uint64_t *blocks,
						uint64_t n_blocks, uint64_t n_ops, bench_rng *rng)
{
	return order == 0 ? body_swap(self, cpu, 0, blocks, n_blocks, n_ops, rng)
			  : body_swap(self, cpu, order, blocks, n_blocks, n_ops, rng);
}

/* The entries are prefetched, for every allocator alike. The stream has BENCH_AHEAD entries behind its end. */
static BENCH_NOINLINE uint64_t BENCH_LOOP(replay)(void *self, bench_cpu cpu, const bench_op *ops, uint64_t *blocks,
						  uint64_t n_ops, uint64_t *refused)
{
	for (uint64_t i = 0; i < n_ops; i++) {
		uint64_t *block = &blocks[ops[i].slot];
		uint32_t order = ops[i].order;

		__builtin_prefetch(&blocks[ops[i + BENCH_AHEAD].slot], 1);
		if (!(order == 0 ? body_op(self, cpu, 0, ops[i].put, block, refused)
				 : body_op(self, cpu, order, ops[i].put, block, refused)))
			return i;
	}
	return n_ops;
}

#ifdef BENCH_HAS_BATCH
static BENCH_NOINLINE uint64_t BENCH_LOOP(get_batch)(void *self, bench_cpu cpu, uint64_t *blocks, uint64_t n_ops,
						     uint64_t chunk)
{
	for (uint64_t i = 0; i < n_ops; i += chunk) {
		uint64_t n = n_ops - i < chunk ? n_ops - i : chunk;
		uint64_t got = peer_get_batch(self, BENCH_CPU(cpu), blocks + i, n);

		if (got < n)
			return i + got;
	}
	return n_ops;
}

static BENCH_NOINLINE uint64_t BENCH_LOOP(put_batch)(void *self, bench_cpu cpu, const uint64_t *blocks, uint64_t n_ops,
						     uint64_t chunk)
{
	for (uint64_t i = 0; i < n_ops; i += chunk) {
		uint64_t n = n_ops - i < chunk ? n_ops - i : chunk;
		uint64_t put = peer_put_batch(self, BENCH_CPU(cpu), blocks + i, n);

		if (put < n)
			return i + put;
	}
	return n_ops;
}
#define BENCH_LOOPS_BATCH .get_batch = BENCH_LOOP(get_batch), .put_batch = BENCH_LOOP(put_batch)
#else
#define BENCH_LOOPS_BATCH .get_batch = NULL, .put_batch = NULL
#endif

/** The initialiser of bench_allocator.loops. */
#define BENCH_LOOPS                                                                                                 \
	{                                                                                                           \
		.get = BENCH_LOOP(get), .put = BENCH_LOOP(put), .pair = BENCH_LOOP(pair), .swap = BENCH_LOOP(swap), \
		.replay = BENCH_LOOP(replay), BENCH_LOOPS_BATCH                                                     \
	}
