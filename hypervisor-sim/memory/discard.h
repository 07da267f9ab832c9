/* SPDX-License-Identifier: MIT
 *
 * Discards: huge frames go back to the kernel, many with one call. The cost is the TLB flush, paid once a call: so
 * vectored process_madvise() on ourselves, at most 1024 ranges, resumed after a short byte count; where the kernel is
 * older, plain madvise() over coalesced neighbours. Which way was used belongs into every result (H5). */
#ifndef HV_DISCARD_H
#define HV_DISCARD_H

#include "memory/hv_memory.h"

typedef enum hv_discard_way {
	HV_DISCARD_VECTORED,  /**< process_madvise(): one call for a batch of ranges anywhere */
	HV_DISCARD_COALESCED, /**< madvise(): one call for each run of neighbours */
	HV_DISCARD_SINGLE     /**< madvise(): one call for each huge frame */
} hv_discard_way;

enum { HV_DISCARD_MAX = 1024 /**< ranges that one process_madvise() takes (IOV_MAX) */ };

typedef struct hv_discarder {
	hv_discard_way way;
	int pidfd;        /**< our own process, for the vectored way */
	bool pidfd_owned; /**< opened here, to be closed */
} hv_discarder;

/** Probe once what the kernel can. A vectored way that the kernel refuses becomes coalesced: see self->way. */
void hv_discarder_open(hv_discarder *self, hv_discard_way wanted);
void hv_discarder_close(hv_discarder *self);
const char *hv_discard_way_text(hv_discard_way way);

/** Discard these huge frames, best in ascending order (neighbours become one range).
 *  @param failed  set per frame, failed[0..n_huge-1]: the kernel refused it, it may be resident still
 *  @param calls   system calls made, added up; may be NULL
 *  @return HV_OK; HV_ERR_DISCARD some failed (errno of the last); HV_ERR_INVAL more than HV_DISCARD_MAX */
HV_MUST_CHECK hv_err hv_discard(const hv_discarder *self, const hv_memory *memory, const uint64_t *huge_idx,
				size_t n_huge, bool *failed, uint64_t *calls);

/** Discard a run of 4 KiB frames by one plain call; a backing huge page gets split. Where base pages are larger only
 *  those that lie in the run as a whole: the rest stays.
 *  @param calls  as above  @return HV_OK; HV_ERR_DISCARD (errno) */
HV_MUST_CHECK hv_err hv_discard_frames(const hv_memory *memory, uint64_t first_frame, uint64_t n_frames,
				       uint64_t *calls);

#endif
