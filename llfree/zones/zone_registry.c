/* SPDX-License-Identifier: MIT
 *
 * Registries: built under the mutex, published, retired, and after a grace period ready for the next change. All have
 * the same size, so that a change that has begun never runs out of memory in the middle. */
#include "zones/zones_internal.h"

#include <stdlib.h>

bool llf_registry_reserve(llfree_zones *self, unsigned count)
{
	for (llf_registry *spare = self->spare; spare && count; spare = spare->next)
		count--;
	llf_registry *more;
	for (; count; count--) {
		size_t n_bytes = sizeof(*more) + self->topology.n_places * sizeof(more->cpus[0]);
		more = aligned_alloc(LLFREE_CACHE_LINE, llf_align_up(n_bytes, LLFREE_CACHE_LINE));
		if (!more)
			return false;
		more->next = self->spare;
		self->spare = more;
	}
	return true;
}

static int range_compare(const void *left, const void *right)
{
	const llf_range *a = left, *b = right;
	return (a->begin > b->begin) - (a->begin < b->begin);
}

static void fill_table(llfree_zones *self, llf_registry *registry)
{
	registry->n_ranges = 0;
	for (unsigned i = 0; i < LLFREE_ZONES_MAX; i++) {
		llf_zone *zone = self->zones[i];
		registry->table[i] =
			zone ? (llf_zone_entry){ zone->handle_bits, zone } : (llf_zone_entry){ 0, &self->none };
		if (zone)
			registry->ranges[registry->n_ranges++] =
				(llf_range){ .begin = (uintptr_t)zone->arena.memory,
					     .end = (uintptr_t)zone->arena.memory + zone->arena.memory_bytes,
					     .zone = zone };
	}
	qsort(registry->ranges, registry->n_ranges, sizeof(registry->ranges[0]), range_compare);
}

static void fill_lists(llfree_zones *self, llf_registry *registry)
{
	uint16_t count = 0;
	for (uint32_t node = 0; node < self->topology.n_nodes; node++) {
		registry->begin[node] = count;
		for (unsigned i = 0; i < LLFREE_ZONES_MAX; i++) {
			llf_zone *zone = self->zones[i];
			if (zone && zone->online && zone->node == node)
				registry->online[count++] = zone;
		}
	}
	registry->begin[self->topology.n_nodes] = count;
}

/* The first zone of a node's gets: of the nearest node that has one. */
static llf_zone *first_zone(llfree_zones *self, const llf_registry *registry, uint32_t node)
{
	for (uint32_t rank = 0; rank < self->topology.n_nodes; rank++) {
		uint32_t near = self->topology.nodes[node].nearest[rank];
		if (registry->begin[near] != registry->begin[near + 1])
			return registry->online[registry->begin[near]];
	}
	return &self->none;
}

static void fill_cpus(llfree_zones *self, llf_registry *registry)
{
	for (uint32_t i = 0; i < self->topology.n_places; i++) {
		const llf_place *place = &self->topology.places[i];
		llf_zone *zone = first_zone(self, registry, place->node);
		const llfree_t *allocator = &zone->arena.allocator;
		uint32_t slot_idx = allocator->cpus ? llf_zone_slot(zone, place) % allocator->cpus : 0;
		registry->cpus[i] = (llf_cpu_entry){ .slots = allocator->slots,
						     .handle_bits = zone->handle_bits,
						     .rows = allocator->rows,
						     .frames = allocator->frames,
						     .zone = zone,
						     .registry = registry,
						     .classes = allocator->classes,
						     .slot_idx = slot_idx,
						     .allocator = allocator };
		if (allocator->cpus)
			registry->cpus[i].slots += (uint64_t)slot_idx * allocator->classes;
	}
}

void llf_registry_publish(llfree_zones *self)
{
	llf_registry *next = self->spare, *old = self->registry;
	self->spare = next->next;
	next->zones = self;
	fill_table(self, next);
	fill_lists(self, next);
	fill_cpus(self, next);
	/* pairs with the acquire in llf_registry_enter(): who sees the registry sees what is in it, and the zones */
	__atomic_store_n(&self->cpus, next->cpus, __ATOMIC_RELEASE);
	self->registry = next;
	if (old) {
		old->next = self->retired;
		self->retired = old;
	}
}

void llf_registry_wait(llfree_zones *self)
{
	urcu_bp_synchronize_rcu();
	llf_tsan_acquire(&urcu_bp_gp);
	while (self->retired) {
		llf_registry *next = self->retired->next;
		self->retired->next = self->spare;
		self->spare = self->retired;
		self->retired = next;
	}
}

static void free_list(llf_registry *list)
{
	while (list) {
		llf_registry *next = list->next;
		free(list);
		list = next;
	}
}

void llf_registry_free_all(llfree_zones *self)
{
	free_list(self->retired);
	free_list(self->spare);
	free(self->registry);
}
