/* SPDX-License-Identifier: MIT
 *
 * Allocator "llfree-fixed": as llfree, all orders in class fixed, as for kernel objects. On request only. */
#define BENCH_ID           llfree_fixed
#define BENCH_NAME         "llfree-fixed"
#define BENCH_EXACT        false
#define BENCH_CLASS(order) ((void)(order), LLFREE_CLASS_FIXED)
#include "peer_llfree_common.h"

const bench_allocator bench_allocator_llfree_fixed = {
	.table = { BENCH_LLFREE_TABLE },
	.loops = BENCH_LOOPS,
	BENCH_LLFREE_MORE,
	.about = "as llfree, class fixed at every order",
	.rank = 13,
	.on_request = true,
};
