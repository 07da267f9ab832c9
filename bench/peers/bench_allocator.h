/* SPDX-License-Identifier: MIT
 *
 * An allocator as the bench sees it: the public table, and loops over it that were compiled together with it, so that
 * a built-in allocator is called directly. One file peers/peer_NAME.c defines bench_allocator_NAME; the build
 * collects them. Knows nothing of cases. */
#ifndef BENCH_ALLOCATOR_H
#define BENCH_ALLOCATOR_H

#include <stddef.h>
#include <llfree/arena.h>
#include "bench_peer.h"
#include "bench_rng.h"

/** Which CPU number an operation passes: the pinned one, or the one read at each operation. */
typedef struct bench_cpu {
	bool pinned;
	uint32_t idx;
} bench_cpu;

static inline uint32_t bench_cpu_now(bench_cpu cpu)
{
	return cpu.pinned ? cpu.idx : llfree_current_cpu();
}

/** Entries that the loops look ahead, so that the harness's own cache misses are not timed. */
enum { BENCH_AHEAD = 16 };

/** An operation of a stream that was drawn beforehand: on the entry `slot` of an array of blocks. */
typedef struct bench_op {
	uint32_t slot;
	uint8_t order;
	bool put;
} bench_op;

/** An entry without a block: its get was refused, or it was put. */
#define BENCH_NO_BLOCK UINT64_MAX

/** Timed loops. Each returns how many operations succeeded and stops at the first failure. */
typedef struct bench_loops {
	uint64_t (*get)(void *self, bench_cpu cpu, uint32_t order, uint64_t *blocks, uint64_t n_ops);
	uint64_t (*put)(void *self, bench_cpu cpu, uint32_t order, const uint64_t *blocks, uint64_t n_ops);
	uint64_t (*pair)(void *self, bench_cpu cpu, uint32_t order, uint64_t n_ops);
	/** Put a random one of n_blocks, get another in its place. */
	uint64_t (*swap)(void *self, bench_cpu cpu, uint32_t order, uint64_t *blocks, uint64_t n_blocks, uint64_t n_ops,
			 bench_rng *rng);
	/** Order 0, chunk blocks a call. */
	uint64_t (*get_batch)(void *self, bench_cpu cpu, uint64_t *blocks, uint64_t n_ops, uint64_t chunk);
	uint64_t (*put_batch)(void *self, bench_cpu cpu, const uint64_t *blocks, uint64_t n_ops, uint64_t chunk);
	/** A stream of mixed orders. A get that is refused leaves BENCH_NO_BLOCK and is counted in *refused; its put
	 *  does nothing. Stops at a put that fails. There are BENCH_AHEAD more entries, with valid slots, behind the
	 * last operation. */
	uint64_t (*replay)(void *self, bench_cpu cpu, const bench_op *ops, uint64_t *blocks, uint64_t n_ops,
			   uint64_t *refused);
} bench_loops;

/** What lives on after the process that used it died. The state was made with config.shared. */
typedef struct bench_recovery {
	void (*close)(void *state); /**< an orderly end */
	bool (*recover)(void *state);
	/** Everything fits to everything. @return false: it does not */
	bool (*audit)(void *state, uint64_t *free_frames);
	bool (*is_free)(void *state, uint64_t frame);
} bench_recovery;

typedef struct bench_allocator {
	bench_peer_table table;
	bench_loops loops;
	/** Get exactly this run; NULL if there is no such call. @return false: it is not free, or not within reach */
	bool (*get_at)(void *self, uint32_t cpu, uint32_t order, uint64_t block);
	const bench_recovery *recovery; /**< NULL: nothing of it survives */
	const char *library;            /**< a malloc: colon-separated file names to preload; NULL = none needed */
	const char *probe_symbol;       /**< a malloc: a symbol that only its library has */
	const char *variable; /**< a malloc: NAME=VALUE for its process, so that it keeps freed memory; NULL = none */
	const char *about;    /**< one line for --list */
	uint32_t rank;        /**< place in the tables */
	bool is_malloc;       /**< runs in a process of its own, skipped in sanitizer builds */
	bool writes_blocks;   /**< it keeps its own lists in the blocks: --malloc-memory bounds it */
	bool on_request;      /**< only when --allocators names it */
} bench_allocator;

/** All allocators of this build; generated from the files in peers/. */
extern const bench_allocator *bench_allocators[];
extern const size_t bench_allocator_count;

/** Loops that call through table, for --peer. */
const bench_allocator *bench_allocator_of_table(const bench_peer_table *table);

#endif
