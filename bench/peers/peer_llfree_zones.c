/* SPDX-License-Identifier: MIT
 *
 * Allocator "llfree-zones": llfree_zones_get() and llfree_zones_put() over a zone on every NUMA node of the machine (or
 * of the topology that hwloc's variables name), which share the memory equally. Its blocks are handles: a zone and a
 * frame. The memory of the zones is mapped, and touched only where a case writes. */
#define BENCH_ID   llfree_zones
#define BENCH_NAME "llfree-zones"
#include <stdlib.h>
#include <llfree/zones.h>
#include "bench_peer.h"

static inline llfree_request peer_request(uint32_t cpu, uint32_t order)
{
	uint8_t class_idx = order >= LLFREE_HUGE_ORDER ? LLFREE_CLASS_HUGE : LLFREE_CLASS_MOVABLE;

	return (llfree_request){ .cpu = cpu, .order = (uint8_t)order, .class_idx = class_idx };
}

static void *peer_init(const bench_peer_config *config)
{
	llfree_zones_config machine = { 0 };
	llfree_zones *zones;

	if (llfree_zones_create(&zones, &machine) != LLFREE_OK)
		return NULL;
	uint64_t frames = config->frames / llfree_zones_nodes(zones);

	for (uint32_t node = 0; node < llfree_zones_nodes(zones); node++) {
		llfree_zone_config zone = { .node = node };
		uint32_t zone_id;

		zone.arena.memory_bytes = frames << LLFREE_FRAME_SHIFT;
		zone.arena.allocator.reserve_min_frames = config->tuning;
		if (config->cpus > llfree_zones_cpus(zones))
			zone.arena.allocator.cpus = config->cpus;
		if (llfree_zones_add(zones, &zone, &zone_id) == LLFREE_OK)
			continue;
		llfree_zones_destroy(zones);
		return NULL;
	}
	return zones;
}

static void peer_exit(void *self)
{
	llfree_zones_destroy(self);
}

static inline bool peer_get(void *self, uint32_t cpu, uint32_t order, uint64_t *block)
{
	return llfree_zones_get(self, peer_request(cpu, order), block) == LLFREE_OK;
}

static inline bool peer_put(void *self, uint32_t cpu, uint32_t order, uint64_t block)
{
	return llfree_zones_put(self, peer_request(cpu, order), block) == LLFREE_OK;
}

static size_t peer_metadata_bytes(void *self)
{
	uint32_t zone_ids[LLFREE_ZONES_MAX];
	size_t n_zones = llfree_zones_list(self, zone_ids, LLFREE_ZONES_MAX), sum = 0;

	for (size_t i = 0; i < n_zones; i++)
		sum += llfree_zones_arena(self, zone_ids[i])->region_bytes;
	return sum;
}

static void *peer_address(void *self, uint64_t block)
{
	return llfree_zones_address(self, block);
}

#include "bench_loops.h"

const bench_allocator bench_allocator_llfree_zones = {
	.table = { .abi = BENCH_PEER_ABI,
		   .name = BENCH_NAME,
		   .init = peer_init,
		   .get = peer_get,
		   .put = peer_put,
		   .exit = peer_exit,
		   .metadata_bytes = peer_metadata_bytes,
		   .address = peer_address,
		   .max_order = LLFREE_MAX_ORDER < 10 ? LLFREE_MAX_ORDER : 10 },
	.loops = BENCH_LOOPS,
	.about = "llfree_zones_get/llfree_zones_put, a zone per NUMA node",
	.rank = 14,
};
