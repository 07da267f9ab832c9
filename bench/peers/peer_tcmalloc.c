/* SPDX-License-Identifier: MIT
 *
 * Allocator "tcmalloc": tcmalloc (gperftools). */
#define BENCH_ID tcmalloc
#include "peer_malloc.h"

const bench_allocator bench_allocator_tcmalloc = {
	.table = { .name = "tcmalloc", BENCH_MALLOC_TABLE },
	.loops = BENCH_LOOPS,
	.library = "libtcmalloc_minimal.so.4:libtcmalloc.so.4:libtcmalloc_minimal.so",
	.probe_symbol = "tc_version",
	.variable = "TCMALLOC_RELEASE_RATE=0",
	.about = "aligned_alloc(4096 << order) and free of tcmalloc (gperftools)",
	.rank = 32,
	.is_malloc = true,
	.writes_blocks = true,
};
