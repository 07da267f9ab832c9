/* SPDX-License-Identifier: MIT
 *
 * Allocator "glibc": the C library's own malloc. */
#define BENCH_ID glibc
#include "peer_malloc.h"

const bench_allocator bench_allocator_glibc = {
	.table = { .name = "glibc", BENCH_MALLOC_TABLE },
	.loops = BENCH_LOOPS,
	.variable = "MALLOC_TRIM_THRESHOLD_=1000000000000",
	.about = "aligned_alloc(4096 << order) and free of the C library's own malloc",
	.rank = 33,
	.is_malloc = true,
	.writes_blocks = true,
};
