/* SPDX-License-Identifier: MIT
 *
 * Allocate, free, inspect. The lock-free page-frame allocator LLFree (Wrenger et al., ATC'23) over a region of
 * metadata that the caller provides; frames are numbers from 0, the memory behind them is the caller's
 * (llfree/arena.h brings memory and region together).
 *
 * Common to all functions: no system call, no allocation, no global state; an error changed nothing that can be
 * observed. "Threads: any" means beside every other function of this header, host.h and handle.h, on the same region,
 * also from another process. Progress is lock-free: a stopped thread never blocks another. The one exception is the
 * install function, which waits for the host. */
#ifndef LLFREE_LLFREE_H
#define LLFREE_LLFREE_H

#include <llfree/shared.h>

LLFREE_BEGIN_DECLS

/** Make an evicted huge frame usable: returns when the memory is there and E is 0 (llfree_install() does the last
 * step). Called by get on the caller's thread, for a huge frame of which this caller holds frames. Several threads may
 *  ask for the same huge frame at once: it must be idempotent.
 *  @return true when installed; false (timeout, host gone): the get rolls back and fails with LLFREE_ERR_INSTALL. */
typedef bool (*llfree_install_fn)(void *context, uint64_t huge_idx);

/** Make the stores to [address, address + n_bytes) durable before returning, on the caller's thread; also stores that
 * others made there before. Orders stores on both sides of it. Ready ones: llfree_flush_msync(), llfree_flush_cache().
 */
typedef void (*llfree_flush_fn)(void *context, const void *address, size_t n_bytes);

/** rule[request class][tree class] = LLFREE_NEVER, _MATCH, _STEAL or _DEMOTE; the diagonal must be LLFREE_MATCH. */
typedef struct llfree_policy {
	uint32_t classes;                                     /**< 1..8 */
	uint8_t rule[LLFREE_MAX_CLASSES][LLFREE_MAX_CLASSES]; /**< by class of the request, class of the tree */
} llfree_policy;

/** What a region is made for. Zero-initialise, then set frames and cpus. */
typedef struct llfree_config {
	uint64_t frames;             /**< frames to manage, 1 .. 2^32 (exact) or 2^29 - 32 (fast) */
	uint32_t cpus;               /**< slots per class, 1..4096: usually the CPUs of the machine */
	uint32_t reserve_min_frames; /**< 0 = default. Larger: faster random frees and gets, less defragmentation */
	bool exact;                  /**< no claim words: every double free is seen, no frame is held back */
	const llfree_policy *policy; /**< NULL = llfree_default_policy() */
	bool durable;                /**< for persistent media: each get and put is flushed; see llfree_set_flush() */
} llfree_config;

/** One process's view of a region. Fields are private; copy the struct freely, it holds no state of its own. */
typedef struct llfree {
	llfree_header *header;                                /**< offset 0 of the region, the others behind it */
	llfree_slot *slots;                                   /**< [cpu * classes + class] */
	llfree_tree_cell *trees;                              /**< one per tree */
	llfree_child_cell *children;                          /**< one per huge frame */
	llfree_row_cell *rows;                                /**< one per 64 frames */
	uint64_t frames;                                      /**< managed */
	uint64_t n_trees;                                     /**< the last one may be partial */
	uint64_t n_children;                                  /**< the last one may be partial */
	uint64_t n_rows;                                      /**< eight per child */
	uint32_t cpus;                                        /**< slots per class */
	uint32_t classes;                                     /**< of the policy */
	uint32_t reserve_min_frames;                          /**< as configured, or the default */
	uint32_t flags;                                       /**< LLFREE_FLAG_* */
	uint8_t rule[LLFREE_MAX_CLASSES][LLFREE_MAX_CLASSES]; /**< a copy of the header's */
	llfree_install_fn install;                            /**< of this view; may be NULL */
	void *install_context;                                /**< handed to it */
	llfree_row_cell *durable_rows;                        /**< NULL unless the region is durable */
	llfree_child_cell *durable_children;                  /**< likewise */
	llfree_tree_cell *durable_trees;                      /**< likewise */
	llfree_flush_fn flush;                                /**< of this view; may be NULL */
	void *flush_context;                                  /**< handed to it */
} llfree_t;

