/* SPDX-License-Identifier: MIT
 *
 * Allocator "mimalloc": mimalloc. */
#define BENCH_ID mimalloc
#include "peer_malloc.h"

const bench_allocator bench_allocator_mimalloc = {
	.table = { .name = "mimalloc", BENCH_MALLOC_TABLE },
	.loops = BENCH_LOOPS,
	.library = "libmimalloc.so.2:libmimalloc.so.2.0:libmimalloc.so",
	.probe_symbol = "mi_version",
	.variable = "MIMALLOC_ALLOW_DECOMMIT=0",
	.about = "aligned_alloc(4096 << order) and free of mimalloc",
	.rank = 30,
	.is_malloc = true,
	.writes_blocks = true,
};
