/* SPDX-License-Identifier: MIT
 *
 * Bad rings: descriptors, indices and requests that no driver would write, and some that one could at another time. */
#include "guest/attacker_words.h"

enum { DESCRIPTOR_BYTES = 16 };

typedef struct ring_view {
	unsigned idx;
	uint32_t size;
	uint8_t *descriptors, *available, *used;
} ring_view;

static ring_view any_ring(hv_attacker *self)
{
	unsigned idx = (unsigned)hv_attack_below(self, self->n_rings);
	hv_ring_place place = self->vm->driver->rings[idx].place;
	uint8_t *base = self->vm->memory.base + place.address;
	uint64_t available_bytes = 4 + place.size * UINT64_C(2);
	return (ring_view){ idx, place.size, base, base + place.size * DESCRIPTOR_BYTES,
			    base + place.size * DESCRIPTOR_BYTES + (available_bytes + 3) / 4 * 4 };
}

/* Offer a chain that begins at head, as a driver would. */
static void ring_post(hv_attacker *self, const ring_view *ring, uint64_t head)
{
	uint16_t idx = (uint16_t)hv_attack_load(ring->available + 2, 2);
	hv_attack_store(ring->available + 4 + idx % ring->size * 2, head, 2);
	hv_attack_store(ring->available + 2, idx + 1u, 2);
	hv_bell_ring(self->channel->to_host[ring->idx]);
}

/* A descriptor that could be a driver's, for a request that could be a driver's: numbers or a block. */
static uint8_t *descriptor_good(hv_attacker *self, const ring_view *ring, uint64_t at)
{
	uint8_t *descriptor = ring->descriptors + at * DESCRIPTOR_BYTES;
	bool block = self->vm->config.tuning.reports;
	uint64_t address = self->vm->driver->buffer_address;
	if (block)
		address = hv_attack_below(self, self->vm->memory.huge_count) * HV_HUGE_BYTES;
	hv_attack_store(descriptor, address, 8);
	hv_attack_store(descriptor + 8, block ? HV_HUGE_BYTES : 4 * (1 + hv_attack_below(self, 8)), 4);
	hv_attack_store(descriptor + 12, block ? HV_RING_WRITE : 0, 2);
	return descriptor;
}

/* One descriptor with one field spoilt, offered. */
static void descriptor_field(hv_attacker *self, unsigned offset, unsigned bytes)
{
	ring_view ring = any_ring(self);
	uint64_t head = hv_attack_below(self, ring.size);
	hv_attack_spoil(self, descriptor_good(self, &ring, head) + offset, bytes);
	ring_post(self, &ring, head);
}

void hv_attack_ring_descriptor_address(hv_attacker *self)
{
	descriptor_field(self, 0, 8);
}

void hv_attack_ring_descriptor_length(hv_attacker *self)
{
	descriptor_field(self, 8, 4);
}

void hv_attack_ring_descriptor_flags(hv_attacker *self)
{
	descriptor_field(self, 12, 2);
}

void hv_attack_ring_descriptor_next(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	uint64_t head = hv_attack_below(self, ring.size);
	uint8_t *descriptor = descriptor_good(self, &ring, head);
	hv_attack_store(descriptor + 12, hv_attack_load(descriptor + 12, 2) | HV_RING_NEXT, 2);
	hv_attack_spoil(self, descriptor + 14, 2);
	ring_post(self, &ring, head);
}

void hv_attack_ring_descriptor_loop(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	uint64_t head = hv_attack_below(self, ring.size), n_steps = 1 + hv_attack_below(self, ring.size);
	for (uint64_t at = 0; at < n_steps; at++) {
		uint8_t *descriptor = descriptor_good(self, &ring, (head + at) % ring.size);
		hv_attack_store(descriptor + 12, hv_attack_load(descriptor + 12, 2) | HV_RING_NEXT, 2);
		hv_attack_store(descriptor + 14, at + 1 < n_steps ? (head + at + 1) % ring.size : head, 2);
	}
	ring_post(self, &ring, head);
}

void hv_attack_ring_available_idx(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	hv_attack_spoil(self, ring.available + 2, 2);
	hv_bell_ring(self->channel->to_host[ring.idx]);
}

void hv_attack_ring_available_head(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	ring_post(self, &ring, hv_attack_word(self, hv_attack_below(self, ring.size)));
}

void hv_attack_ring_used_words(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	hv_attack_spoil_some(self, ring.used, 1 + ring.size * 2, 4);
}

void hv_attack_ring_ring_anywhere(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	hv_attack_spoil_some(self, ring.descriptors, hv_ring_bytes(ring.size) / 4, 4);
	hv_bell_ring(self->channel->to_host[ring.idx]);
}

/* A request that is well formed and asks for what the guest may not have: twice, beyond, what it never gave. */
void hv_attack_ring_ring_payload(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	uint64_t frames = self->vm->memory.huge_count * HV_HUGE_FRAMES;
	uint8_t *buffer = (uint8_t *)hv_driver_buffer(self->vm->driver);
	uint64_t head = hv_attack_below(self, ring.size);
	descriptor_good(self, &ring, head);
	for (unsigned at = 0; at < 8; at++)
		hv_attack_store(buffer + at * 4,
				hv_attack_below(self, 4) != 0
					? hv_attack_below(self, frames + 8) & ~hv_attack_below(self, HV_HUGE_FRAMES)
					: hv_attack_word(self, at),
				4);
	ring_post(self, &ring, head);
}
