/* SPDX-License-Identifier: MIT
 *
 * The ways of a get and a put through zones, short and long: each leaves the RCU section as it found it, refuses what
 * the core refuses, and all of them end with every frame free. */
#define _GNU_SOURCE /* headers of liburcu use CLOCK_MONOTONIC on some machines */
#include "../support/t_cmocka.h"
#include "zones_support.h"
#include <urcu/urcu-bp.h>

static const char two_nodes[] = "numa:2 core:2 pu:1";
enum {
	OTHER_CPU = 3,                                            /* of node 1 */
	TOP_ORDER = LLFREE_MAX_ORDER < 12 ? LLFREE_MAX_ORDER : 12 /* two such runs fit into a zone */
};

/* Every order, into and out of the first zone of the CPU and another one's. */
static void get_and_put_all(llfree_zones *zones)
{
	for (unsigned order = 0; order <= TOP_ORDER; order++) {
		for (uint32_t put_cpu = 0; put_cpu <= OTHER_CPU; put_cpu += OTHER_CPU) {
			uint64_t runs[3];
			for (unsigned i = 0; i < 3; i++)
				runs[i] = z_get(zones, 0, order);
			for (unsigned i = 0; i < 3; i++)
				z_put(zones, put_cpu, order, runs[i]);
		}
	}
}

static void no_way_leaves_a_section_open(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	z_add(zones, 0);
	z_add(zones, 1);
	for (unsigned order = 0; order <= TOP_ORDER; order++) {
		uint64_t frame = z_get(zones, 0, order);
		assert_int_equal(urcu_bp_read_ongoing(), 0);
		z_put(zones, 0, order, frame);
		assert_int_equal(urcu_bp_read_ongoing(), 0);
	}
	uint64_t frame;
	assert_err(llfree_zones_get(zones, z_request(0, LLFREE_MAX_ORDER + 1), &frame), LLFREE_ERR_INVAL);
	assert_err(llfree_zones_put(zones, z_request(0, 3), 7), LLFREE_ERR_INVAL);
	assert_int_equal(urcu_bp_read_ongoing(), 0);
	z_check(zones, 2 * Z_ZONE_FRAMES);
	llfree_zones_destroy(zones);
}

static void section_of_the_program_stays_open(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	z_add(zones, 0);
	z_add(zones, 1);
	for (int depth = 1; depth <= 2; depth++) {
		urcu_bp_read_lock();
		get_and_put_all(zones);
		assert_int_equal(urcu_bp_read_ongoing() != 0, 1);
	}
	urcu_bp_read_unlock();
	assert_int_equal(urcu_bp_read_ongoing() != 0, 1);
	urcu_bp_read_unlock();
	assert_int_equal(urcu_bp_read_ongoing(), 0);
	z_check(zones, 2 * Z_ZONE_FRAMES);
	llfree_zones_destroy(zones);
}

static void runs_that_are_not_owned_are_refused_on_every_way(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	uint32_t ids[2] = { z_add(zones, 0), z_add(zones, 1) };
	for (unsigned order = 1; order <= TOP_ORDER; order++) {
		uint64_t run = z_get(zones, 0, order);
		uint64_t end = (uint64_t)ids[0] << LLFREE_ZONE_FRAME_BITS | Z_ZONE_FRAMES;
		for (uint32_t cpu = 0; cpu <= OTHER_CPU; cpu += OTHER_CPU) {
			assert_err(llfree_zones_put(zones, z_request(cpu, order), run + 1), LLFREE_ERR_INVAL);
			assert_err(llfree_zones_put(zones, z_request(cpu, order), end), LLFREE_ERR_INVAL);
			assert_err(llfree_zones_put(zones, z_request(cpu, LLFREE_MAX_ORDER + 1), run),
				   LLFREE_ERR_INVAL);
		}
		z_put(zones, order % 2 ? 0 : OTHER_CPU, order, run);
		for (uint32_t cpu = 0; cpu <= OTHER_CPU; cpu += OTHER_CPU)
			assert_err(llfree_zones_put(zones, z_request(cpu, order), run), LLFREE_ERR_STATE);
	}
	z_check(zones, 2 * Z_ZONE_FRAMES);
	llfree_zones_destroy(zones);
}

/* Of a class that the zone has, and of one that it has not. */
static void put_with_another_class_finds_the_frame(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	z_add(zones, 0);
	z_add(zones, 1);
	for (uint8_t class_idx = 0; class_idx < LLFREE_MAX_CLASSES; class_idx++) {
		for (unsigned order = 0; order <= LLFREE_HUGE_ORDER; order += LLFREE_HUGE_ORDER) {
			uint64_t frame = z_get(zones, 0, order);
			llfree_request request = { .order = (uint8_t)order, .class_idx = class_idx };
			assert_ok(llfree_zones_put(zones, request, frame));
			assert_err(llfree_zones_put(zones, request, frame), LLFREE_ERR_STATE);
		}
	}
	z_check(zones, 2 * Z_ZONE_FRAMES);
	llfree_zones_destroy(zones);
}

/* A zone that looks dry for large runs still serves small ones, and large ones again once they are there. */
static void zone_without_large_runs_serves_small_ones(void **state)
{
	(void)state;
	llfree_zones *zones = z_make("numa:1 core:1 pu:1");
	z_add(zones, 0);
	static uint64_t runs[Z_ZONE_FRAMES / LLFREE_HUGE_FRAMES];
	uint64_t n_runs = z_fill(zones, 0, LLFREE_HUGE_ORDER, runs, Z_ZONE_FRAMES / LLFREE_HUGE_FRAMES);
	uint64_t frame;
	assert_err(llfree_zones_get(zones, z_request(0, LLFREE_HUGE_ORDER), &frame), LLFREE_ERR_NOMEM);
	z_put(zones, 0, 8, runs[0]); /* half of a huge frame */
	for (unsigned order = 0; order <= 8; order++)
		z_put(zones, 0, order, z_get(zones, 0, order));
	assert_err(llfree_zones_get(zones, z_request(0, LLFREE_HUGE_ORDER), &frame), LLFREE_ERR_NOMEM);
	z_put(zones, 0, 8, runs[0] + LLFREE_HUGE_FRAMES / 2);
	assert_int_equal(z_get(zones, 0, LLFREE_HUGE_ORDER), runs[0]);
	for (uint64_t i = 0; i < n_runs; i++)
		z_put(zones, 0, LLFREE_HUGE_ORDER, runs[i]);
	z_check(zones, Z_ZONE_FRAMES);
	llfree_zones_destroy(zones);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(no_way_leaves_a_section_open),
					    cmocka_unit_test(section_of_the_program_stays_open),
					    cmocka_unit_test(runs_that_are_not_owned_are_refused_on_every_way),
					    cmocka_unit_test(put_with_another_class_finds_the_frame),
					    cmocka_unit_test(zone_without_large_runs_serves_small_ones) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
