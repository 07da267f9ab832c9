/* SPDX-License-Identifier: MIT
 *
 * Allocator "llfree": llfree_get() and llfree_put() with claim words; class movable, and huge from order 9 on. */
#define BENCH_ID           llfree
#define BENCH_NAME         "llfree"
#define BENCH_EXACT        false
#define BENCH_CLASS(order) ((order) >= LLFREE_HUGE_ORDER ? LLFREE_CLASS_HUGE : LLFREE_CLASS_MOVABLE)
#include "peer_llfree_common.h"

const bench_allocator bench_allocator_llfree = {
	.table = { BENCH_LLFREE_TABLE },
	.loops = BENCH_LOOPS,
	BENCH_LLFREE_MORE,
	.about = "llfree_get/llfree_put, claim words on; class movable, huge from order 9 on",
	.rank = 10,
};