/** Who asks. cpu selects the slot: any number (it wraps), best the CPU that the thread runs on. */
typedef struct llfree_request {
	uint32_t cpu;      /**< the slot, modulo the number of slots */
	uint8_t order;     /**< 0..LLFREE_MAX_ORDER: a run of 2^order frames, aligned to its length */
	uint8_t class_idx; /**< LLFREE_CLASS_*, or another one of the policy */
} llfree_request;

/** Version of the library, such as 0.1.0. */
LLFREE_API const char *llfree_version(void);
/** Text of an error; never NULL. */
LLFREE_API const char *llfree_err_text(llfree_err err);
/** Huge frames per tree of this build. */
LLFREE_API uint32_t llfree_tree_huge(void);
/** fixed, movable, huge: fixed demotes movable and huge trees, movable steals from fixed and demotes huge, huge steals.
 */
LLFREE_API const llfree_policy *llfree_default_policy(void);

/* --- regions --------------------------------------------------------------------------------------------------- */

/** Bytes of metadata that a region for this configuration needs; 0 when the configuration is invalid.
 *  33.25 KiB per GiB at 8 huge frames per tree, plus 64 bytes per CPU and class, plus the header of 256 bytes. */
LLFREE_API size_t llfree_metadata_bytes(const llfree_config *config);

/** Make a region in memory (64-byte aligned, at least llfree_metadata_bytes()) with all frames free, or all taken.
 *  All taken: whole huge frames are marked huge, so each can be put back by order 9 or by parts; put back the frames
 *  of a partial last huge frame one by one or by their aligned runs. What was in the memory before is overwritten.
 *  @return LLFREE_OK; LLFREE_ERR_INVAL; LLFREE_ERR_TOO_SMALL.  Threads: alone on this region. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_init(llfree_t *self, const llfree_config *config, void *region,
						    size_t region_bytes, bool all_taken);

/** Join a region that another view has made, here or in another process. Everything in the header is checked before
 *  use; nothing is written.
 *  @return LLFREE_OK; LLFREE_ERR_MAGIC, _VERSION, _GEOMETRY, _CORRUPT, _TOO_SMALL, _INVAL.  Threads: any. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_attach(llfree_t *self, void *region, size_t region_bytes);

/** Attach, and rebuild all that can be derived, after the users of the region died at any moment: a huge mark wins
 *  over rows, rows win over counts, reservations and claims go back, offline and evicted marks stay. A run that was
 *  being taken or given back by a killed thread may stay taken, in whole or in part; in a durable region in whole or
 * not at all: there the durable words win over everything else.
 *  @param keep_claims  true when the region lost stores (persistent media after power loss): claims can't be trusted,
 *                      their frames count as taken.   Threads: alone on this region.  Errors: as attach. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_recover(llfree_t *self, void *region, size_t region_bytes,
						       bool keep_claims);

/** Drain all slots and set the clean flag. The region stays usable by other views, which clears nothing.
 *  Threads: any; the flag means something only when this was the last user. */
LLFREE_API void llfree_close(llfree_t *self);
/** Is the clean flag set: has llfree_close() been called since the last init or recover? */
LLFREE_API bool llfree_was_clean(const llfree_t *self);

/** Give this view its install function. Without one, evicted huge frames can't be handed out (LLFREE_ERR_INSTALL). */
LLFREE_API void llfree_set_install(llfree_t *self, llfree_install_fn install, void *context);

/** Give this view of a durable region its flush function, which is called at once for the whole region. From then on
 *  the region survives a power failure, whatever stores are lost or reordered: llfree_recover() with keep_claims finds
 *  every frame taken whose get had returned and free whose put had returned, and the run of each operation that was
 *  under way, of any order, wholly taken or wholly free. In fast mode, frames in claims and handles count as taken.
 *  One flush of one word for each get and put; in fast mode for each claim of up to 32 frames. Every view that
 *  allocates needs one. NULL: no power failure is survived; a kill is. No effect on other regions. Threads: none
 *  other on this view. */
