/* SPDX-License-Identifier: MIT
 *
 * Allocator "llfree-exact": as llfree, without claim words, so that every double free is seen. */
#define BENCH_ID           llfree_exact
#define BENCH_NAME         "llfree-exact"
#define BENCH_EXACT        true
#define BENCH_CLASS(order) ((order) >= LLFREE_HUGE_ORDER ? LLFREE_CLASS_HUGE : LLFREE_CLASS_MOVABLE)
#include "peer_llfree_common.h"

const bench_allocator bench_allocator_llfree_exact = {
	.table = { BENCH_LLFREE_TABLE },
	.loops = BENCH_LOOPS,
	BENCH_LLFREE_MORE,
	.about = "llfree_get/llfree_put in exact mode: no claim words",
	.rank = 12,
};
