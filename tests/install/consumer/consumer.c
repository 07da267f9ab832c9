/* SPDX-License-Identifier: MIT
 *
 * A user of the installed library. Compiles as C11, C17 and C++17. */
#include <llfree/arena.h>
#include <llfree/handle.h>
#include <llfree/host.h>
#include <llfree/llfree.h>
#include <llfree/shared.h>
#include <llfree/types.h>

#include <stdio.h>
#include <string.h>

static int use_frames(llfree_arena *arena)
{
	llfree_request request;
	llfree_handle handle;
	llfree_audit_report report;
	uint64_t frame = 0, huge = 0, cached = 0;
	bool was_evicted = true;

	memset(&request, 0, sizeof(request));
	request.cpu = llfree_current_cpu();
	request.class_idx = LLFREE_CLASS_MOVABLE;
	if (llfree_get(&arena->allocator, request, &frame))
		return 1;
	memset(llfree_arena_address(arena, frame), 1, LLFREE_FRAME_BYTES);
	if (llfree_put(&arena->allocator, request, frame))
		return 2;
	request.order = LLFREE_HUGE_ORDER;
	if (llfree_get(&arena->allocator, request, &huge) || llfree_put(&arena->allocator, request, huge))
		return 3;
	if (llfree_handle_open(&handle, &arena->allocator, 0, LLFREE_CLASS_MOVABLE) ||
	    llfree_handle_get(&handle, &cached) || llfree_handle_put(&handle, cached))
		return 4;
	llfree_handle_close(&handle);
	llfree_drain_all(&arena->allocator);
	if (llfree_reclaim_hard(&arena->allocator, 0, &was_evicted) || was_evicted ||
	    llfree_return(&arena->allocator, 0))
		return 5;
	return llfree_audit(&arena->allocator, &report) ? 0 : 6;
}

int main(void)
{
	llfree_arena arena;
	llfree_arena_config config;
	int failed;

	if (llfree_tree_huge() != LLFREE_TREE_HUGE) {
		fprintf(stderr, "consumer: library has %u huge frames per tree, headers say %d\n", llfree_tree_huge(),
			LLFREE_TREE_HUGE);
		return 1;
	}
	memset(&config, 0, sizeof(config));
	config.memory_bytes = UINT64_C(64) << 20;
	if (llfree_arena_create(&arena, &config)) {
		perror(arena.failed_call);
		return 1;
	}
	failed = use_frames(&arena);
	llfree_arena_destroy(&arena);
	printf("llfree %s: %s\n", llfree_version(), failed ? "failed" : "ok");
	return failed;
}