LLFREE_API void llfree_set_flush(llfree_t *self, llfree_flush_fn flush, void *context);

/* --- frames ---------------------------------------------------------------------------------------------------- */

/** Get a run of 2^order frames of a class.
 *  @param frame  set to the first frame of the run, only on success
 *  @return LLFREE_OK; LLFREE_ERR_NOMEM; LLFREE_ERR_INVAL (order, class); LLFREE_ERR_INSTALL.
 *  Threads: any. Cost: fast mode, order 0: usually one CAS on the slot. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_get(const llfree_t *self, llfree_request request, uint64_t *frame);

/** Get exactly this run.
 *  @return LLFREE_OK; LLFREE_ERR_STATE a frame of it is taken; LLFREE_ERR_OFFLINE; LLFREE_ERR_INVAL; LLFREE_ERR_INSTALL
 */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_get_at(const llfree_t *self, llfree_request request, uint64_t frame);

/** Give back a run, or an aligned part of a larger run. order is the order of what is given back; the class of the
 *  request is a hint that saves time when it is right. Runs don't merge on this side: two order-8 gets are not one
 * order-9 put.
 *  @return LLFREE_OK; LLFREE_ERR_INVAL out of range or misaligned; LLFREE_ERR_STATE not allocated.
 *  In exact mode every double free outside a race is seen; in fast mode those that a slot's claim or bitfield shows. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_put(const llfree_t *self, llfree_request request, uint64_t frame);

/** Get up to n order-0 frames at once, a whole row of 64 with one CAS on each level.
 *  @return the number of frames got, in frames[0..]; fewer than n only when memory ran out or an install failed. */
LLFREE_API size_t llfree_get_batch(const llfree_t *self, llfree_request request, uint64_t *frames, size_t n_frames);

/** Put n order-0 frames; neighbours in the array that share a row of 64 go back with one CAS on each level.
 *  @return the number of frames given back: n, or the index of the first that was refused (error says why; the
 *          frames before it are given back, it and those after it are not). error may be NULL. */
LLFREE_API size_t llfree_put_batch(const llfree_t *self, llfree_request request, const uint64_t *frames,
				   size_t n_frames, llfree_err *error);

/** Give back what slots hold (reservation and claim), so that others can use it. Threads: any. */
LLFREE_API void llfree_drain_slot(const llfree_t *self, uint32_t cpu, uint32_t class_idx);
/** The same for all classes of a CPU. */
LLFREE_API void llfree_drain_cpu(const llfree_t *self, uint32_t cpu);
/** The same for all slots; also raises the epoch that handle owners poll. */
LLFREE_API void llfree_drain_all(const llfree_t *self);

/** Take a tree offline: from the return on, nothing is allocated from it, whatever is freed into it, until online.
 *  Frames in use stay in use and can be put. A get that began before may still end with a frame of it.
 *  @return LLFREE_OK (also when it was offline); LLFREE_ERR_INVAL.  Threads: any. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_tree_offline(const llfree_t *self, uint64_t tree_idx);
/** The same for trees [first_tree, first_tree + n_trees), with one drain for all of them. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_trees_offline(const llfree_t *self, uint64_t first_tree,
							     uint64_t n_trees);
/** Let allocations find the tree again. @return LLFREE_OK (also when it was online); LLFREE_ERR_INVAL.  Threads: any.
 */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_tree_online(const llfree_t *self, uint64_t tree_idx);

/* --- inspect ---------------------------------------------------------------------------------------------------- */

/** Of one class. */
typedef struct llfree_class_stats {
	uint64_t trees;       /**< trees of this class */
	uint64_t free_frames; /**< free frames in them, reserved ones included */
} llfree_class_stats;

