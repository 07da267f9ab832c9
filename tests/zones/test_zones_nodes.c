/* SPDX-License-Identifier: MIT
 *
 * Where frames come from: the caller's node, by distance, named nodes, sets, without fallback; slots; statistics. */
#define _GNU_SOURCE
#include "../support/t_cmocka.h"
#include "zones_support.h"

#include <hwloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char two_nodes[] = "numa:2 l3:1 core:4 pu:2";
/* nodes 0 and 1 in one package, 2 and 3 in another */
static const char two_packages[] = "package:2 numa:2 l3:1 core:2 pu:1";
static uint64_t runs[Z_ZONE_FRAMES * 2];

static void frames_come_from_the_callers_node(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	z_add(zones, 0);
	z_add(zones, 1);
	assert_int_equal(llfree_zones_nodes(zones), 2);
	assert_int_equal(llfree_zones_cpus(zones), 16);
	for (uint32_t cpu = 0; cpu < 16; cpu++) {
		assert_int_equal(llfree_zones_node_of_cpu(zones, cpu), cpu / 8);
		for (unsigned order = 0; order <= LLFREE_HUGE_ORDER; order += 3) {
			uint64_t frame = z_get(zones, cpu, order);
			assert_int_equal(z_node_of(zones, frame), cpu / 8);
			/* a put from the other node finds the way home */
			z_put(zones, 15 - cpu, order, frame);
		}
	}
	/* numbers beyond the last wrap */
	uint64_t frame = z_get(zones, 16 + 9, 0);
	assert_int_equal(z_node_of(zones, frame), 1);
	z_put(zones, 1u << 31, 0, frame);
	z_check(zones, 2 * Z_ZONE_FRAMES);
	llfree_zones_destroy(zones);
}

static void fallback_goes_by_distance(void **state)
{
	(void)state;
	/* from each node: its package's other node, then round from there */
	static const uint32_t expected[4][4] = { { 0, 1, 2, 3 }, { 1, 0, 2, 3 }, { 2, 3, 0, 1 }, { 3, 2, 0, 1 } };
	llfree_zones *zones = z_make(two_packages);
	for (uint32_t node = 0; node < 4; node++)
		z_add(zones, node);
	for (uint32_t node = 0; node < 4; node++) {
		for (uint32_t rank = 0; rank < 4; rank++)
			assert_int_equal(llfree_zones_nearest(zones, node, rank), expected[node][rank]);
	}
	assert_true(llfree_zones_distance(zones, 0, 1) < llfree_zones_distance(zones, 0, 2));
	assert_int_equal(llfree_zones_distance(zones, 0, 0), 10);
	assert_int_equal(llfree_zones_distance(zones, 0, 4), 0);
	/* huge frames from a CPU of node 2: all of its own, then 3, 0, 1 */
	uint64_t per_zone = Z_ZONE_FRAMES / LLFREE_HUGE_FRAMES;
	for (uint64_t i = 0; i < 4 * per_zone; i++) {
		runs[i] = z_get(zones, 5, LLFREE_HUGE_ORDER);
		assert_int_equal(z_node_of(zones, runs[i]), expected[2][i / per_zone]);
	}
	uint64_t frame;
	assert_err(llfree_zones_get(zones, z_request(5, 0), &frame), LLFREE_ERR_NOMEM);
	llfree_node_stats stats[4];
	for (uint32_t node = 0; node < 4; node++)
		assert_ok(llfree_zones_node_stats(zones, node, &stats[node]));
	assert_int_equal(stats[2].foreign, 3 * per_zone);
	assert_int_equal(stats[2].failed, 1);
	assert_int_equal(stats[2].missed, 0);
	assert_int_equal(stats[0].missed, per_zone);
	assert_int_equal(stats[3].missed, per_zone);
	assert_int_equal(stats[3].foreign, 0);
	/* what comes back to node 2 is used first again */
	z_put(zones, 0, LLFREE_HUGE_ORDER, runs[0]);
	assert_int_equal(z_node_of(zones, z_get(zones, 4, LLFREE_HUGE_ORDER)), 2);
	llfree_zones_destroy(zones);
}

