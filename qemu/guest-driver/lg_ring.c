// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's end of a ring; see lg_ring.h. The index is published with release after descriptor and buffer.
 */
#include "lg_ring.h"

#include <asm/barrier.h>
#include <linux/compiler.h>
#include <linux/string.h>

enum { DESCRIPTOR_BYTES = 16, IDX_OFFSET = 2, ENTRY_OFFSET = 4, USED_BYTES = 8 };

static u64 available_offset(u32 size)
{
	return (u64)size * DESCRIPTOR_BYTES;
}

static u64 used_offset(u32 size)
{
	return (available_offset(size) + ENTRY_OFFSET + size * 2u + 3u) & ~3ull;
}

u64 lg_ring_bytes(u32 size)
{
	return used_offset(size) + ENTRY_OFFSET + (u64)size * USED_BYTES;
}

void lg_ring_open(struct lg_ring *ring, u8 *base, u64 address, u32 size)
{
	*ring = (struct lg_ring){ .base = base, .address = address, .size = size };
	memset(base + address, 0, lg_ring_bytes(size));
}

bool lg_ring_resume(struct lg_ring *ring, u8 *base, u64 address, u32 size)
{
	u8 *start = base + address;

	*ring = (struct lg_ring){ .base = base, .address = address, .size = size };
	ring->available_idx = READ_ONCE(*(u16 *)(start + available_offset(size) + IDX_OFFSET));
	ring->used_idx = READ_ONCE(*(u16 *)(start + used_offset(size) + IDX_OFFSET));
	return ring->available_idx == ring->used_idx;
}

void lg_ring_send(struct lg_ring *ring, u64 address, u32 bytes)
{
	u8 *start = ring->base + ring->address, *available = start + available_offset(ring->size);
	u32 slot = ring->available_idx & (ring->size - 1);
	u64 *descriptor = (u64 *)(start + (u64)slot * DESCRIPTOR_BYTES);

	WRITE_ONCE(descriptor[0], address);
	WRITE_ONCE(descriptor[1], (u64)bytes); /* no flags: the host reads it, nothing follows */
	WRITE_ONCE(*(u16 *)(available + ENTRY_OFFSET + slot * 2u), (u16)slot);
	ring->available_idx++;
	smp_store_release((u16 *)(available + IDX_OFFSET), ring->available_idx);
}

bool lg_ring_waiting(const struct lg_ring *ring)
{
	const u16 *idx = (const u16 *)(ring->base + ring->address + used_offset(ring->size) + IDX_OFFSET);

	return smp_load_acquire(idx) != ring->used_idx;
}

bool lg_ring_used(struct lg_ring *ring)
{
	if (!lg_ring_waiting(ring))
		return false;
	ring->used_idx++;
	return true;
}
