/* SPDX-License-Identifier: MIT
 *
 * What the arena tests share: configurations of each backing, what a process holds open and mapped, doctored copies
 * of a region. */
#ifndef ARENA_SUPPORT_H
#define ARENA_SUPPORT_H

#include <llfree/arena.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { T_MEMORY_BYTES = 64 << 20 };

/* A path for a file that does not exist yet; in memory (tmpfs) where the system has it. */
const char *t_new_path(char *buffer, size_t buffer_bytes);
llfree_arena_config t_arena_config(llfree_backing backing, const char *path);
/* Open descriptors and mapped address ranges of this process: equal before and after = nothing was left behind. */
unsigned t_open_descriptors(void);
unsigned t_mappings_named(const char *name);
/* A sealed memfd with the first copied_bytes of the arena's region, file_bytes long. */
int t_region_copy(const llfree_arena *arena, size_t copied_bytes, size_t file_bytes, bool sealed);
llfree_request t_request(unsigned order);
/* Every frame of the arena can be written and holds what was written to it. */
void t_write_and_check_frames(const llfree_arena *arena, uint64_t step_frames);

#endif