static void frame_that_came_back_to_a_full_node_is_found_again(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	z_add(zones, 0);
	z_add(zones, 1);
	uint64_t count = z_fill(zones, 0, 0, runs, T_COUNT(runs));
	assert_int_equal(count, Z_ZONE_FRAMES);
	uint64_t far = z_get(zones, 0, 0);
	assert_int_equal(z_node_of(zones, far), 1);
	/* by another CPU, of another class: only asking all zones finds it */
	z_put(zones, 3, 0, runs[77]);
	assert_int_equal(z_get(zones, 0, 0), runs[77]);
	z_put(zones, 0, 0, far);
	for (uint64_t i = 0; i < count; i++)
		z_put(zones, (uint32_t)i % 16, 0, runs[i]);
	z_check(zones, 2 * Z_ZONE_FRAMES);
	/* a huge frame again, too: from node 0, since all of it is free */
	assert_int_equal(z_node_of(zones, z_get(zones, 0, LLFREE_HUGE_ORDER)), 0);
	llfree_zones_destroy(zones);
}

static void no_fallback_takes_from_that_node_or_fails(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	z_add(zones, 0);
	z_add(zones, 1);
	uint64_t frame;
	llfree_zones_from local = { .no_fallback = true }, named = { .named = true, .node = 1, .no_fallback = true };
	assert_ok(llfree_zones_get_from(zones, z_request(0, 0), &named, &frame));
	assert_int_equal(z_node_of(zones, frame), 1);
	z_put(zones, 0, 0, frame);
	uint64_t count = z_fill(zones, 1, LLFREE_HUGE_ORDER, runs, T_COUNT(runs));
	assert_int_equal(count, Z_ZONE_FRAMES / LLFREE_HUGE_FRAMES);
	assert_err(llfree_zones_get_from(zones, z_request(0, 0), &named, &frame), LLFREE_ERR_NOMEM);
	assert_err(llfree_zones_get_from(zones, z_request(8, 0), &local, &frame), LLFREE_ERR_NOMEM);
	assert_ok(llfree_zones_get_from(zones, z_request(0, 0), &local, &frame));
	assert_int_equal(z_node_of(zones, frame), 0);
	z_put(zones, 0, 0, frame);
	named.no_fallback = false;
	assert_ok(llfree_zones_get_from(zones, z_request(8, 0), &named, &frame));
	assert_int_equal(z_node_of(zones, frame), 0);
	named.node = 2;
	assert_err(llfree_zones_get_from(zones, z_request(8, 0), &named, &frame), LLFREE_ERR_INVAL);
	llfree_zones_destroy(zones);
}

static void set_limits_where_frames_come_from(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_packages);
	for (uint32_t node = 0; node < 4; node++)
		z_add(zones, node);
	llfree_node_set set = { { 0 } };
	llfree_node_set_add(&set, 1);
	llfree_node_set_add(&set, 3);
	llfree_zones_from from = { .set = &set };
	uint64_t per_zone = Z_ZONE_FRAMES / LLFREE_HUGE_FRAMES, frame;
	/* from node 2: 3 is nearer than 1, 2 itself is not in the set */
	for (uint64_t i = 0; i < 2 * per_zone; i++) {
		assert_ok(llfree_zones_get_from(zones, z_request(4, LLFREE_HUGE_ORDER), &from, &frame));
		assert_int_equal(z_node_of(zones, frame), i < per_zone ? 3 : 1);
	}
	assert_err(llfree_zones_get_from(zones, z_request(4, 0), &from, &frame), LLFREE_ERR_NOMEM);
	assert_int_equal(z_node_of(zones, z_get(zones, 4, 0)), 2);
	llfree_node_set none = { { 0 } };
	from.set = &none;
	assert_err(llfree_zones_get_from(zones, z_request(4, 0), &from, &frame), LLFREE_ERR_NOMEM);
	llfree_zones_destroy(zones);
}

static void distances_of_the_firmware_win_over_the_levels(void **state)
{
	(void)state;
	/* three nodes on one level; 0 is nearer to 2 than to 1 */
	static hwloc_uint64_t values[9] = { 10, 40, 20, 40, 10, 30, 20, 30, 10 };
	char path[] = "zones_topology_XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	hwloc_topology_t topology;
	hwloc_obj_t objects[3];
	assert_int_equal(hwloc_topology_init(&topology), 0);
	assert_int_equal(hwloc_topology_set_synthetic(topology, "numa:3 core:2 pu:1"), 0);
	assert_int_equal(hwloc_topology_load(topology), 0);
	for (unsigned i = 0; i < 3; i++)
		objects[i] = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, i);
	hwloc_distances_add_handle_t handle = hwloc_distances_add_create(
		topology, "NUMALatency", HWLOC_DISTANCES_KIND_FROM_OS | HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0);
	assert_non_null(handle);
	assert_int_equal(hwloc_distances_add_values(topology, handle, 3, objects, values, 0), 0);
	assert_int_equal(hwloc_distances_add_commit(topology, handle, 0), 0);
	assert_int_equal(hwloc_topology_export_xml(topology, path, 0), 0);
	hwloc_topology_destroy(topology);

	llfree_zones *zones;
	assert_ok(llfree_zones_create(&zones, &(llfree_zones_config){ .xml_path = path }));
	unlink(path);
	assert_int_equal(llfree_zones_distance(zones, 0, 1), 40);
	assert_int_equal(llfree_zones_nearest(zones, 0, 1), 2);
	assert_int_equal(llfree_zones_nearest(zones, 1, 1), 2);
	assert_int_equal(llfree_zones_nearest(zones, 2, 1), 0);
	z_add(zones, 1);
	z_add(zones, 2);
	assert_int_equal(z_node_of(zones, z_get(zones, 0, 0)), 2);
	llfree_zones_destroy(zones);
}

