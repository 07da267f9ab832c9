/* SPDX-License-Identifier: MIT
 *
 * What the two kinds of arena share: mapping at a multiple of 2 MiB, room in a file system, defaults of the allocator.
 * Hosted; may include the public headers and the OS only. */
#ifndef LLF_ARENA_MAP_H
#define LLF_ARENA_MAP_H

#include <llfree/arena.h>

static inline uint64_t llf_huge_round_up(uint64_t bytes)
{
	return (bytes + LLFREE_HUGE_BYTES - 1) & ~(uint64_t)(LLFREE_HUGE_BYTES - 1);
}

/* Map at a multiple of 2 MiB; map_bytes is one as well. @return NULL: errno says why */
uint8_t *llf_map_aligned(uint64_t map_bytes, int flags, int fd, uint64_t offset);
/* Could the file system hold this file with so many bytes? @return NULL: yes; else the call that says no, errno set */
const char *llf_file_lacks_space(int fd, uint64_t file_bytes);
/* Fill in frames, and cpus where they are 0. */
llfree_err llf_allocator_complete(llfree_config *allocator, uint64_t memory_bytes);

#endif
