/* SPDX-License-Identifier: MIT
 *
 * The hostile guest; see attacker.h. Words that mean something are worse than noise: half of what is written is a
 * plausible state at the wrong time. */
#define _GNU_SOURCE
#include "guest/attacker.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

enum { FLOOD = 1000, SCRIBBLE = 64, DESCRIPTOR_BYTES = 16 };

/* Thread sanitizers are not told: the host must cope with what no driver would write, while it reads. */
__attribute__((no_sanitize("thread"))) static void store(void *at, uint64_t value, unsigned bytes)
{
	switch (bytes) {
	case 2:
		*(volatile uint16_t *)at = (uint16_t)value;
		break;
	case 4:
		*(volatile uint32_t *)at = (uint32_t)value;
		break;
	default:
		*(volatile uint64_t *)at = value;
	}
}

__attribute__((no_sanitize("thread"))) static uint64_t load(const void *at, unsigned bytes)
{
	return bytes == 2   ? *(const volatile uint16_t *)at
	       : bytes == 4 ? *(const volatile uint32_t *)at
			    : *(const volatile uint64_t *)at;
}

static uint64_t below(hv_attacker *self, uint64_t n)
{
	return hv_random(&self->random) % n;
}

/* What to write where a word of this value stands now. */
static uint64_t bad_word(hv_attacker *self, uint64_t now)
{
	static const uint64_t states[] = { 0,
					   UINT64_MAX,
					   0x4000400040004000,
					   0x8200820082008200,
					   0xc000c000c000c000,
					   0x0200020002000200,
					   0x2000100020001000,
					   0x60007fff60007fff,
					   0x000007ffffffffff,
					   0x8000000080000000 };
	switch (below(self, 5)) {
	case 0:
		return now ^ UINT64_C(1) << below(self, 64);
	case 1:
		return now + (below(self, 2) != 0 ? 1 : UINT64_MAX);
	case 2:
		return states[below(self, sizeof(states) / sizeof(states[0]))];
	case 3:
		return hv_random(&self->random) >> below(self, 64);
	default:
		return hv_random(&self->random);
	}
}

static void spoil(hv_attacker *self, void *at, unsigned bytes)
{
	store(at, bad_word(self, load(at, bytes)), bytes);
}

/* Some of n_cells cells of an array. */
static void spoil_some(hv_attacker *self, void *cells, uint64_t n_cells, unsigned bytes)
{
	for (uint64_t left = 1 + below(self, SCRIBBLE); left > 0; left--)
		spoil(self, (uint8_t *)cells + below(self, n_cells) * bytes, bytes);
}

/* The shared region */

static void region_header(hv_attacker *self)
{
	spoil_some(self, self->vm->arena.region, sizeof(llfree_header) / 8, 8);
}

static void region_slots(hv_attacker *self)
{
	const llfree_t *view = &self->vm->arena.allocator;
	spoil_some(self, view->slots, (uint64_t)view->cpus * view->classes * (sizeof(llfree_slot) / 8), 8);
}

static void region_trees(hv_attacker *self)
{
	spoil_some(self, self->vm->arena.allocator.trees, self->vm->arena.allocator.n_trees, 4);
}

static void region_children(hv_attacker *self)
{
	spoil_some(self, self->vm->arena.allocator.children, self->vm->arena.allocator.n_children, 2);
}

static void region_rows(hv_attacker *self)
{
	spoil_some(self, self->vm->arena.allocator.rows, self->vm->arena.allocator.n_rows, 8);
}

static void region_anywhere(hv_attacker *self)
{
	spoil_some(self, self->vm->arena.region, self->vm->arena.region_bytes / 8, 8);
}

/* Install ports */

uint32_t hv_attacker_request(hv_attacker *self, uint32_t port_idx, uint64_t huge_idx)
{
	hv_ports *ports = self->vm->ports;
	uint32_t sequence = (uint32_t)below(self, 0xffffff) + 1;
	huge_idx &= (UINT64_C(1) << HV_PORT_IDX_BITS) - 1;
	atomic_store_explicit(&ports->ports[port_idx].request, (uint64_t)sequence << HV_PORT_IDX_BITS | huge_idx,
			      memory_order_release);
	hv_ports_ring(ports);
	return sequence;
}

