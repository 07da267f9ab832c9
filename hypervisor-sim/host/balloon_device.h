/* SPDX-License-Identifier: MIT
 *
 * The host's side of a balloon: discards what the driver names, each run by a call of its own, and forgets it when the
 * driver takes it back. What is in the balloon stands in the ledger. */
#ifndef HV_BALLOON_DEVICE_H
#define HV_BALLOON_DEVICE_H

#include "host/channel_service.h"

/** Serve an element of a balloon whose runs have this order; see hv_element_fn. */
HV_MUST_CHECK hv_err hv_balloon_element(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element,
					unsigned order);

/** Where a run that the guest names lies in host->memory. @return false: nowhere */
typedef bool (*hv_balloon_place_fn)(hv_host *host, uint64_t guest_frame, uint64_t n_frames, uint64_t *frame);
/** The same for a guest whose frame numbers are not those of the memory. place NULL: they are. */
HV_MUST_CHECK hv_err hv_balloon_element_at(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element,
					   unsigned order, hv_balloon_place_fn place);

/** As hv_host_half.shrink and grow: set the balloon so that the guest has the limit. */
HV_MUST_CHECK hv_err hv_balloon_shrink(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes);
HV_MUST_CHECK hv_err hv_balloon_grow(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes);

#endif
