/* SPDX-License-Identifier: MIT
 *
 * Zones come and go. A removal: the lists of gets no longer show the zone, its trees are taken offline and its slots
 * drained, a grace period ends all gets and puts that began before. From then on no claim of it exists and none can
 * come (A9), so its set bits are its owned frames, and they only become fewer: when none is left, none will be. Then
 * the table no longer shows it, and after a second grace period nobody looks at its memory, which goes back to the
 * system. Reserved before anything changes: the registries that this takes, so that nothing fails half way. */
#include "zones/zones_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TREES_PER_SLOT = 4 }; /* and class: what LLFREE_SLOTS_AUTO wants */

llfree_err llfree_zones_create(llfree_zones **zones, const llfree_zones_config *config)
{
	llfree_zones *self = aligned_alloc(64, (sizeof(*self) + 63) / 64 * 64);
	*zones = NULL;
	if (!self)
		return LLFREE_ERR_SYSTEM;
	memset(self, 0, sizeof(*self));
	llfree_err err = llf_topology_open(&self->topology, config);
	if (err) {
		free(self);
		return err;
	}
	for (unsigned i = 0; i < LLFREE_MAX_CLASSES; i++)
		llf_u32_store_relaxed(&self->none.dry[i], UINT32_MAX);
	self->counts = calloc((size_t)self->topology.n_places * self->topology.n_nodes, sizeof(self->counts[0]));
	if (!self->counts || !llf_registry_reserve(self, 1) || pthread_mutex_init(&self->mutex, NULL)) {
		free(self->counts);
		llf_registry_free_all(self);
		llf_topology_close(&self->topology);
		free(self);
		errno = ENOMEM;
		return LLFREE_ERR_SYSTEM;
	}
	llf_registry_publish(self);
	llf_section section;
	(void)llf_registry_enter(self, &section); /* liburcu has looked for membarrier() when this returns */
	llf_registry_leave(section);
	self->short_cpus = urcu_bp_has_sys_membarrier ? self->topology.n_places : 0;
	*zones = self;
	return LLFREE_OK;
}

static void zone_free(llf_zone *zone)
{
	llfree_arena_destroy(&zone->arena);
	free(zone);
}

void llfree_zones_destroy(llfree_zones *self)
{
	if (!self)
		return;
	urcu_bp_synchronize_rcu(); /* sections of threads that have ended their last call only just now */
	llf_tsan_acquire(&urcu_bp_gp);
	for (unsigned i = 0; i < LLFREE_ZONES_MAX; i++) {
		if (self->zones[i])
			zone_free(self->zones[i]);
	}
	llf_registry_free_all(self);
	pthread_mutex_destroy(&self->mutex);
	llf_topology_close(&self->topology);
	free(self->counts);
	free(self);
}

/* --- add ---------------------------------------------------------------------------------------------------------- */

/* With more nodes than one, the CPUs of the others use as many slots again, behind those of the node's own. */
static uint32_t slots_of(const llf_topology *topology, uint32_t node, unsigned layout)
{
	uint32_t own = topology->nodes[node].slots[layout];
	if (!own)
		return topology->max_slots[layout];
	return topology->n_nodes > 1 ? 2 * own : own;
}

static unsigned choose_layout(const llf_topology *topology, const llfree_zone_config *config)
{
	const llfree_policy *policy = config->arena.allocator.policy;
	uint32_t classes = policy ? policy->classes : llfree_default_policy()->classes;
	uint64_t trees = (config->arena.memory_bytes >> LLFREE_FRAME_SHIFT) / LLFREE_TREE_FRAMES;
	unsigned layout = config->layout ? config->layout : LLFREE_SLOTS_CPU;
	if (!config->layout) {
		while (layout < LLFREE_SLOTS_NODE &&
		       (uint64_t)topology->nodes[config->node].slots[layout] * classes * TREES_PER_SLOT > trees)
			layout++;
	}
	return layout;
}

