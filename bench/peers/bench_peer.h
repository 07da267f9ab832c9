/* SPDX-License-Identifier: MIT
 *
 * What an allocator has to export to be measured: one table. Include this header alone, build a shared object
 * that exports the symbol `bench_peer`, and run `llfree-bench --peer ./FILE.so`; docs/bench.md has an example.
 * Plain C11 and C++17; the table is read once, after the object is loaded. */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { BENCH_PEER_ABI = 1 };

/** What init is asked for. */
typedef struct bench_peer_config {
	uint64_t frames;  /**< 4 KiB frames to manage, numbered from 0 */
	uint32_t cpus;    /**< per-CPU structures to make; get and put may pass any CPU number: wrap it */
	uint32_t threads; /**< threads that will call get and put at the same time */
	uint32_t tuning;  /**< --tune: a number that the allocator may interpret; 0 = its default */
	bool backed;      /**< the memory will be written: address() must lead to real memory */
	bool shared;      /**< a child process works on it too; set only for built-in allocators */
} bench_peer_config;

/** The table. A block is a frame number if frames_known, else any 64-bit value, such as an address. `self` is what
 *  thread_init returned for the calling thread, or the state if there is no thread_init. Times are taken around
 *  many get and put calls; the others are not timed. */
typedef struct bench_peer_table {
	uint32_t abi;       /**< BENCH_PEER_ABI */
	uint32_t max_order; /**< largest order that get serves: runs of 2^order frames, aligned to their length */
	const char *name;   /**< as in the rows; letters, digits, '-' and '_' */
	bool frames_known;  /**< blocks are numbers of the first frame, 0..frames-1: needed for frag and fill */

	void *(*init)(const bench_peer_config *config); /**< all frames free; NULL on failure */
	bool (*get)(void *self, uint32_t cpu, uint32_t order, uint64_t *block);
	bool (*put)(void *self, uint32_t cpu, uint32_t order, uint64_t block);
	void (*exit)(void *state); /**< what is still allocated is dropped */

	/* Optional, NULL if absent. */
	void *(*thread_init)(void *state, uint32_t cpu); /**< called on each thread before its first get */
	void (*thread_exit)(void *self);
	size_t (*get_batch)(void *self, uint32_t cpu, uint64_t *blocks, size_t n_blocks); /**< order 0; how many */
	size_t (*put_batch)(void *self, uint32_t cpu, const uint64_t *blocks, size_t n_blocks);
	void (*drain)(void *self);          /**< give back what caches hold, those of the caller and of all CPUs */
	uint64_t (*free_huge)(void *state); /**< free aligned runs of 512 frames, after a drain */
	size_t (*metadata_bytes)(void *state);
	void *(*address)(void *state, uint64_t block); /**< memory of a block, if config.backed */
} bench_peer_table;

/** The symbol that `--peer FILE.so` looks up. */
#ifdef BENCH_PEER_EXPORT
extern __attribute__((visibility("default"))) const bench_peer_table bench_peer;
#endif

#ifdef __cplusplus
}
#endif
#endif
