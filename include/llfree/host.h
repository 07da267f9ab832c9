/* SPDX-License-Identifier: MIT
 *
 * The host's side of the shared allocator state (HyperAlloc, EuroSys'25): take free huge frames out of a guest's
 * allocator and put them back, without asking the guest. These functions change guest words only; memory, DMA and the
 * host's own record of each huge frame (R) are the monitor's business, in the order that docs/invariants.md gives.
 * The guest may write anything into the region at any time: every word is read once and checked, every retry is
 * bounded, an index from a guest word never leaves the region; nonsense gives LLFREE_ERR_CORRUPT. */
#ifndef LLFREE_HOST_H
#define LLFREE_HOST_H

#include <llfree/llfree.h>

LLFREE_BEGIN_DECLS

/** Soft reclaim: mark a free huge frame evicted. It stays allocatable; the get that takes it asks for an install.
 *  @return LLFREE_OK E went 0 -> 1: the memory may be discarded; LLFREE_ERR_STATE not free, already evicted, or in a
 *          tree that a CPU has reserved (it would be used next); LLFREE_ERR_INVAL.  Threads: any. Progress: bounded. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_reclaim_soft(const llfree_t *self, uint64_t huge_idx);

/** Hard reclaim: take a free huge frame away from the guest and mark it evicted. Takes 512 from the tree's counter, or
 *  from the reservation that holds it, or from both together.
 *  @param was_evicted  E before: if set the memory is gone already
 *  @return LLFREE_OK; LLFREE_ERR_STATE not free; LLFREE_ERR_OFFLINE; LLFREE_ERR_INVAL; LLFREE_ERR_CORRUPT */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_reclaim_hard(const llfree_t *self, uint64_t huge_idx, bool *was_evicted);

/** Return a hard-reclaimed huge frame to the guest: free again, still evicted.
 *  @return LLFREE_OK; LLFREE_ERR_STATE not taken and evicted; LLFREE_ERR_INVAL; LLFREE_ERR_CORRUPT.
 *  Only for a frame that the host's own record shows as hard-reclaimed: taken and evicted also describes a frame that
 *  a guest owns and has not installed yet. */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_return(const llfree_t *self, uint64_t huge_idx);

/** Last step of an install: E 1 -> 0, after the memory is populated and mapped.
 *  @return LLFREE_OK; LLFREE_ERR_STATE was not evicted (someone installed it: as good as OK); LLFREE_ERR_INVAL;
 *          LLFREE_ERR_CORRUPT the guest changed the word 512 times in between: ask again, or give up on it */
LLFREE_API LLFREE_MUST_CHECK llfree_err llfree_install(const llfree_t *self, uint64_t huge_idx);

/** Collect huge frames that are free, in ascending order, from huge frame *cursor on.
 *  @param skip_evicted   leave out those that are evicted already
 *  @param skip_reserved  leave out trees that a CPU has reserved
 *  @param cursor  in: where to begin; out: where to go on, llfree huge frame count at the end
 *  @return how many were written to huge_idx[0..max-1]. A snapshot: each may be gone when it is reclaimed. */
LLFREE_API size_t llfree_find_free_huge(const llfree_t *self, bool skip_evicted, bool skip_reserved, uint64_t *cursor,
					uint64_t *huge_idx, size_t max_huge);

LLFREE_END_DECLS
#endif
