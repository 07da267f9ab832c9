/* SPDX-License-Identifier: MIT
 *
 * An arena in a file: memory and metadata outlive the process. Linux, unprivileged; an ordinary file, one on tmpfs, or
 * one on a DAX file system (there the caches are written back by the CPU, not by the kernel).
 * One process at a time has it open (its children by fork share it); a lock that dies with the process sees to that.
 * What is lost after a kill or a power failure: docs/caveats.md, "Arenas in files". */
#ifndef LLFREE_FILE_ARENA_H
#define LLFREE_FILE_ARENA_H

#include <llfree/arena.h>

LLFREE_BEGIN_DECLS

/** How an arena was left by whoever had it open last. */
typedef enum llfree_file_found {
	LLFREE_FILE_NEW = 0, /**< just created */
	LLFREE_FILE_CLEAN,   /**< llfree_file_close() had ended */
	LLFREE_FILE_KILLED,  /**< the process ended without it; this machine has been up ever since: no store is lost */
	LLFREE_FILE_LOST     /**< the machine went down meanwhile, or the file was copied: stores may be lost */
} llfree_file_found;

/** A file to create or open. Zero-initialise, then set path or fd. */
typedef struct llfree_file_config {
	const char *path;        /**< of the file; NULL: fd */
	int fd;                  /**< without a path: a file open for reading and writing; the caller keeps it */
	uint64_t memory_bytes;   /**< create: rounded up to 2 MiB */
	llfree_config allocator; /**< create: frames is filled in; cpus 0 = CPUs of this machine; durable: see below */
	bool small_frames;       /**< ask the kernel for 4 KiB frames; default asks for huge ones */
	bool distrust;           /**< open: treat a killed user like a power failure */
	bool accept_lost_stores; /**< open: also what is not durable and may contradict itself after a power failure */
} llfree_file_config;

/** An open arena in a file. Read only. */
typedef struct llfree_file {
	llfree_arena arena;      /**< memory, region and allocator; not for llfree_arena_destroy() */
	void *metadata;          /**< the mapping that begins with the superblock */
	size_t metadata_bytes;   /**< of it */
	llfree_file_found found; /**< how it was left */
	bool dax;                /**< mapped with MAP_SYNC: a store that left the caches is durable */
} llfree_file;

/** Flush by msync(), rounded to pages: for a mapping of any file, through the page cache. context: NULL, or a
 *  llfree_u32_cell to which failures are added. (A llfree_flush_fn, see llfree_set_flush().) */
LLFREE_API void llfree_flush_msync(void *context, const void *address, size_t n_bytes);
/** Flush of cache lines, for persistent memory mapped with MAP_SYNC: clwb, clflushopt or clflush with sfence on x86, dc
 * cvac with dsb on aarch64, what this CPU has; its context is not used. @return NULL: none on this architecture */
LLFREE_API llfree_flush_fn llfree_flush_cache(void);

/** Create a file and an arena in it, all frames free. A file that exists already (by descriptor: that is not empty) is
 *  never overwritten. Nothing is opened that was not created to its end: after a failure in between, remove the file.
 *  @return LLFREE_OK; LLFREE_ERR_INVAL; LLFREE_ERR_BUSY; LLFREE_ERR_SYSTEM (errno set, file->arena.failed_call names
 *  the call; EEXIST: the file exists). On error nothing stays behind. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_file_create(llfree_file *file, const llfree_file_config *config);

/** Open the arena of a file. When it was not closed, it is recovered as by llfree_recover(): after a kill claims go
 *  back, after a power failure their frames count as taken. file->found says which it was. An arena that was made with
 *  allocator.durable survives both, flushed by llfree_flush_cache() on DAX and by llfree_flush_msync() elsewhere;
 * another one is refused after a power failure (LLFREE_ERR_LOST).
 *  @return LLFREE_OK; LLFREE_ERR_BUSY another process has it open; LLFREE_ERR_MAGIC, _VERSION, _GEOMETRY, _CORRUPT;
 *  LLFREE_ERR_TRUNCATED; LLFREE_ERR_LOST; LLFREE_ERR_INVAL; LLFREE_ERR_SYSTEM as create. On error the file is as it
 *  was. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_file_open(llfree_file *file, const llfree_file_config *config);

/** Drain, write everything to the file, memory included, and mark it clean; then unmap. No thread may use it any more.
 *  @return LLFREE_OK; LLFREE_ERR_SYSTEM: it could not be written (errno set) and stays marked as in use; it is
 *  unmapped all the same. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_file_close(llfree_file *file);

LLFREE_END_DECLS
#endif
