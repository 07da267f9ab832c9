/* SPDX-License-Identifier: MIT
 *
 * Who holds which frame: the simulated page tables. A vCPU reaches a run only through its held entry, under the lock
 * of that entry; a table of owners leads from a frame back to the entry. Whoever moves a run (migration) locks its
 * entry, copies, and writes the new frame into it, as an operating system does with a page table entry.
 * The entries of a vCPU are added and removed by that vCPU alone. A fixed run has an owner that can't be moved. */
#ifndef HV_OWNERS_H
#define HV_OWNERS_H

#include "base/hv_base.h"

/** A run that a vCPU holds. */
typedef struct hv_held {
	_Atomic uint64_t word; /**< frame << 8 | locked << 7 | order */
	uint64_t key;          /**< what its pattern is made from; its vCPU's alone */
} hv_held;

typedef struct hv_run {
	uint64_t frame;
	unsigned order;
} hv_run;

typedef enum hv_owner_kind { HV_OWNER_NONE, HV_OWNER_MOVABLE, HV_OWNER_FIXED } hv_owner_kind;

typedef struct hv_owner {
	hv_owner_kind kind;
	uint32_t cpu_idx;  /**< movable: whose entry it is */
	uint64_t held_idx; /**< movable: which */
} hv_owner;

/** One word for each frame: the owner of the run that begins there. */
typedef struct hv_owners {
	_Atomic uint64_t *words;
	uint64_t frames;
} hv_owners;

HV_MUST_CHECK hv_err hv_owners_create(hv_owners *self, uint64_t frames);
void hv_owners_destroy(hv_owners *self);

void hv_owner_set(hv_owners *self, uint64_t frame, hv_owner owner);
/** A snapshot: it holds only while the entry that it names is locked and still has this frame. */
hv_owner hv_owner_of(const hv_owners *self, uint64_t frame);

/** A new entry, locked. */
void hv_held_init(hv_held *self, hv_run run);
/** Wait for the entry; short, since nobody sleeps with it locked. */
hv_run hv_held_lock(hv_held *self);
void hv_held_unlock(hv_held *self, hv_run run);

#endif