/* Memory and metadata to the node. The first error stays. */
static void zone_bind(const llfree_zones *self, llf_zone *zone, bool strict)
{
	zone->bind_errno = llf_topology_bind_memory(&self->topology, zone->node, zone->arena.memory,
						    zone->arena.memory_bytes, strict);
	if (!zone->bind_errno)
		zone->bind_errno = llf_topology_bind_memory(&self->topology, zone->node, zone->arena.region,
							    zone->arena.region_bytes, strict);
	zone->bound = !zone->bind_errno;
}

static llfree_err zone_make(const llfree_zones *self, const llfree_zone_config *config, llf_zone **made)
{
	llf_zone *zone = aligned_alloc(64, (sizeof(*zone) + 63) / 64 * 64);
	if (!zone)
		return LLFREE_ERR_SYSTEM;
	memset(zone, 0, sizeof(*zone));
	unsigned layout = choose_layout(&self->topology, config);
	llfree_arena_config arena = config->arena;
	if (!arena.allocator.cpus) {
		uint32_t slots = slots_of(&self->topology, config->node, layout);
		arena.allocator.cpus = slots < LLFREE_MAX_CPUS ? slots : LLFREE_MAX_CPUS;
	}
	zone->node = (uint16_t)config->node;
	zone->layout = (uint16_t)layout;
	zone->far_slots = self->topology.nodes[config->node].slots[layout];
	zone->online = true;
	llfree_err err = llfree_arena_create(&zone->arena, &arena);
	if (err) {
		free(zone);
		return err;
	}
	zone_bind(self, zone, config->strict_binding);
	if (config->must_bind && !zone->bound) {
		int bind_errno = zone->bind_errno;
		zone_free(zone);
		errno = bind_errno;
		return LLFREE_ERR_SYSTEM;
	}
	*made = zone;
	return LLFREE_OK;
}

/* Ids of a place repeat after as many additions as the generation has values; 0 is left out: no id is a bare frame. */
static uint32_t next_id(llfree_zones *self, uint32_t place)
{
	uint32_t last = UINT32_MAX >> LLF_ZONE_PLACE_BITS;
	self->generation[place] = self->generation[place] == last ? 1 : self->generation[place] + 1;
	return self->generation[place] << LLF_ZONE_PLACE_BITS | place;
}

static llfree_err add_locked(llfree_zones *self, const llfree_zone_config *config, uint32_t *zone_id)
{
	uint32_t place = 0;
	llf_zone *zone;
	while (place < LLFREE_ZONES_MAX && self->zones[place])
		place++;
	if (place == LLFREE_ZONES_MAX)
		return LLFREE_ERR_NOMEM;
	if (!llf_registry_reserve(self, 1))
		return LLFREE_ERR_SYSTEM;
	llfree_err err = zone_make(self, config, &zone);
	if (err)
		return err;
	*zone_id = next_id(self, place);
	zone->handle_bits = (uint64_t)*zone_id << LLFREE_ZONE_FRAME_BITS;
	self->zones[place] = zone;
	llf_registry_publish(self);
	return LLFREE_OK;
}

llfree_err llfree_zones_add(llfree_zones *self, const llfree_zone_config *config, uint32_t *zone_id)
{
	if (config->node >= self->topology.n_nodes || (unsigned)config->layout >= LLFREE_SLOT_LAYOUTS)
		return LLFREE_ERR_INVAL;
	pthread_mutex_lock(&self->mutex);
	llfree_err err = add_locked(self, config, zone_id);
	pthread_mutex_unlock(&self->mutex);
	return err;
}

/* --- offline, online, remove -------------------------------------------------------------------------------------- */

static llf_zone *zone_find(llfree_zones *self, uint32_t zone_id)
{
	llf_zone *zone = self->zones[zone_id % LLFREE_ZONES_MAX];
	return zone && llf_zone_id(zone) == zone_id ? zone : NULL;
}

static void go_offline(llfree_zones *self, llf_zone *zone)
{
	if (!zone->online)
		return;
	zone->online = false;
	llf_registry_publish(self);
	llfree_err err = llfree_trees_offline(&zone->arena.allocator, 0, zone->arena.allocator.n_trees);
	(void)err; /* all of them: in range */
	llf_registry_wait(self);
}