/** Of the whole region. */
typedef struct llfree_stats {
	uint64_t frames; /**< managed */
	/** exact: zero bits plus cached; fast: by the counters of trees and slots, plus cached */
	uint64_t free_frames;
	uint64_t cached_frames;          /**< of these, in claim words */
	uint64_t huge_frames;            /**< whole huge frames managed */
	uint64_t free_huge;              /**< huge frames that an order-9 get could take (offline trees included) */
	uint64_t taken_huge;             /**< huge frames taken as one */
	uint64_t evicted_huge;           /**< huge frames with E, free or taken */
	uint64_t trees;                  /**< all of them */
	uint64_t free_trees;             /**< of these, without a frame taken */
	uint64_t reserved_trees;         /**< of these, a slot's reservation lies in it */
	uint64_t offline_trees;          /**< of these, nothing is allocated from it */
	uint32_t fragmentation_permille; /**< free frames outside free huge frames, per 1000 free frames; exact only */
	llfree_class_stats classes[LLFREE_MAX_CLASSES]; /**< by class */
} llfree_stats;

/** Of one tree. */
typedef struct llfree_tree_stats {
	uint64_t free_frames;  /**< tree and reservation counter */
	uint32_t class_idx;    /**< of the tree */
	uint32_t free_huge;    /**< as in llfree_stats */
	uint32_t taken_huge;   /**< as in llfree_stats */
	uint32_t evicted_huge; /**< as in llfree_stats */
	uint32_t children;     /**< huge frames, a partial one included */
	bool reserved;         /**< a slot's reservation lies in it */
	bool offline;          /**< nothing is allocated from it */
} llfree_tree_stats;

/** Of one huge frame. */
typedef struct llfree_huge_state {
	uint32_t free_frames; /**< 0..512 */
	bool taken_huge;      /**< taken as one: by a guest or by a hard reclaim */
	bool evicted;         /**< E */
	bool free;            /**< all 512 frames are free */
} llfree_huge_state;

/** Counters only: reads trees, slots and children (18 cache lines per GiB), no bitfields. Threads: any; exact at rest.
 */
LLFREE_API void llfree_stats_fast(const llfree_t *self, llfree_stats *stats);
/** Walks the bitfields. Threads: any; exact at rest. */
LLFREE_API void llfree_stats_exact(const llfree_t *self, llfree_stats *stats);
/** Of one tree. Threads: any; exact at rest. @return LLFREE_OK; LLFREE_ERR_INVAL no such tree */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_stats_tree(const llfree_t *self, uint64_t tree_idx,
							  llfree_tree_stats *stats);
/** Of one huge frame. Threads: any; a snapshot. @return LLFREE_OK; LLFREE_ERR_INVAL no such huge frame */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_huge_state_of(const llfree_t *self, uint64_t huge_idx,
							     llfree_huge_state *state);
/** Is this frame free (cached frames included)? Threads: any; a snapshot. false when out of range. */
LLFREE_API bool llfree_is_free(const llfree_t *self, uint64_t frame);

/** What llfree_audit() can find wrong; the numbers count places. All zero = the region obeys invariant A2. */
typedef struct llfree_audit_report {
	uint64_t child_count_wrong; /**< free count of a child differs from its zero bits */
	uint64_t huge_rows_open;    /**< a huge mark over rows that are not all taken, or with a count */
	uint64_t tree_count_wrong;  /**< tree plus reservation differ from the sum of the children */
	uint64_t reservation_wrong; /**< reserved mark without a slot, or with two, or slot without mark */
	uint64_t claim_wrong;  /**< claimed frame whose bit is clear, or in a huge or evicted child, or claimed twice */
	uint64_t tail_open;    /**< frames beyond the end that look free */
	uint64_t word_invalid; /**< reserved bits set, counts beyond capacity, class unknown */
	uint64_t first_bad;    /**< index of the first child (or tree, slot) found wrong; UINT64_MAX = none */
	uint64_t free_frames;  /**< found on the way, as in llfree_stats_exact() */
	uint64_t cached_frames; /**< of these, in claim words */
	uint64_t durable_wrong; /**< rows whose durable words say otherwise */
} llfree_audit_report;

/** Check everything against everything. At rest only: beside running operations it reports what is in flight.
 *  @return true when nothing is wrong. Never crashes on a damaged region. */
LLFREE_API bool llfree_audit(const llfree_t *self, llfree_audit_report *report);

LLFREE_END_DECLS
#endif
