/* SPDX-License-Identifier: MIT
 *
 * The shared region, byte by byte: the words that two processes (or a guest and its host) read and change together.
 * Little-endian, offsets only, no pointers, no bit-fields. docs/shared-layout.md is this file as a table.
 * Nothing touches a cell's word_ except the helpers of llfree/base/atomic.h. */
#ifndef LLFREE_SHARED_H
#define LLFREE_SHARED_H

#include <llfree/types.h>

#define LLFREE_MAGIC UINT64_C(0x0100454552464c4c) /**< the bytes "LLFREE", 0, 1 */
enum {
	LLFREE_VERSION_LAYOUT = 1,
	LLFREE_CACHE_LINE = 64,
	LLFREE_ROW_FRAMES = 64,
	LLFREE_HUGE_ROWS = 8,
	LLFREE_HALF_FRAMES = 32
};

/** 64 frames; bit set = frame taken. */
typedef struct llfree_row_cell {
	uint64_t word_; /**< by the helpers only */
} llfree_row_cell;
/** One huge frame. */
typedef struct llfree_child_cell {
	uint16_t word_; /**< by the helpers only */
} llfree_child_cell;
/** LLFREE_TREE_HUGE huge frames. */
typedef struct llfree_tree_cell {
	uint32_t word_; /**< by the helpers only */
} llfree_tree_cell;
/** Another word of 32 bits. */
typedef struct llfree_u32_cell {
	uint32_t word_; /**< by the helpers only */
} llfree_u32_cell;
/** Another word of 64 bits. */
typedef struct llfree_u64_cell {
	uint64_t word_; /**< by the helpers only */
} llfree_u64_cell;

/** Child word: free frames 0..512 that nobody holds, and two marks. */
enum {
	LLFREE_CHILD_FREE_MASK = 0x03ff,
	LLFREE_CHILD_HUGE = 0x4000,   /**< taken as one (A in HyperAlloc): free is 0 */
	LLFREE_CHILD_EVICTED = 0x8000 /**< E: not backed by memory; install before use */
};

/** Tree word: free frames that no slot has reserved, class, marks. */
enum {
	LLFREE_TREE_FREE_MASK = 0x7fff,
	LLFREE_TREE_CLASS_SHIFT = 16,
	LLFREE_TREE_CLASS_MASK = 0x7,
	LLFREE_TREE_RESERVED = 1 << 29, /**< exactly one slot's reservation lies in this tree */
	LLFREE_TREE_OFFLINE = 1 << 30   /**< sticky: nothing is allocated until it is brought online */
};

/** Reservation word: [free:16][row:26][present:1][generation:21]. row is the row of the region where the search for
 *  free frames goes on, and so names the reserved tree. Every drain bumps the generation. */
#define LLFREE_RES_FREE_MASK UINT64_C(0xffff)
enum { LLFREE_RES_ROW_SHIFT = 16, LLFREE_RES_ROW_BITS = 26, LLFREE_RES_PRESENT_SHIFT = 42, LLFREE_RES_GEN_SHIFT = 43 };

/** Claim word: [mask:32][half row:24][generation:8]. Bit i of the mask = frame 32 * half row + i is taken in the
 *  bitfield, counted nowhere, and free for the next get of this slot. half row LLFREE_CLAIM_NONE = no claim. */
enum { LLFREE_CLAIM_HALF_SHIFT = 32, LLFREE_CLAIM_HALF_BITS = 24, LLFREE_CLAIM_GEN_SHIFT = 56 };
#define LLFREE_CLAIM_NONE UINT64_C(0xffffff) /**< no half row */

/** One per (CPU, class): slots[cpu * classes + class]. A cache line of its own. */
typedef struct llfree_slot {
	llfree_u64_cell reservation; /**< LLFREE_RES_* */
	llfree_u64_cell claim;       /**< LLFREE_CLAIM_* */
	llfree_u32_cell last_put;    /**< half row of the last put that missed the claim, plus one; a hint */
	uint32_t unused_[11];        /**< fills the cache line */
} llfree_slot;

enum {
	LLFREE_FLAG_EXACT = 1u << 0,  /**< no claim words */
	LLFREE_FLAG_DURABLE = 1u << 1 /**< rows, children and trees once more, as media have to show them */
};

/** Region header, at offset 0. Constant after init but for the cells. */
typedef struct llfree_header {
	uint64_t magic;              /**<   0 LLFREE_MAGIC */
	uint32_t version;            /**<   8 LLFREE_VERSION_LAYOUT */
	uint32_t header_bytes;       /**<  12 sizeof(llfree_header) */
	uint32_t frame_shift;        /**<  16 12 */
	uint32_t huge_order;         /**<  20 9 */
	uint32_t tree_huge;          /**<  24 huge frames per tree */
	uint32_t flags;              /**<  28 LLFREE_FLAG_* */
	uint64_t frames;             /**<  32 frames managed */
	uint64_t region_bytes;       /**<  40 the whole region */
	uint32_t cpus;               /**<  48 slots per class */
	uint32_t classes;            /**<  52 1..8 */
	uint64_t slots_offset;       /**<  56 */
	uint64_t trees_offset;       /**<  64 */
	uint64_t children_offset;    /**<  72 */
	uint64_t rows_offset;        /**<  80 */
	uint32_t reserve_min_frames; /**<  88 a tree with fewer free frames is reserved only when nothing better is left
				      */
	llfree_u32_cell generation;  /**<  92 bumped by init and recover */
	llfree_u32_cell clean;       /**<  96 1 after llfree_close(), 0 while in use */
	uint32_t unused0_;           /**< 100 */
	uint8_t rule[LLFREE_MAX_CLASSES][LLFREE_MAX_CLASSES]; /**< 104 the policy table */
	uint64_t durable_offset;     /**< 168 of the durable rows, children and trees; 0: none */
	uint8_t unused1_[16];        /**< 176 */
	llfree_u32_cell drain_epoch; /**< 192 bumped by every drain of all and every offline: handle owners poll it */
	uint8_t unused2_[60];        /**< 196 */
} llfree_header;

#ifdef __cplusplus
#define LLFREE_STATIC_ASSERT(c, t) static_assert(c, t)
#else
#define LLFREE_STATIC_ASSERT(c, t) _Static_assert(c, t)
#endif
LLFREE_STATIC_ASSERT(sizeof(llfree_header) == 256, "header layout");
LLFREE_STATIC_ASSERT(offsetof(llfree_header, rule) == 104, "header layout");
LLFREE_STATIC_ASSERT(offsetof(llfree_header, durable_offset) == 168, "header layout");
LLFREE_STATIC_ASSERT(offsetof(llfree_header, drain_epoch) == 192, "header layout");
LLFREE_STATIC_ASSERT(sizeof(llfree_slot) == LLFREE_CACHE_LINE, "a slot is one cache line");
LLFREE_STATIC_ASSERT((int)LLFREE_TREE_FRAMES <= (int)LLFREE_TREE_FREE_MASK, "tree counter too narrow");
LLFREE_STATIC_ASSERT((1u << LLFREE_TREE_ORDER) == LLFREE_TREE_FRAMES, "LLFREE_TREE_HUGE must be 1, 2, 4, 8, 16 or 32");

#endif
