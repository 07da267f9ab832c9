/* SPDX-License-Identifier: MIT
 *
 * Allocator "jemalloc": jemalloc. */
#define BENCH_ID jemalloc
#include "peer_malloc.h"

const bench_allocator bench_allocator_jemalloc = {
	.table = { .name = "jemalloc", BENCH_MALLOC_TABLE },
	.loops = BENCH_LOOPS,
	.library = "libjemalloc.so.2:libjemalloc.so",
	.probe_symbol = "mallocx",
	.variable = "MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1",
	.about = "aligned_alloc(4096 << order) and free of jemalloc",
	.rank = 31,
	.is_malloc = true,
};
