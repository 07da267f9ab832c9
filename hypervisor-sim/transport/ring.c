/* SPDX-License-Identifier: MIT
 *
 * Split rings; see ring.h. The index of the available ring is stored with release and loaded with acquire, so the host
 * sees the descriptors and buffers that were written before; the same for the used ring the other way. All other words
 * are relaxed atomics: a hostile guest may write them at any moment. */
#include "transport/ring.h"

#include <stdatomic.h>

/* A descriptor is two words: address; bytes, flags (16 bits), next (16 bits). A ring's header: flags, idx. */
enum { DESCRIPTOR_BYTES = 16, FLAGS_SHIFT = 32, NEXT_SHIFT = 48, IDX_OFFSET = 2, RING_OFFSET = 4, USED_BYTES = 8 };

static uint64_t available_offset(uint32_t size)
{
	return (uint64_t)size * DESCRIPTOR_BYTES;
}

static uint64_t used_offset(uint32_t size)
{
	return (available_offset(size) + RING_OFFSET + size * 2u + 3u) & ~UINT64_C(3);
}

uint64_t hv_ring_bytes(uint32_t size)
{
	return used_offset(size) + RING_OFFSET + (uint64_t)size * USED_BYTES;
}

static bool place_valid(hv_ring_memory memory, hv_ring_place place)
{
	return place.size > 0 && place.size <= HV_RING_SIZE_MAX && (place.size & (place.size - 1)) == 0 &&
	       place.address % DESCRIPTOR_BYTES == 0 && place.address < memory.bytes &&
	       hv_ring_bytes(place.size) <= memory.bytes - place.address;
}

static _Atomic uint64_t *word64(hv_ring_memory memory, uint64_t address)
{
	return (_Atomic uint64_t *)(void *)(memory.base + address);
}

static _Atomic uint32_t *word32(hv_ring_memory memory, uint64_t address)
{
	return (_Atomic uint32_t *)(void *)(memory.base + address);
}

static _Atomic uint16_t *word16(hv_ring_memory memory, uint64_t address)
{
	return (_Atomic uint16_t *)(void *)(memory.base + address);
}

static uint64_t available_slot(hv_ring_place place, uint16_t idx)
{
	return place.address + available_offset(place.size) + RING_OFFSET + (idx & (place.size - 1)) * 2u;
}

static uint64_t used_slot(hv_ring_place place, uint16_t idx)
{
	return place.address + used_offset(place.size) + RING_OFFSET + (idx & (place.size - 1)) * (uint64_t)USED_BYTES;
}

hv_err hv_ring_guest_open(hv_ring_guest *self, hv_ring_memory memory, hv_ring_place place)
{
	if (!place_valid(memory, place))
		return HV_ERR_INVAL;
	*self = (hv_ring_guest){ .memory = memory, .place = place, .n_free = (uint16_t)place.size };
	for (uint32_t idx = 0; idx < place.size; idx++)
		self->next[idx] = (uint16_t)(idx + 1);
	for (uint64_t at = 0; at < hv_ring_bytes(place.size); at += 4)
		atomic_store_explicit(word32(memory, place.address + at), 0, memory_order_relaxed);
	return HV_OK;
}

bool hv_ring_guest_add(hv_ring_guest *self, const hv_ring_segment *segments, unsigned n_read, unsigned n_write)
{
	unsigned n_segments = n_read + n_write;
	if (n_segments == 0 || n_segments > self->n_free)
		return false;
	uint16_t head = self->free_head, idx = head;
	for (unsigned at = 0; at < n_segments; at++) {
		uint64_t address = self->place.address + (uint64_t)idx * DESCRIPTOR_BYTES;
		uint64_t flags = (at + 1 < n_segments ? HV_RING_NEXT : 0u) | (at >= n_read ? HV_RING_WRITE : 0u);
		atomic_store_explicit(word64(self->memory, address), segments[at].address, memory_order_relaxed);
		atomic_store_explicit(word64(self->memory, address + 8),
				      segments[at].bytes | flags << FLAGS_SHIFT |
					      (uint64_t)self->next[idx] << NEXT_SHIFT,
				      memory_order_relaxed);
		idx = self->next[idx];
	}
	self->free_head = idx;
	self->n_free = (uint16_t)(self->n_free - n_segments);
	self->chain_count[head] = (uint16_t)n_segments;
	atomic_store_explicit(word16(self->memory, available_slot(self->place, self->available_idx)), head,
			      memory_order_relaxed);
	self->available_idx++;
	atomic_store_explicit(
		word16(self->memory, self->place.address + available_offset(self->place.size) + IDX_OFFSET),
		self->available_idx, memory_order_release);
	return true;
}

bool hv_ring_guest_used(hv_ring_guest *self, uint32_t *written_bytes)
{
	uint32_t head;
	return hv_ring_guest_take(self, written_bytes, &head);
}