static void go_online(llfree_zones *self, llf_zone *zone)
{
	if (zone->online)
		return;
	for (uint64_t i = 0; i < zone->arena.allocator.n_trees; i++) {
		llfree_err err = llfree_tree_online(&zone->arena.allocator, i);
		(void)err; /* in range */
	}
	for (unsigned i = 0; i < LLFREE_MAX_CLASSES; i++)
		llf_u32_store_relaxed(&zone->dry[i], 0);
	zone->online = true;
	llf_registry_publish(self);
}

static uint64_t count_owned(const llf_zone *zone)
{
	llfree_stats stats;
	llfree_stats_exact(&zone->arena.allocator, &stats);
	return stats.frames - stats.free_frames;
}

/* @return false: migrate gave up */
static bool offer_huge(const llf_zone *zone, uint64_t huge_idx, llfree_zones_migrate_fn migrate, void *context)
{
	const llfree_t *allocator = &zone->arena.allocator;
	uint64_t first = huge_idx * LLFREE_HUGE_FRAMES;
	llfree_huge_state state;
	if (llfree_huge_state_of(allocator, huge_idx, &state) == LLFREE_OK && state.taken_huge)
		return migrate(context, zone->handle_bits | first, LLFREE_HUGE_ORDER);
	for (uint64_t i = first; i < first + LLFREE_HUGE_FRAMES && i < allocator->frames; i++) {
		if (!llfree_is_free(allocator, i) && !migrate(context, zone->handle_bits | i, 0))
			return false;
	}
	return true;
}

static llfree_err remove_locked(llfree_zones *self, llf_zone *zone, llfree_zones_migrate_fn migrate, void *context,
				uint64_t *owned)
{
	bool was_online = zone->online;
	if (!llf_registry_reserve(self, 2))
		return LLFREE_ERR_SYSTEM;
	go_offline(self, zone);
	*owned = count_owned(zone);
	if (*owned && migrate) {
		for (uint64_t i = 0; i < zone->arena.allocator.n_children; i++) {
			if (!offer_huge(zone, i, migrate, context))
				break;
		}
		*owned = count_owned(zone);
	}
	if (*owned) {
		if (was_online)
			go_online(self, zone);
		return LLFREE_ERR_STATE;
	}
	self->zones[llf_zone_id(zone) % LLFREE_ZONES_MAX] = NULL;
	llf_registry_publish(self);
	llf_registry_wait(self);
	zone_free(zone);
	return LLFREE_OK;
}

llfree_err llfree_zones_remove(llfree_zones *self, uint32_t zone_id, llfree_zones_migrate_fn migrate, void *context,
			       uint64_t *owned_frames)
{
	uint64_t owned = 0;
	pthread_mutex_lock(&self->mutex);
	llf_zone *zone = zone_find(self, zone_id);
	llfree_err err = zone ? remove_locked(self, zone, migrate, context, &owned) : LLFREE_ERR_INVAL;
	pthread_mutex_unlock(&self->mutex);
	if (owned_frames)
		*owned_frames = owned;
	return err;
}

llfree_err llfree_zones_offline(llfree_zones *self, uint32_t zone_id, uint64_t *owned_frames)
{
	llfree_err err = LLFREE_ERR_INVAL;
	pthread_mutex_lock(&self->mutex);
	llf_zone *zone = zone_find(self, zone_id);
	if (zone) {
		err = llf_registry_reserve(self, 1) ? LLFREE_OK : LLFREE_ERR_SYSTEM;
		if (!err)
			go_offline(self, zone);
		if (!err && owned_frames)
			*owned_frames = count_owned(zone);
	}
	pthread_mutex_unlock(&self->mutex);
	return err;
}

llfree_err llfree_zones_online(llfree_zones *self, uint32_t zone_id)
{
	llfree_err err = LLFREE_ERR_INVAL;
	pthread_mutex_lock(&self->mutex);
	llf_zone *zone = zone_find(self, zone_id);
	if (zone) {
		err = llf_registry_reserve(self, 1) ? LLFREE_OK : LLFREE_ERR_SYSTEM;
		if (!err)
			go_online(self, zone);
	}
	pthread_mutex_unlock(&self->mutex);
	return err;
}
