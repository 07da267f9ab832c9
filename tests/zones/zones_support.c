/* SPDX-License-Identifier: MIT
 *
 * What zones_support.h declares. */
#include "../support/t_cmocka.h"
#include "zones_support.h"

llfree_zones *z_make(const char *synthetic)
{
	llfree_zones *zones = NULL;
	assert_ok(llfree_zones_create(&zones, &(llfree_zones_config){ .synthetic = synthetic }));
	assert_non_null(zones);
	return zones;
}

uint32_t z_add(llfree_zones *zones, uint32_t node)
{
	llfree_zone_config config = { .node = node, .arena.memory_bytes = (uint64_t)Z_ZONE_MIB * Z_MIB };
	uint32_t zone_id = 0;
	assert_ok(llfree_zones_add(zones, &config, &zone_id));
	assert_int_not_equal(zone_id, 0);
	return zone_id;
}

llfree_request z_request(uint32_t cpu, unsigned order)
{
	uint8_t class_idx = order >= LLFREE_HUGE_ORDER ? LLFREE_CLASS_HUGE : LLFREE_CLASS_MOVABLE;
	return (llfree_request){ .cpu = cpu, .order = (uint8_t)order, .class_idx = class_idx };
}

uint64_t z_get(llfree_zones *zones, uint32_t cpu, unsigned order)
{
	uint64_t frame = 0;
	assert_ok(llfree_zones_get(zones, z_request(cpu, order), &frame));
	assert_int_equal(frame % (UINT64_C(1) << order), 0);
	return frame;
}

void z_put(llfree_zones *zones, uint32_t cpu, unsigned order, uint64_t frame)
{
	assert_ok(llfree_zones_put(zones, z_request(cpu, order), frame));
}

uint32_t z_node_of(const llfree_zones *zones, uint64_t frame)
{
	llfree_zone_info info;
	assert_ok(llfree_zones_info(zones, llfree_zone_of(frame), &info));
	return info.node;
}

uint64_t z_fill(llfree_zones *zones, uint32_t node, unsigned order, uint64_t *runs, uint64_t max_runs)
{
	llfree_zones_from from = { .named = true, .node = node, .no_fallback = true };
	uint64_t count = 0;
	for (; count < max_runs; count++) {
		llfree_err err = llfree_zones_get_from(zones, z_request(0, order), &from, &runs[count]);
		if (err) {
			assert_err(err, LLFREE_ERR_NOMEM);
			break;
		}
		assert_int_equal(z_node_of(zones, runs[count]), node);
	}
	return count;
}

void z_check(const llfree_zones *zones, uint64_t free_frames)
{
	uint32_t ids[LLFREE_ZONES_MAX];
	size_t n_zones = llfree_zones_list(zones, ids, LLFREE_ZONES_MAX);
	uint64_t sum = 0;
	for (size_t i = 0; i < n_zones; i++) {
		llfree_audit_report report;
		assert_true(llfree_audit(&llfree_zones_arena(zones, ids[i])->allocator, &report));
		sum += report.free_frames;
	}
	assert_int_equal(sum, free_frames);
}