static uint32_t any_port(hv_attacker *self)
{
	return (uint32_t)below(self, self->vm->config.n_vcpus);
}

static void port_beyond(hv_attacker *self)
{
	uint64_t huge_count = self->vm->memory.huge_count;
	uint64_t beyond = below(self, 2) != 0 ? below(self, 4) : hv_random(&self->random) >> 24;
	hv_attacker_request(self, any_port(self), huge_count + beyond);
}

static void port_any_frame(hv_attacker *self)
{
	hv_attacker_request(self, any_port(self), below(self, self->vm->memory.huge_count));
}

static void port_flood(hv_attacker *self)
{
	for (unsigned at = 0; at < FLOOD; at++)
		port_any_frame(self);
}

static void port_answer(hv_attacker *self)
{
	hv_port *port = &self->vm->ports->ports[any_port(self)];
	port_any_frame(self);
	atomic_store(&port->answer, (uint32_t)hv_random(&self->random));
}

static void port_words(hv_attacker *self)
{
	spoil_some(self, self->vm->ports, (sizeof(hv_ports) + self->vm->config.n_vcpus * sizeof(hv_port)) / 8, 8);
	hv_ports_ring(self->vm->ports);
}

static void port_bell(hv_attacker *self)
{
	spoil(self, &self->vm->ports->bell, 4);
}

/* Registers: those of the host as well */

static void registers_target(hv_attacker *self)
{
	hv_channel_registers *registers = self->channel->registers;
	spoil(self, &registers->target_bytes, 8);
	spoil(self, &registers->target_number, 4);
	spoil(self, &registers->reporting, 4);
	hv_driver_wake(self->vm->driver);
}

static void registers_settled(hv_attacker *self)
{
	hv_channel_registers *registers = self->channel->registers;
	bool ahead = below(self, 2) != 0;
	if (ahead) /* the target that stands, whatever it is */
		store(&registers->settled_number, load(&registers->target_number, 4), 4);
	else
		spoil(self, &registers->settled_number, 4);
	hv_bell_ring(self->channel->changed_by_guest);
}

static void registers_pass(hv_attacker *self)
{
	spoil(self, &self->channel->registers->pass_number, 4);
	hv_bell_ring(self->channel->changed_by_guest);
}

static void registers_rings(hv_attacker *self)
{
	hv_channel_registers *registers = self->channel->registers;
	unsigned idx = (unsigned)below(self, HV_CHANNEL_RINGS_MAX);
	spoil(self, &registers->rings[idx].address, 8);
	spoil(self, &registers->rings[idx].size, 4);
	spoil(self, &registers->ready, 4);
	hv_bell_ring(self->channel->changed_by_guest);
}

/* Rings */

typedef struct ring_view {
	unsigned idx;
	uint32_t size;
	uint8_t *descriptors, *available, *used;
} ring_view;

static ring_view any_ring(hv_attacker *self)
{
	unsigned idx = (unsigned)below(self, self->n_rings);
	hv_ring_place place = self->vm->driver->rings[idx].place;
	uint8_t *base = self->vm->memory.base + place.address;
	uint64_t available_bytes = 4 + place.size * UINT64_C(2);
	return (ring_view){ idx, place.size, base, base + place.size * DESCRIPTOR_BYTES,
			    base + place.size * DESCRIPTOR_BYTES + (available_bytes + 3) / 4 * 4 };
}

/* Offer a chain that begins at head, as a driver would. */
static void ring_post(hv_attacker *self, const ring_view *ring, uint64_t head)
{
	uint16_t idx = (uint16_t)load(ring->available + 2, 2);
	store(ring->available + 4 + idx % ring->size * 2, head, 2);
	store(ring->available + 2, idx + 1u, 2);
	hv_bell_ring(self->channel->to_host[ring->idx]);
}