static void slots_follow_the_layout(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	/* per node 8 CPUs, 4 cores, 1 cache; the other node's CPUs have as many again */
	static const uint32_t expected[LLFREE_SLOT_LAYOUTS] = { 0, 16, 8, 2, 2 };
	for (unsigned layout = LLFREE_SLOTS_CPU; layout < LLFREE_SLOT_LAYOUTS; layout++) {
		llfree_zone_config config = { .node = 1,
					      .layout = (llfree_slot_layout)layout,
					      .arena.memory_bytes = (uint64_t)Z_ZONE_MIB * Z_MIB };
		llfree_zone_info info;
		uint32_t zone_id;
		assert_ok(llfree_zones_add(zones, &config, &zone_id));
		assert_ok(llfree_zones_info(zones, zone_id, &info));
		assert_int_equal(info.slots, expected[layout]);
		assert_int_equal(info.layout, layout);
		assert_int_equal(info.node, 1);
		assert_true(info.online);
		assert_false(info.bound); /* not this machine's topology */
		assert_ok(llfree_zones_remove(zones, zone_id, NULL, NULL, NULL));
	}
	llfree_zones_destroy(zones);
}

static void small_zone_shares_slots_and_large_one_does_not(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	llfree_zone_info info;
	uint64_t tree_bytes = (uint64_t)LLFREE_TREE_FRAMES * LLFREE_FRAME_BYTES;
	/* four trees per slot and class: 3 classes, 8 CPUs or 4 cores */
	static const struct {
		uint64_t trees;
		llfree_slot_layout layout;
	} cases[] = { { 4 * 3 * 8, LLFREE_SLOTS_CPU },
		      { 4 * 3 * 4, LLFREE_SLOTS_CORE },
		      { 4 * 3 * 1, LLFREE_SLOTS_CACHE },
		      { 1, LLFREE_SLOTS_NODE } };
	for (size_t i = 0; i < T_COUNT(cases); i++) {
		uint32_t zone_id;
		llfree_zone_config config = { .arena.memory_bytes = cases[i].trees * tree_bytes };
		llfree_err err = llfree_zones_add(zones, &config, &zone_id);
		if (err == LLFREE_ERR_SYSTEM)
			continue; /* large trees on a small machine: more than its memory */
		assert_ok(err);
		assert_ok(llfree_zones_info(zones, zone_id, &info));
		assert_int_equal(info.layout, cases[i].layout);
	}
	llfree_zones_destroy(zones);
}

static void statistics_count_by_node(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	z_add(zones, 0);
	uint32_t second = z_add(zones, 1);
	z_add(zones, 1);
	uint64_t frame = z_get(zones, 8, LLFREE_HUGE_ORDER), owned;
	llfree_node_stats stats;
	assert_ok(llfree_zones_node_stats(zones, 1, &stats));
	assert_int_equal(stats.zones, 2);
	assert_int_equal(stats.cpus, 8);
	assert_int_equal(stats.frames, 2 * Z_ZONE_FRAMES);
	assert_int_equal(stats.free_frames, 2 * Z_ZONE_FRAMES - LLFREE_HUGE_FRAMES);
	assert_int_equal(stats.free_huge, 2 * Z_ZONE_FRAMES / LLFREE_HUGE_FRAMES - 1);
	assert_int_equal(stats.bound_frames, 0);
	assert_ok(llfree_zones_offline(zones, second, &owned));
	assert_int_equal(owned, LLFREE_HUGE_FRAMES);
	assert_ok(llfree_zones_node_stats(zones, 1, &stats));
	assert_int_equal(stats.offline_zones, 1);
	assert_int_equal(stats.frames, 2 * Z_ZONE_FRAMES);
	assert_int_equal(stats.free_frames, Z_ZONE_FRAMES);
	assert_err(llfree_zones_node_stats(zones, 2, &stats), LLFREE_ERR_INVAL);
	z_put(zones, 8, LLFREE_HUGE_ORDER, frame);
	llfree_zones_destroy(zones);
}

