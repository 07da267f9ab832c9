/* SPDX-License-Identifier: MIT
 *
 * A ring: how a guest's driver hands buffers to its host, laid out as the split virtqueue of virtio (descriptor table,
 * available ring, used ring, little-endian) in guest memory that any guest code can write. Addresses are guest
 * physical. The host keeps what it needs in memory of its own, reads each shared word once, checks it before use, and
 * copies payload out before it looks at it; nonsense is told to the caller, who stops the VM (H4). One thread at each
 * end. Not here: indirect descriptors and notification suppression, which the drivers of this simulator do not
 * negotiate. */
#ifndef HV_RING_H
#define HV_RING_H

#include "base/hv_base.h"

enum {
	HV_RING_SIZE_MAX = 1024,   /**< descriptors; a power of two */
	HV_RING_SEGMENTS_MAX = 64, /**< of one element */
	HV_RING_NEXT = 1,          /**< descriptor flag: the chain goes on */
	HV_RING_WRITE = 2          /**< descriptor flag: the host writes this buffer */
};

/** The memory that ring and buffers lie in, as the caller of either end has it mapped. */
typedef struct hv_ring_memory {
	uint8_t *base;
	uint64_t bytes;
} hv_ring_memory;

typedef struct hv_ring_place {
	uint64_t address; /**< of the ring, 16-byte aligned */
	uint32_t size;    /**< descriptors */
} hv_ring_place;

/** Bytes that a ring of this size takes. */
uint64_t hv_ring_bytes(uint32_t size);

typedef struct hv_ring_segment {
	uint64_t address;
	uint32_t bytes;
} hv_ring_segment;

/** The guest's end; private to the driver. */
typedef struct hv_ring_guest {
	hv_ring_memory memory;
	hv_ring_place place;
	uint16_t available_idx, used_idx, free_head, n_free;
	uint16_t next[HV_RING_SIZE_MAX]; /**< of a chain, or of the free descriptors */
	uint16_t chain_count[HV_RING_SIZE_MAX];
} hv_ring_guest;

/** Make an empty ring; the memory at the place must be the driver's. */
HV_MUST_CHECK hv_err hv_ring_guest_open(hv_ring_guest *self, hv_ring_memory memory, hv_ring_place place);
/** Offer an element: first the segments that the host reads, then those that it writes. Publish, then ring the bell.
 *  @return false when too few descriptors are free */
HV_MUST_CHECK bool hv_ring_guest_add(hv_ring_guest *self, const hv_ring_segment *segments, unsigned n_read,
				     unsigned n_write);
/** Take back one element that the host has used. @param written_bytes  as the host says
 *  @return false when there is none */
HV_MUST_CHECK bool hv_ring_guest_used(hv_ring_guest *self, uint32_t *written_bytes);
/** The same, where several elements are out: head, the first descriptor of the element, was free_head when it was
 *  added. A head that is not out is a broken host's. */
HV_MUST_CHECK bool hv_ring_guest_take(hv_ring_guest *self, uint32_t *written_bytes, uint32_t *head);

typedef struct hv_ring_element {
	uint16_t head;
	unsigned n_read, n_write;
	hv_ring_segment segments[HV_RING_SEGMENTS_MAX]; /**< those to read first */
} hv_ring_element;

typedef enum hv_ring_pop {
	HV_RING_EMPTY,
	HV_RING_ELEMENT,
	HV_RING_NONSENSE /**< an index or descriptor that no driver would write */
} hv_ring_pop;

/** The host's end; private to the host. */
typedef struct hv_ring_host {
	hv_ring_memory memory;
	hv_ring_place place;
	uint16_t available_idx, used_idx;
} hv_ring_host;

/** @return HV_OK; HV_ERR_GUEST the place is misaligned, of a bad size or beyond the memory */
HV_MUST_CHECK hv_err hv_ring_host_open(hv_ring_host *self, hv_ring_memory memory, hv_ring_place place);
/** Take the next element; its segments lie in the memory. */
HV_MUST_CHECK hv_ring_pop hv_ring_host_pop(hv_ring_host *self, hv_ring_element *element);
/** Give an element back as used; then ring the bell. */
void hv_ring_host_push(hv_ring_host *self, const hv_ring_element *element, uint32_t written_bytes);
/** Copy 32-bit words out of a segment, each read once. @return how many: at most max_words, what the segment holds */
uint32_t hv_ring_host_read(const hv_ring_host *self, const hv_ring_segment *segment, uint32_t *words,
			   uint32_t max_words);
/** Copy words into a segment. @return how many */
uint32_t hv_ring_host_write(const hv_ring_host *self, const hv_ring_segment *segment, const uint32_t *words,
			    uint32_t n_words);

#endif
