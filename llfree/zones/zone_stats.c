/* SPDX-License-Identifier: MIT
 *
 * What the zones and nodes look like: read from the registry and the topology's tables, without the mutex. */
#include "zones/zones_internal.h"

uint32_t llfree_zones_nodes(const llfree_zones *self)
{
	return self->topology.n_nodes;
}

uint32_t llfree_zones_cpus(const llfree_zones *self)
{
	return self->topology.n_places;
}

uint32_t llfree_zones_node_of_cpu(const llfree_zones *self, uint32_t cpu)
{
	return llf_place_of(&self->topology, cpu)->node;
}

uint32_t llfree_zones_distance(const llfree_zones *self, uint32_t from_node, uint32_t to_node)
{
	const llf_topology *topology = &self->topology;
	if (from_node >= topology->n_nodes || to_node >= topology->n_nodes)
		return 0;
	return topology->nodes[from_node].distance[to_node];
}

uint32_t llfree_zones_nearest(const llfree_zones *self, uint32_t from_node, uint32_t rank)
{
	const llf_topology *topology = &self->topology;
	return topology->nodes[from_node % topology->n_nodes].nearest[rank % topology->n_nodes];
}

/* Gets find this zone. */
static bool zone_listed(const llf_registry *registry, const llf_zone *zone)
{
	for (uint32_t i = registry->begin[zone->node]; i < registry->begin[zone->node + 1]; i++) {
		if (registry->online[i] == zone)
			return true;
	}
	return false;
}

static void add_zone(const llf_registry *registry, const llf_zone *zone, llfree_node_stats *stats)
{
	llfree_stats one;
	stats->zones++;
	stats->frames += zone->arena.allocator.frames;
	stats->bound_frames += zone->bound ? zone->arena.allocator.frames : 0;
	if (!zone_listed(registry, zone)) {
		stats->offline_zones++;
		return;
	}
	llfree_stats_fast(&zone->arena.allocator, &one);
	stats->free_frames += one.free_frames;
	stats->cached_frames += one.cached_frames;
	stats->free_huge += one.free_huge;
}

llfree_err llfree_zones_node_stats(const llfree_zones *self, uint32_t node, llfree_node_stats *stats)
{
	const llf_topology *topology = &self->topology;
	if (node >= topology->n_nodes)
		return LLFREE_ERR_INVAL;
	*stats = (llfree_node_stats){ .os_index = topology->nodes[node].os_index,
				      .cpus = topology->nodes[node].cpus,
				      .memory_bytes = topology->nodes[node].memory_bytes };
	llf_section section;
	const llf_registry *registry = llf_registry_enter(self, &section);
	for (uint32_t i = 0; i < registry->n_ranges; i++) {
		if (registry->ranges[i].zone->node == node)
			add_zone(registry, registry->ranges[i].zone, stats);
	}
	llf_registry_leave(section);
	for (uint32_t cpu = 0; cpu < topology->n_places; cpu++) {
		const llf_counts *counts = &self->counts[(uint64_t)cpu * topology->n_nodes + node];
		stats->foreign += llf_u64_load_relaxed(&counts->foreign);
		stats->missed += llf_u64_load_relaxed(&counts->missed);
		stats->failed += llf_u64_load_relaxed(&counts->failed);
	}
	return LLFREE_OK;
}

llfree_err llfree_zones_info(const llfree_zones *self, uint32_t zone_id, llfree_zone_info *info)
{
	llf_section section;
	const llf_registry *registry = llf_registry_enter(self, &section);
	const llf_zone *zone = llf_registry_zone(registry, zone_id);
	if (zone)
		*info = (llfree_zone_info){ .zone_id = zone_id,
					    .node = zone->node,
					    .layout = (llfree_slot_layout)zone->layout,
					    .slots = zone->arena.allocator.cpus,
					    .frames = zone->arena.allocator.frames,
					    .online = zone_listed(registry, zone),
					    .bound = zone->bound,
					    .bind_errno = zone->bind_errno };
	llf_registry_leave(section);
	return zone ? LLFREE_OK : LLFREE_ERR_INVAL;
}

size_t llfree_zones_list(const llfree_zones *self, uint32_t *zone_ids, size_t max_zones)
{
	llf_section section;
	const llf_registry *registry = llf_registry_enter(self, &section);
	size_t count = 0;
	for (unsigned i = 0; i < LLFREE_ZONES_MAX; i++) {
		if (!registry->table[i].handle_bits)
			continue;
		if (count < max_zones)
			zone_ids[count] = llf_zone_id(registry->table[i].zone);
		count++;
	}
	llf_registry_leave(section);
	return count;
}

const llfree_arena *llfree_zones_arena(const llfree_zones *self, uint32_t zone_id)
{
	llf_section section;
	const llf_registry *registry = llf_registry_enter(self, &section);
	const llf_zone *zone = llf_registry_zone(registry, zone_id);
	llf_registry_leave(section);
	return zone ? &zone->arena : NULL;
}

llfree_err llfree_zones_bind_thread(const llfree_zones *self, uint32_t node)
{
	return llf_topology_bind_thread(&self->topology, node);
}