static void address_and_frame_lead_to_each_other(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	uint64_t frame, back = 0;
	for (uint32_t i = 0; i < 6; i++)
		z_add(zones, i % 2);
	for (uint32_t cpu = 0; cpu < 16; cpu += 8) {
		frame = z_get(zones, cpu, 3);
		char *bytes = llfree_zones_address(zones, frame);
		assert_non_null(bytes);
		memset(bytes, 0x5a, 8 * LLFREE_FRAME_BYTES);
		assert_ok(llfree_zones_frame(zones, bytes, &back));
		assert_int_equal(back, frame);
		assert_ok(llfree_zones_frame(zones, bytes + 8 * LLFREE_FRAME_BYTES - 1, &back));
		assert_int_equal(back, frame + 7);
		z_put(zones, cpu, 3, frame);
	}
	assert_err(llfree_zones_frame(zones, &frame, &back), LLFREE_ERR_INVAL);
	assert_err(llfree_zones_frame(zones, NULL, &back), LLFREE_ERR_INVAL);
	assert_null(llfree_zones_address(zones, llfree_zone_frame_of(frame)));
	assert_null(llfree_zones_address(zones, frame | UINT32_MAX));
	llfree_zones_destroy(zones);
}

static void node_without_zones_or_cpus_is_served_by_the_nearest(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_packages);
	uint64_t frame;
	assert_err(llfree_zones_get(zones, z_request(0, 0), &frame), LLFREE_ERR_NOMEM);
	z_add(zones, 1);
	z_add(zones, 3);
	assert_int_equal(z_node_of(zones, z_get(zones, 0, 0)), 1);
	assert_int_equal(z_node_of(zones, z_get(zones, 4, 0)), 3);
	assert_int_equal(z_node_of(zones, z_get(zones, 6, 0)), 3);
	llfree_zones_destroy(zones);
	/* memory that no CPU calls its own */
	zones = z_make("[numa] package:1 [numa] core:2 pu:1");
	assert_int_equal(llfree_zones_nodes(zones), 2);
	uint32_t node = llfree_zones_node_of_cpu(zones, 0) ? 0 : 1;
	z_add(zones, node);
	frame = z_get(zones, 1, 0);
	assert_int_equal(z_node_of(zones, frame), node);
	z_put(zones, 0, 0, frame);
	assert_err(llfree_zones_bind_thread(zones, 2), LLFREE_ERR_INVAL);
	llfree_zones_destroy(zones);
}

static void machine_itself_has_a_topology(void **state)
{
	(void)state;
	llfree_zones *zones;
	llfree_zone_info info;
	assert_ok(llfree_zones_create(&zones, &(llfree_zones_config){ 0 }));
	uint32_t node = llfree_zones_node_of_cpu(zones, llfree_current_cpu());
	uint32_t zone_id = z_add(zones, node);
	assert_ok(llfree_zones_info(zones, zone_id, &info));
	/* bound, or the kernel says why not */
	assert_true(info.bound == (info.bind_errno == 0));
	print_message("node %u of %u, %u CPU numbers, bound %d, errno %d\n", node, llfree_zones_nodes(zones),
		      llfree_zones_cpus(zones), info.bound, info.bind_errno);
	uint64_t frame = z_get(zones, llfree_current_cpu(), 0);
	*(volatile char *)llfree_zones_address(zones, frame) = 1;
	z_put(zones, llfree_current_cpu(), 0, frame);
	assert_ok(llfree_zones_bind_thread(zones, node));
	z_check(zones, Z_ZONE_FRAMES);
	llfree_zones_destroy(zones);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(frames_come_from_the_callers_node),
					    cmocka_unit_test(fallback_goes_by_distance),
					    cmocka_unit_test(frame_that_came_back_to_a_full_node_is_found_again),
					    cmocka_unit_test(no_fallback_takes_from_that_node_or_fails),
					    cmocka_unit_test(set_limits_where_frames_come_from),
					    cmocka_unit_test(distances_of_the_firmware_win_over_the_levels),
					    cmocka_unit_test(slots_follow_the_layout),
					    cmocka_unit_test(small_zone_shares_slots_and_large_one_does_not),
					    cmocka_unit_test(statistics_count_by_node),
					    cmocka_unit_test(address_and_frame_lead_to_each_other),
					    cmocka_unit_test(node_without_zones_or_cpus_is_served_by_the_nearest),
					    cmocka_unit_test(machine_itself_has_a_topology) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
