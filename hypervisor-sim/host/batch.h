/* SPDX-License-Identifier: MIT
 *
 * A batch: huge frames that are busy, already marked evicted, and wait for one common discard. One thread fills and
 * issues it; any other may withdraw a soft frame that is not issued yet, because a guest wants it now, and then owns
 * the transition of that frame. Without this a late discard would eat what the guest wrote (H1). Lock-free. */
#ifndef HV_BATCH_H
#define HV_BATCH_H

#include "host/frames.h"
#include "memory/discard.h"

typedef struct hv_batch {
	_Atomic uint64_t entries[HV_DISCARD_MAX];
	_Atomic uint32_t n_entries; /**< filled so far, withdrawn ones included */
} hv_batch;

void hv_batch_init(hv_batch *self);

/** Add a busy frame of the caller that shall become soft or hard. The filling thread only; the batch must not be full.
 */
void hv_batch_add(hv_batch *self, uint64_t huge_idx, hv_r to);
uint32_t hv_batch_count(const hv_batch *self);

/** Take a frame that shall become soft out of the batch. Any thread.
 *  @return true: the caller owns its transition, and its memory is untouched; false: not in here, or being discarded */
HV_MUST_CHECK bool hv_batch_withdraw(hv_batch *self, uint64_t huge_idx);

/** Claim all that is left for the discard, in the order added, and empty the batch. The filling thread only.
 *  From here on nothing can be withdrawn; the caller discards and ends each transition.
 *  @param huge_idx, to  arrays of HV_DISCARD_MAX   @return how many */
size_t hv_batch_take(hv_batch *self, uint64_t *huge_idx, hv_r *to);

#endif
