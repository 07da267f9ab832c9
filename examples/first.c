/* SPDX-License-Identifier: MIT
 *
 * A first frame: 1 GiB of memory, one 4 KiB frame of it, used and given back. The body of main is ten lines. */
#include <llfree/arena.h>

#include <stdio.h>
#include <string.h>

int main(void)
{
	llfree_arena arena;
	llfree_arena_config config = { .memory_bytes = UINT64_C(1) << 30 };
	llfree_request request = { .cpu = llfree_current_cpu(), .order = 0, .class_idx = LLFREE_CLASS_MOVABLE };
	uint64_t frame;
	if (llfree_arena_create(&arena, &config) || llfree_get(&arena.allocator, request, &frame))
		return 1;
	strcpy(llfree_arena_address(&arena, frame), "a first frame");
	printf("frame %llu holds: %s\n", (unsigned long long)frame, (char *)llfree_arena_address(&arena, frame));
	return llfree_put(&arena.allocator, request, frame) != LLFREE_OK;
}
