/* SPDX-License-Identifier: GPL-2.0
 *
 * The guest's end of a ring in BAR 2, laid out as the split virtqueue of virtio; one element, one segment that the
 * host reads, is out at a time. Addresses are offsets in the room of the rings. */
#ifndef LG_RING_H
#define LG_RING_H

#include <linux/types.h>

struct lg_ring {
	u8 *base;    /* of that room */
	u64 address; /* of the ring */
	u32 size;    /* descriptors, a power of two */
	u16 available_idx, used_idx;
};

/* Bytes that a ring of this size takes. */
u64 lg_ring_bytes(u32 size);
void lg_ring_open(struct lg_ring *ring, u8 *base, u64 address, u32 size);
/* Go on with a ring that an earlier driver left. Returns false when an element of it is still out. */
bool lg_ring_resume(struct lg_ring *ring, u8 *base, u64 address, u32 size);
/* Offer bytes at an address; then ring the bell. */
void lg_ring_send(struct lg_ring *ring, u64 address, u32 bytes);
/* Has the host used an element that was not taken back? */
bool lg_ring_waiting(const struct lg_ring *ring);
/* Take it back. Returns false when there is none. */
bool lg_ring_used(struct lg_ring *ring);

#endif