bool hv_ring_guest_take(hv_ring_guest *self, uint32_t *written_bytes, uint32_t *taken_head)
{
	uint64_t header = self->place.address + used_offset(self->place.size);
	if (atomic_load_explicit(word16(self->memory, header + IDX_OFFSET), memory_order_acquire) == self->used_idx)
		return false;
	uint64_t slot = used_slot(self->place, self->used_idx++);
	uint32_t head = atomic_load_explicit(word32(self->memory, slot), memory_order_relaxed);
	*taken_head = head;
	*written_bytes = atomic_load_explicit(word32(self->memory, slot + 4), memory_order_relaxed);
	if (head >= self->place.size || self->chain_count[head] == 0)
		return true; /* not ours: a broken host */
	uint16_t last = (uint16_t)head;
	for (unsigned at = 1; at < self->chain_count[head]; at++)
		last = self->next[last];
	self->next[last] = self->free_head;
	self->free_head = (uint16_t)head;
	self->n_free = (uint16_t)(self->n_free + self->chain_count[head]);
	self->chain_count[head] = 0;
	return true;
}

hv_err hv_ring_host_open(hv_ring_host *self, hv_ring_memory memory, hv_ring_place place)
{
	if (!place_valid(memory, place))
		return HV_ERR_GUEST;
	*self = (hv_ring_host){ .memory = memory, .place = place };
	return HV_OK;
}

/* One descriptor, read once. @return false when it is nonsense */
static bool descriptor_read(const hv_ring_host *self, uint16_t idx, hv_ring_segment *segment, unsigned *flags,
			    uint16_t *next)
{
	uint64_t address = self->place.address + (uint64_t)idx * DESCRIPTOR_BYTES;
	uint64_t rest = atomic_load_explicit(word64(self->memory, address + 8), memory_order_relaxed);
	segment->address = atomic_load_explicit(word64(self->memory, address), memory_order_relaxed);
	segment->bytes = (uint32_t)rest;
	*flags = (unsigned)(rest >> FLAGS_SHIFT) & 0xffffu;
	*next = (uint16_t)(rest >> NEXT_SHIFT);
	return (*flags & ~(unsigned)(HV_RING_NEXT | HV_RING_WRITE)) == 0 && segment->bytes > 0 &&
	       segment->address < self->memory.bytes && segment->bytes <= self->memory.bytes - segment->address;
}

/* The chain from element->head on; its length is bounded, so a loop ends. */
static bool chain_read(const hv_ring_host *self, hv_ring_element *element)
{
	uint16_t idx = element->head;
	unsigned flags = HV_RING_NEXT;
	element->n_read = element->n_write = 0;
	for (unsigned at = 0; flags & HV_RING_NEXT; at++) {
		uint16_t next;
		if (at == HV_RING_SEGMENTS_MAX || idx >= self->place.size ||
		    !descriptor_read(self, idx, &element->segments[at], &flags, &next))
			return false;
		if (flags & HV_RING_WRITE)
			element->n_write++;
		else if (element->n_write > 0)
			return false; /* what is read comes first */
		else
			element->n_read++;
		idx = next;
	}
	return true;
}

hv_ring_pop hv_ring_host_pop(hv_ring_host *self, hv_ring_element *element)
{
	uint64_t header = self->place.address + available_offset(self->place.size);
	uint16_t idx = atomic_load_explicit(word16(self->memory, header + IDX_OFFSET), memory_order_acquire);
	uint16_t n_waiting = (uint16_t)(idx - self->available_idx);
	if (n_waiting == 0)
		return HV_RING_EMPTY;
	if (n_waiting > self->place.size)
		return HV_RING_NONSENSE;
	element->head = atomic_load_explicit(word16(self->memory, available_slot(self->place, self->available_idx)),
					     memory_order_relaxed);
	if (!chain_read(self, element))
		return HV_RING_NONSENSE;
	self->available_idx++;
	return HV_RING_ELEMENT;
}

void hv_ring_host_push(hv_ring_host *self, const hv_ring_element *element, uint32_t written_bytes)
{
	uint64_t slot = used_slot(self->place, self->used_idx++);
	atomic_store_explicit(word32(self->memory, slot), element->head, memory_order_relaxed);
	atomic_store_explicit(word32(self->memory, slot + 4), written_bytes, memory_order_relaxed);
	atomic_store_explicit(word16(self->memory, self->place.address + used_offset(self->place.size) + IDX_OFFSET),
			      self->used_idx, memory_order_release);
}

/* Words that lie aligned in the segment. */
static uint32_t segment_words(const hv_ring_segment *segment)
{
	return segment->address % 4 == 0 ? segment->bytes / 4 : 0;
}

uint32_t hv_ring_host_read(const hv_ring_host *self, const hv_ring_segment *segment, uint32_t *words,
			   uint32_t max_words)
{
	uint32_t n_words = segment_words(segment);
	if (n_words > max_words)
		n_words = max_words;
	for (uint32_t at = 0; at < n_words; at++)
		words[at] = atomic_load_explicit(word32(self->memory, segment->address + at * UINT64_C(4)),
						 memory_order_relaxed);
	return n_words;
}

uint32_t hv_ring_host_write(const hv_ring_host *self, const hv_ring_segment *segment, const uint32_t *words,
			    uint32_t n_words)
{
	if (n_words > segment_words(segment))
		n_words = segment_words(segment);
	for (uint32_t at = 0; at < n_words; at++)
		atomic_store_explicit(word32(self->memory, segment->address + at * UINT64_C(4)), words[at],
				      memory_order_relaxed);
	return n_words;
}
