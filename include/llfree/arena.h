/* SPDX-License-Identifier: MIT
 *
 * An arena: memory, a region of metadata for it, and the allocator over both. Linux, unprivileged.
 * The region lies in a memfd of its own, so that another process can attach by descriptor; it and a memfd arena are
 * sealed against shrinking and growing before use. */
#ifndef LLFREE_ARENA_H
#define LLFREE_ARENA_H

#include <llfree/llfree.h>

LLFREE_BEGIN_DECLS

/** What memory an arena is made of. */
typedef enum llfree_backing {
	LLFREE_BACKING_ANON = 0, /**< private anonymous memory: only this process sees it */
	LLFREE_BACKING_MEMFD,    /**< memfd: another process may map it by descriptor */
	LLFREE_BACKING_FILE      /**< a file by path, created or extended to the size; a tmpfs, DAX or ordinary file */
} llfree_backing;

/** An arena to create. Zero-initialise, then set memory_bytes. */
typedef struct llfree_arena_config {
	uint64_t memory_bytes;   /**< rounded up to 2 MiB */
	llfree_backing backing;  /**< anonymous memory by default */
	const char *path;        /**< LLFREE_BACKING_FILE only */
	bool small_frames;       /**< ask the kernel for 4 KiB frames (MADV_NOHUGEPAGE); default asks for huge ones */
	llfree_config allocator; /**< frames is filled in; cpus 0 = CPUs of this machine */
} llfree_arena_config;

/** An arena of this process. Read only; what others share lies in the region. */
typedef struct llfree_arena {
	llfree_t allocator;      /**< for llfree_get() and all the others */
	uint8_t *memory;         /**< first byte of frame 0, 2 MiB aligned; NULL when attached without the memory */
	uint64_t memory_bytes;   /**< a multiple of 2 MiB */
	void *region;            /**< metadata; begins with its header */
	size_t region_bytes;     /**< as mapped */
	int memory_fd;           /**< -1 for anonymous memory */
	int region_fd;           /**< what another process attaches to */
	bool huge_advised;       /**< the kernel accepted MADV_HUGEPAGE; residency tells whether it obeys */
	const char *failed_call; /**< after LLFREE_ERR_SYSTEM: the call that failed; else NULL */
} llfree_arena;

/** Create memory and region, all frames free.
 *  @return LLFREE_OK; LLFREE_ERR_INVAL; LLFREE_ERR_SYSTEM (errno set, failed_call names the call; nothing stays behind)
 */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_arena_create(llfree_arena *arena, const llfree_arena_config *config);
/** Attach by descriptors (duplicated, the caller keeps its own). memory_fd -1: the region only.
 *  The region's size is taken from the descriptor and checked against its header; the memory file must be large enough.
 *  @return as create, and the errors of llfree_attach() */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_arena_attach(llfree_arena *arena, int region_fd, int memory_fd);
/** Unmap and close. Other processes that are attached keep working. */
LLFREE_API void llfree_arena_destroy(llfree_arena *arena);

/** Address of a frame, which must lie in the arena (no check). */
static inline void *llfree_arena_address(const llfree_arena *arena, uint64_t frame)
{
	return arena->memory + (frame << LLFREE_FRAME_SHIFT);
}
/** The frame of an address, which must lie in the arena's memory (no check). */
static inline uint64_t llfree_arena_frame(const llfree_arena *arena, const void *address)
{
	return (uint64_t)((const uint8_t *)address - arena->memory) >> LLFREE_FRAME_SHIFT;
}
/** Does this address lie in the memory of the arena? */
LLFREE_API bool llfree_arena_contains(const llfree_arena *arena, const void *address);

/** The CPU this thread runs on: from the rseq area (0.3 ns), else sched_getcpu(). May be stale when it returns. */
LLFREE_API uint32_t llfree_current_cpu(void);
/** CPUs configured on this machine, at least 1. */
LLFREE_API uint32_t llfree_machine_cpus(void);

LLFREE_END_DECLS
#endif
