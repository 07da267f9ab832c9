/* SPDX-License-Identifier: MIT
 *
 * A buddy allocator as Linux builds it: one zone lock over free lists of orders 0..10 that split and merge, and lists
 * per CPU for small orders and for huge frames that are refilled and emptied in batches. No migrate types.
 * Works on frame numbers in metadata memory of the caller (12 bytes per frame); it never touches the frames.
 * All functions but buddy_init may run on any thread at the same time; they block on spin locks. */
#ifndef BUDDY_H
#define BUDDY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BUDDY_MAX_ORDER = 10,
	BUDDY_CPU_ORDERS = 5,  /* per-CPU lists: orders 0..3 and 9 */
	BUDDY_BATCH = 63,      /* frames that a per-CPU list takes from the zone, or gives back, at once */
	BUDDY_CPU_MAX = 6 * 63 /* frames that a per-CPU list holds before it gives a batch back */
};
#define BUDDY_NONE UINT32_MAX

/** One per frame. tag: 0 taken or inside a block; else the head of a block that is free (and maybe reported to a host)
 *  or in a per-CPU list. */
typedef struct buddy_frame {
	uint32_t next, prev;
	uint16_t tag;
} buddy_frame;

typedef struct buddy_list {
	uint32_t head, tail, blocks;
} buddy_list;

typedef struct buddy_cpu {
	_Alignas(64) uint32_t lock;
	buddy_list lists[BUDDY_CPU_ORDERS];
} buddy_cpu;

typedef struct buddy {
	_Alignas(64) uint32_t lock;
	uint64_t free_frames; /* in the zone's lists */
	buddy_list lists[BUDDY_MAX_ORDER + 1];
	uint32_t freed_order; /* BUDDY_NONE: nobody wants to know */
	void (*freed)(void *context);
	void *freed_context;
	_Alignas(64) buddy_frame *table;
	buddy_cpu *per_cpu;
	uint64_t frames;
	uint32_t cpus;
} buddy;

/** Bytes of metadata for this many frames (1..2^32-2) and CPUs (at least 1); 0 when out of range. */
size_t buddy_metadata_bytes(uint64_t frames, uint32_t cpus);
/** All frames free. metadata: 64-byte aligned, buddy_metadata_bytes(). @return false on a bad argument. */
bool buddy_init(buddy *self, uint64_t frames, uint32_t cpus, void *metadata, size_t metadata_bytes);

/** Get a run of 2^order frames. cpu wraps. When the zone is empty the per-CPU lists are drained first.
 *  @return false: out of memory, or order above BUDDY_MAX_ORDER */
bool buddy_get(buddy *self, uint32_t cpu, uint32_t order, uint64_t *frame);
/** Get exactly this run out of the zone's free lists (isolate). @return false: not wholly free there; a run that lies
 *  in a per-CPU list needs buddy_drain() first. */
bool buddy_get_at(buddy *self, uint32_t order, uint64_t frame);
/** Put a run, or an aligned part of a larger one. @return false: out of range, misaligned, or the head of a free run */
bool buddy_put(buddy *self, uint32_t cpu, uint32_t order, uint64_t frame);

/** Give the lists of all CPUs back to the zone. */
void buddy_drain(buddy *self);
/** The next free block of at least min_order at or after *cursor, in the zone's lists: sets frame and order, and moves
 *  *cursor behind it. A snapshot: isolate it with buddy_get_at(). @return false at the end. */
bool buddy_next_free(buddy *self, uint32_t min_order, uint64_t *cursor, uint64_t *frame, uint32_t *order);
/** The same, but passes over blocks that are marked reported. */
bool buddy_next_unreported(buddy *self, uint32_t min_order, uint64_t *cursor, uint64_t *frame, uint32_t *order);
/** Put back a run that was isolated, and mark it reported. The mark goes when the block is taken, split or merged, also
 *  when it merges right here. */
void buddy_put_reported(buddy *self, uint32_t order, uint64_t frame);
/** Have freed() called, with the zone locked, whenever a put leads to a free block of at least min_order. It must not
 *  call back. NULL: no more. */
void buddy_on_freed(buddy *self, uint32_t min_order, void (*freed)(void *context), void *context);
/** Free frames, those in per-CPU lists included. A snapshot. */
uint64_t buddy_free_frames(buddy *self);
/** Huge frames (512 frames) that lie in free blocks of the zone. */
uint64_t buddy_free_huge(buddy *self);
/** The frame lies in a free block or in a per-CPU list. A snapshot. */
bool buddy_is_free(buddy *self, uint64_t frame);

#endif
