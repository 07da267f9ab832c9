/* SPDX-License-Identifier: MIT
 *
 * The hostile guest; see attacker.h. Words that mean something are worse than noise: half of what is written is a
 * plausible state at the wrong time. */
#define _GNU_SOURCE
#include "guest/attacker_words.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

enum { FLOOD = 1000 };

/* The shared region */

static void region_header(hv_attacker *self)
{
	hv_attack_spoil_some(self, self->vm->arena.region, sizeof(llfree_header) / 8, 8);
}

static void region_slots(hv_attacker *self)
{
	const llfree_t *view = &self->vm->arena.allocator;
	hv_attack_spoil_some(self, view->slots, (uint64_t)view->cpus * view->classes * (sizeof(llfree_slot) / 8), 8);
}

static void region_trees(hv_attacker *self)
{
	hv_attack_spoil_some(self, self->vm->arena.allocator.trees, self->vm->arena.allocator.n_trees, 4);
}

static void region_children(hv_attacker *self)
{
	hv_attack_spoil_some(self, self->vm->arena.allocator.children, self->vm->arena.allocator.n_children, 2);
}

static void region_rows(hv_attacker *self)
{
	hv_attack_spoil_some(self, self->vm->arena.allocator.rows, self->vm->arena.allocator.n_rows, 8);
}

static void region_anywhere(hv_attacker *self)
{
	hv_attack_spoil_some(self, self->vm->arena.region, self->vm->arena.region_bytes / 8, 8);
}

/* Install ports */

uint32_t hv_attacker_request(hv_attacker *self, uint32_t port_idx, uint64_t huge_idx)
{
	hv_ports *ports = self->vm->ports;
	uint32_t sequence = (uint32_t)hv_attack_below(self, 0xffffff) + 1;
	huge_idx &= (UINT64_C(1) << HV_PORT_IDX_BITS) - 1;
	atomic_store_explicit(&ports->ports[port_idx].request, (uint64_t)sequence << HV_PORT_IDX_BITS | huge_idx,
			      memory_order_release);
	hv_ports_ring(ports);
	return sequence;
}

static uint32_t any_port(hv_attacker *self)
{
	return (uint32_t)hv_attack_below(self, self->vm->config.n_vcpus);
}

static void port_beyond(hv_attacker *self)
{
	uint64_t huge_count = self->vm->memory.huge_count;
	uint64_t beyond = hv_attack_below(self, 2) != 0 ? hv_attack_below(self, 4) : hv_random(&self->random) >> 24;
	hv_attacker_request(self, any_port(self), huge_count + beyond);
}

static void port_any_frame(hv_attacker *self)
{
	hv_attacker_request(self, any_port(self), hv_attack_below(self, self->vm->memory.huge_count));
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
	hv_attack_spoil_some(self, self->vm->ports, (sizeof(hv_ports) + self->vm->config.n_vcpus * sizeof(hv_port)) / 8,
			     8);
	hv_ports_ring(self->vm->ports);
}

static void port_bell(hv_attacker *self)
{
	hv_attack_spoil(self, &self->vm->ports->bell, 4);
}

/* Registers: those of the host as well */

static void registers_target(hv_attacker *self)
{
	hv_channel_registers *registers = self->channel->registers;
	hv_attack_spoil(self, &registers->target_bytes, 8);
	hv_attack_spoil(self, &registers->target_number, 4);
	hv_attack_spoil(self, &registers->reporting, 4);
	hv_driver_wake(self->vm->driver);
}

static void registers_settled(hv_attacker *self)
{
	hv_channel_registers *registers = self->channel->registers;
	bool ahead = hv_attack_below(self, 2) != 0;
	if (ahead) /* the target that stands, whatever it is */
		hv_attack_store(&registers->settled_number, hv_attack_load(&registers->target_number, 4), 4);
	else
		hv_attack_spoil(self, &registers->settled_number, 4);
	hv_bell_ring(self->channel->changed_by_guest);
}

static void registers_pass(hv_attacker *self)
{
	hv_attack_spoil(self, &self->channel->registers->pass_number, 4);
	hv_bell_ring(self->channel->changed_by_guest);
}

static void registers_rings(hv_attacker *self)
{
	hv_channel_registers *registers = self->channel->registers;
	unsigned idx = (unsigned)hv_attack_below(self, HV_CHANNEL_RINGS_MAX);
	hv_attack_spoil(self, &registers->rings[idx].address, 8);
	hv_attack_spoil(self, &registers->rings[idx].size, 4);
	hv_attack_spoil(self, &registers->ready, 4);
	hv_bell_ring(self->channel->changed_by_guest);
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
	hv_bell_empty(bell);
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
	bells_all(self, hv_bell_empty);
}

/* Whether a read waits is a property of all who share the counter: the host finds it ready, then empty. */
static void bell_block(int bell)
{
	int flags = fcntl(bell, F_GETFL);
	if (flags >= 0 && fcntl(bell, F_SETFL, flags & ~O_NONBLOCK) == 0)
		hv_bell_ring(bell);
	hv_bell_empty(bell);
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
	{ "ring: available index", HV_ATTACK_DRIVER, hv_attack_ring_available_idx },
	{ "ring: head", HV_ATTACK_DRIVER, hv_attack_ring_available_head },
	{ "ring: descriptor address", HV_ATTACK_DRIVER, hv_attack_ring_descriptor_address },
	{ "ring: descriptor length", HV_ATTACK_DRIVER, hv_attack_ring_descriptor_length },
	{ "ring: descriptor flags", HV_ATTACK_DRIVER, hv_attack_ring_descriptor_flags },
	{ "ring: descriptor next", HV_ATTACK_DRIVER, hv_attack_ring_descriptor_next },
	{ "ring: descriptor loop", HV_ATTACK_DRIVER, hv_attack_ring_descriptor_loop },
	{ "ring: used ring", HV_ATTACK_DRIVER, hv_attack_ring_used_words },
	{ "ring: anywhere", HV_ATTACK_DRIVER, hv_attack_ring_ring_anywhere },
	{ "ring: request", HV_ATTACK_DRIVER, hv_attack_ring_ring_payload },
	{ "bells: without work", HV_ATTACK_DRIVER, bells_without_work },
	{ "bells: flood", HV_ATTACK_DRIVER, bells_flooded },
	{ "bells: saturated", HV_ATTACK_DRIVER, bells_saturated },
	{ "bells: silenced", HV_ATTACK_DRIVER, bells_silenced },
	{ "bells: made to block", HV_ATTACK_DRIVER, bells_blocking },
	{ "driver: parked", HV_ATTACK_DRIVER, driver_parked },
	{ 0 },
};
_Static_assert(sizeof(hv_attack_kinds) / sizeof(hv_attack_kinds[0]) <= HV_ATTACK_KINDS_MAX, "room for the kinds");