/* A descriptor that could be a driver's, for a request that could be a driver's: numbers or a block. */
static uint8_t *descriptor_good(hv_attacker *self, const ring_view *ring, uint64_t at)
{
	uint8_t *descriptor = ring->descriptors + at * DESCRIPTOR_BYTES;
	bool block = self->vm->config.tuning.reports;
	uint64_t address = self->vm->driver->buffer_address;
	if (block)
		address = below(self, self->vm->memory.huge_count) * HV_HUGE_BYTES;
	store(descriptor, address, 8);
	store(descriptor + 8, block ? HV_HUGE_BYTES : 4 * (1 + below(self, 8)), 4);
	store(descriptor + 12, block ? HV_RING_WRITE : 0, 2);
	return descriptor;
}

/* One descriptor with one field spoilt, offered. */
static void descriptor_field(hv_attacker *self, unsigned offset, unsigned bytes)
{
	ring_view ring = any_ring(self);
	uint64_t head = below(self, ring.size);
	spoil(self, descriptor_good(self, &ring, head) + offset, bytes);
	ring_post(self, &ring, head);
}

static void descriptor_address(hv_attacker *self)
{
	descriptor_field(self, 0, 8);
}

static void descriptor_length(hv_attacker *self)
{
	descriptor_field(self, 8, 4);
}

static void descriptor_flags(hv_attacker *self)
{
	descriptor_field(self, 12, 2);
}

static void descriptor_next(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	uint64_t head = below(self, ring.size);
	uint8_t *descriptor = descriptor_good(self, &ring, head);
	store(descriptor + 12, load(descriptor + 12, 2) | HV_RING_NEXT, 2);
	spoil(self, descriptor + 14, 2);
	ring_post(self, &ring, head);
}

static void descriptor_loop(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	uint64_t head = below(self, ring.size), n_steps = 1 + below(self, ring.size);
	for (uint64_t at = 0; at < n_steps; at++) {
		uint8_t *descriptor = descriptor_good(self, &ring, (head + at) % ring.size);
		store(descriptor + 12, load(descriptor + 12, 2) | HV_RING_NEXT, 2);
		store(descriptor + 14, at + 1 < n_steps ? (head + at + 1) % ring.size : head, 2);
	}
	ring_post(self, &ring, head);
}

static void available_idx(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	spoil(self, ring.available + 2, 2);
	hv_bell_ring(self->channel->to_host[ring.idx]);
}

static void available_head(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	ring_post(self, &ring, bad_word(self, below(self, ring.size)));
}

static void used_words(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	spoil_some(self, ring.used, 1 + ring.size * 2, 4);
}

static void ring_anywhere(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	spoil_some(self, ring.descriptors, hv_ring_bytes(ring.size) / 4, 4);
	hv_bell_ring(self->channel->to_host[ring.idx]);
}

/* A request that is well formed and asks for what the guest may not have: twice, beyond, what it never gave. */
static void ring_payload(hv_attacker *self)
{
	ring_view ring = any_ring(self);
	uint64_t frames = self->vm->memory.huge_count * HV_HUGE_FRAMES;
	uint8_t *buffer = (uint8_t *)hv_driver_buffer(self->vm->driver);
	uint64_t head = below(self, ring.size);
	descriptor_good(self, &ring, head);
	for (unsigned at = 0; at < 8; at++)
		store(buffer + at * 4,
		      below(self, 4) != 0 ? below(self, frames + 8) & ~below(self, HV_HUGE_FRAMES) : bad_word(self, at),
		      4);
	ring_post(self, &ring, head);
}

/* Doorbells */

static void bells_all(const hv_attacker *self, void (*each)(int bell))
{
	for (unsigned idx = 0; idx < HV_CHANNEL_RINGS_MAX; idx++)
		each(self->channel->to_host[idx]);
	each(self->channel->changed_by_guest);
}

static void bell_flood(int bell)
{
	for (unsigned at = 0; at < FLOOD / 10; at++)
		hv_bell_ring(bell);
}

