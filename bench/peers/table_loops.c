/* SPDX-License-Identifier: MIT
 *
 * An allocator that is known only by its table (--peer FILE.so): the loops call through its function pointers. One
 * such allocator a process: the loops find its functions in one static table, written before any thread starts. */
#define BENCH_ID table
#define BENCH_HAS_BATCH
#include "bench_allocator.h"

static bench_peer_table loaded;
static bench_allocator loaded_allocator;

static inline bool peer_get(void *self, uint32_t cpu, uint32_t order, uint64_t *block)
{
	return loaded.get(self, cpu, order, block);
}

static inline bool peer_put(void *self, uint32_t cpu, uint32_t order, uint64_t block)
{
	return loaded.put(self, cpu, order, block);
}

static inline size_t peer_get_batch(void *self, uint32_t cpu, uint64_t *blocks, size_t n_blocks)
{
	return loaded.get_batch(self, cpu, blocks, n_blocks);
}

static inline size_t peer_put_batch(void *self, uint32_t cpu, const uint64_t *blocks, size_t n_blocks)
{
	return loaded.put_batch(self, cpu, blocks, n_blocks);
}

#include "bench_loops.h"

const bench_allocator *bench_allocator_of_table(const bench_peer_table *table)
{
	bench_loops loops = BENCH_LOOPS;

	if (!table->get_batch || !table->put_batch) {
		loops.get_batch = NULL;
		loops.put_batch = NULL;
	}
	loaded = *table;
	loaded_allocator =
		(bench_allocator){ .table = *table, .loops = loops, .about = "loaded by --peer", .rank = 100 };
	return &loaded_allocator;
}