/* The counter stands just below its end: the next ring of anybody finds no room. */
static void bell_saturate(int bell)
{
	uint64_t most = UINT64_MAX - 1;
	hv_bell_clear(bell);
	if (write(bell, &most, sizeof(most)) < 0)
		return; /* somebody rang in between */
}

static void bells_without_work(hv_attacker *self)
{
	bells_all(self, hv_bell_ring);
}

static void bells_flooded(hv_attacker *self)
{
	bells_all(self, bell_flood);
}

static void bells_saturated(hv_attacker *self)
{
	bells_all(self, bell_saturate);
}

static void bells_silenced(hv_attacker *self)
{
	bells_all(self, hv_bell_clear);
}

/* Whether a read waits is a property of all who share the counter: the host finds it ready, then empty. */
static void bell_block(int bell)
{
	int flags = fcntl(bell, F_GETFL);
	if (flags >= 0 && fcntl(bell, F_SETFL, flags & ~O_NONBLOCK) == 0)
		hv_bell_ring(bell);
	hv_bell_clear(bell);
}

static void bells_blocking(hv_attacker *self)
{
	bells_all(self, bell_block);
}

/* A driver that never answers again. */
static void driver_parked(hv_attacker *self)
{
	if (!self->parked)
		hv_driver_stop(self->vm->driver);
	self->parked = true;
}

const hv_attack_kind hv_attack_kinds[] = {
	{ "region: header", HV_ATTACK_SHARED, region_header },
	{ "region: slots", HV_ATTACK_SHARED, region_slots },
	{ "region: trees", HV_ATTACK_SHARED, region_trees },
	{ "region: children", HV_ATTACK_SHARED, region_children },
	{ "region: rows", HV_ATTACK_SHARED, region_rows },
	{ "region: anywhere", HV_ATTACK_SHARED, region_anywhere },
	{ "port: frame beyond memory", HV_ATTACK_ANY, port_beyond },
	{ "port: any frame, unasked", HV_ATTACK_ANY, port_any_frame },
	{ "port: flood", HV_ATTACK_ANY, port_flood },
	{ "port: own answer", HV_ATTACK_ANY, port_answer },
	{ "port: all words", HV_ATTACK_ANY, port_words },
	{ "port: bell word", HV_ATTACK_ANY, port_bell },
	{ "registers: the host's target", HV_ATTACK_DRIVER, registers_target },
	{ "registers: settled number", HV_ATTACK_DRIVER, registers_settled },
	{ "registers: pass number", HV_ATTACK_DRIVER, registers_pass },
	{ "registers: ring places", HV_ATTACK_DRIVER, registers_rings },
	{ "ring: available index", HV_ATTACK_DRIVER, available_idx },
	{ "ring: head", HV_ATTACK_DRIVER, available_head },
	{ "ring: descriptor address", HV_ATTACK_DRIVER, descriptor_address },
	{ "ring: descriptor length", HV_ATTACK_DRIVER, descriptor_length },
	{ "ring: descriptor flags", HV_ATTACK_DRIVER, descriptor_flags },
	{ "ring: descriptor next", HV_ATTACK_DRIVER, descriptor_next },
	{ "ring: descriptor loop", HV_ATTACK_DRIVER, descriptor_loop },
	{ "ring: used ring", HV_ATTACK_DRIVER, used_words },
	{ "ring: anywhere", HV_ATTACK_DRIVER, ring_anywhere },
	{ "ring: request", HV_ATTACK_DRIVER, ring_payload },
	{ "bells: without work", HV_ATTACK_DRIVER, bells_without_work },
	{ "bells: flood", HV_ATTACK_DRIVER, bells_flooded },
	{ "bells: saturated", HV_ATTACK_DRIVER, bells_saturated },
	{ "bells: silenced", HV_ATTACK_DRIVER, bells_silenced },
	{ "bells: made to block", HV_ATTACK_DRIVER, bells_blocking },
	{ "driver: parked", HV_ATTACK_DRIVER, driver_parked },
	{ 0 },
};
_Static_assert(sizeof(hv_attack_kinds) / sizeof(hv_attack_kinds[0]) <= HV_ATTACK_KINDS_MAX, "room for the kinds");
