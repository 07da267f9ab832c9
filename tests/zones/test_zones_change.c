/* SPDX-License-Identifier: MIT
 *
 * Zones come and go: removal gives the memory back, refuses while frames are owned, migrates; stale handles. */
#define _GNU_SOURCE
#include "../support/t_cmocka.h"
#include "zones_support.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static const char two_nodes[] = "numa:2 l3:1 core:4 pu:2";

static bool mapped(void *address)
{
	unsigned char page;
	return mincore(address, LLFREE_FRAME_BYTES, &page) == 0 || errno != ENOMEM;
}

static void removal_gives_memory_and_metadata_back(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	uint32_t kept = z_add(zones, 0), zone_id = z_add(zones, 1);
	const llfree_arena *arena = llfree_zones_arena(zones, zone_id);
	char *memory = (char *)arena->memory, *last = memory + arena->memory_bytes - LLFREE_FRAME_BYTES;
	void *region = arena->region;
	uint64_t frame = z_get(zones, 8, 0), owned = 99;
	memset(llfree_zones_address(zones, frame), 1, LLFREE_FRAME_BYTES);
	z_put(zones, 8, 0, frame); /* the slot holds it still */
	assert_true(mapped(memory) && mapped(last) && mapped(region));
	assert_ok(llfree_zones_remove(zones, zone_id, NULL, NULL, &owned));
	assert_int_equal(owned, 0);
	assert_false(mapped(memory));
	assert_false(mapped(last));
	assert_false(mapped(region));
	uint32_t ids[4];
	assert_int_equal(llfree_zones_list(zones, ids, 4), 1);
	assert_int_equal(ids[0], kept);
	assert_int_equal(z_node_of(zones, z_get(zones, 8, 0)), 0);
	llfree_zones_destroy(zones);
}

static void removal_is_refused_while_frames_are_owned(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= LLFREE_MAX_ORDER && order <= LLFREE_HUGE_ORDER + 1; order++) {
		llfree_zones *zones = z_make(two_nodes);
		uint32_t zone_id = z_add(zones, 0);
		uint64_t frame = z_get(zones, 0, order), owned = 0;
		assert_err(llfree_zones_remove(zones, zone_id, NULL, NULL, &owned), LLFREE_ERR_STATE);
		assert_int_equal(owned, UINT64_C(1) << order);
		/* nothing changed: gets find the zone again */
		uint64_t other = z_get(zones, 0, 0);
		z_put(zones, 0, 0, other);
		z_put(zones, 0, order, frame);
		z_check(zones, Z_ZONE_FRAMES);
		assert_ok(llfree_zones_remove(zones, zone_id, NULL, NULL, &owned));
		assert_int_equal(owned, 0);
		llfree_zones_destroy(zones);
	}
}

static void offline_zone_gives_nothing_and_takes_puts(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	uint32_t zone_id = z_add(zones, 0);
	uint64_t frame = z_get(zones, 0, 2), owned = 0, none;
	llfree_zone_info info;
	assert_ok(llfree_zones_offline(zones, zone_id, &owned));
	assert_int_equal(owned, 4);
	assert_ok(llfree_zones_info(zones, zone_id, &info));
	assert_false(info.online);
	assert_err(llfree_zones_get(zones, z_request(0, 0), &none), LLFREE_ERR_NOMEM);
	for (uint64_t i = 0; i < 3; i++)
		z_put(zones, 0, 0, frame + i);
	assert_err(llfree_zones_get(zones, z_request(0, 0), &none), LLFREE_ERR_NOMEM);
	/* refused, and offline as before */
	assert_err(llfree_zones_remove(zones, zone_id, NULL, NULL, &owned), LLFREE_ERR_STATE);
	assert_int_equal(owned, 1);
	assert_err(llfree_zones_get(zones, z_request(0, 0), &none), LLFREE_ERR_NOMEM);
	assert_ok(llfree_zones_online(zones, zone_id));
	assert_ok(llfree_zones_online(zones, zone_id));
	none = z_get(zones, 0, LLFREE_HUGE_ORDER);
	z_put(zones, 0, LLFREE_HUGE_ORDER, none);
	z_put(zones, 0, 0, frame + 3);
	z_check(zones, Z_ZONE_FRAMES);
	llfree_zones_destroy(zones);
}

/* What a test owns in the zone that goes: moved to another zone, byte by byte. */
typedef struct owner {
	llfree_zones *zones;
	uint64_t frames[64];
	unsigned orders[64], n_runs, calls, stop_after;
} owner;

static bool move_run(void *context, uint64_t frame, unsigned order)
{
	owner *self = context;
	if (self->calls++ == self->stop_after)
		return false;
	for (unsigned i = 0; i < self->n_runs; i++) {
		uint64_t n_frames = UINT64_C(1) << self->orders[i];
		if (frame < self->frames[i] || frame >= self->frames[i] + n_frames)
			continue;
		assert_true(order == 0 || self->orders[i] >= LLFREE_HUGE_ORDER);
		uint64_t next = z_get(self->zones, 0, self->orders[i]);
		assert_int_not_equal(llfree_zone_of(next), llfree_zone_of(frame));
		memcpy(llfree_zones_address(self->zones, next), llfree_zones_address(self->zones, self->frames[i]),
		       n_frames * LLFREE_FRAME_BYTES);
		z_put(self->zones, 0, self->orders[i], self->frames[i]);
		self->frames[i] = next;
		return true;
	}
	fail_msg("frame %llx is offered, nobody owns it", (unsigned long long)frame);
	return false;
}

static void own_runs(owner *self)
{
	static const unsigned orders[] = { 0, 0, 3, 6, 7, 8, 9, 0, 10, 1 };
	for (unsigned i = 0; i < T_COUNT(orders); i++) {
		unsigned order = orders[i] > LLFREE_MAX_ORDER ? LLFREE_MAX_ORDER : orders[i];
		self->orders[i] = order;
		self->frames[i] = z_get(self->zones, 8, order);
		memset(llfree_zones_address(self->zones, self->frames[i]), (int)i + 1,
		       (size_t)LLFREE_FRAME_BYTES << order);
	}
	self->n_runs = T_COUNT(orders);
	z_put(self->zones, 8, self->orders[1], self->frames[1]);
	self->frames[1] = z_get(self->zones, 8, self->orders[1]);
	memset(llfree_zones_address(self->zones, self->frames[1]), 2, LLFREE_FRAME_BYTES);
}

static void owned_frames_are_migrated_and_the_zone_goes(void **state)
{
	(void)state;
	owner self = { .zones = z_make(two_nodes), .stop_after = UINT32_MAX };
	uint64_t owned = 99;
	z_add(self.zones, 0);
	uint32_t zone_id = z_add(self.zones, 1);
	own_runs(&self);
	assert_ok(llfree_zones_remove(self.zones, zone_id, move_run, &self, &owned));
	assert_int_equal(owned, 0);
	assert_int_equal(self.calls, self.n_runs);
	uint64_t sum = 0;
	for (unsigned i = 0; i < self.n_runs; i++) {
		const unsigned char *bytes = llfree_zones_address(self.zones, self.frames[i]);
		assert_non_null(bytes);
		for (size_t at = 0; at < (size_t)LLFREE_FRAME_BYTES << self.orders[i]; at += 1021)
			assert_int_equal(bytes[at], i + 1);
		sum += UINT64_C(1) << self.orders[i];
	}
	z_check(self.zones, Z_ZONE_FRAMES - sum);
	llfree_zones_destroy(self.zones);
}

static void migration_that_gives_up_leaves_the_zone(void **state)
{
	(void)state;
	owner self = { .zones = z_make(two_nodes), .stop_after = 4 };
	uint64_t owned = 0, sum = 0;
	z_add(self.zones, 0);
	uint32_t zone_id = z_add(self.zones, 1);
	own_runs(&self);
	assert_err(llfree_zones_remove(self.zones, zone_id, move_run, &self, &owned), LLFREE_ERR_STATE);
	for (unsigned i = 0; i < self.n_runs; i++)
		sum += llfree_zone_of(self.frames[i]) == zone_id ? UINT64_C(1) << self.orders[i] : 0;
	assert_true(sum > 0);
	assert_int_equal(owned, sum);
	assert_int_equal(z_node_of(self.zones, z_get(self.zones, 8, 0)), 1);
	llfree_zones_destroy(self.zones);
}

static void frame_of_a_zone_that_is_gone_is_refused(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	uint32_t zone_id = z_add(zones, 0), again;
	uint64_t stale = z_get(zones, 0, 0), frame;
	z_put(zones, 0, 0, stale);
	assert_ok(llfree_zones_remove(zones, zone_id, NULL, NULL, NULL));
	assert_err(llfree_zones_put(zones, z_request(0, 0), stale), LLFREE_ERR_INVAL);
	assert_null(llfree_zones_address(zones, stale));
	/* another zone in its place, the same frame taken there */
	again = z_add(zones, 0);
	assert_int_equal(again % LLFREE_ZONES_MAX, zone_id % LLFREE_ZONES_MAX);
	assert_int_not_equal(again, zone_id);
	frame = z_get(zones, 0, 0);
	assert_int_equal(llfree_zone_frame_of(frame), llfree_zone_frame_of(stale));
	assert_err(llfree_zones_put(zones, z_request(0, 0), stale), LLFREE_ERR_INVAL);
	z_put(zones, 0, 0, frame);
	llfree_zones_destroy(zones);
}

static void wrong_arguments_are_refused(void **state)
{
	(void)state;
	llfree_zones *zones = NULL;
	llfree_zone_info info;
	uint32_t zone_id;
	uint64_t frame = 0, owned;
	assert_err(llfree_zones_create(&zones, &(llfree_zones_config){ .synthetic = "nonsense:0" }), LLFREE_ERR_INVAL);
	assert_null(zones);
	assert_err(llfree_zones_create(&zones, &(llfree_zones_config){ .synthetic = two_nodes, .xml_path = "x" }),
		   LLFREE_ERR_INVAL);
	llfree_err err = llfree_zones_create(&zones, &(llfree_zones_config){ .xml_path = "/nonexistent/topology.xml" });
	assert_true(err == LLFREE_ERR_INVAL || err == LLFREE_ERR_SYSTEM);
	assert_null(zones);
	zones = z_make(two_nodes);
	llfree_zone_config config = { .node = 2, .arena.memory_bytes = Z_MIB };
	assert_err(llfree_zones_add(zones, &config, &zone_id), LLFREE_ERR_INVAL);
	config = (llfree_zone_config){ .layout = LLFREE_SLOT_LAYOUTS, .arena.memory_bytes = Z_MIB };
	assert_err(llfree_zones_add(zones, &config, &zone_id), LLFREE_ERR_INVAL);
	config = (llfree_zone_config){ 0 };
	assert_err(llfree_zones_add(zones, &config, &zone_id), LLFREE_ERR_INVAL);
	config = (llfree_zone_config){ .must_bind = true, .arena.memory_bytes = Z_MIB };
	assert_err(llfree_zones_add(zones, &config, &zone_id), LLFREE_ERR_SYSTEM);
	zone_id = z_add(zones, 0);
	for (uint64_t bad = 0; bad < 3; bad++) {
		uint64_t handles[3] = { 5, (uint64_t)zone_id << 32 | UINT32_MAX, (uint64_t)(zone_id + 1) << 32 };
		for (unsigned order = 0; order < 10; order += 9)
			assert_err(llfree_zones_put(zones, z_request(0, order), handles[bad]), LLFREE_ERR_INVAL);
	}
	assert_err(llfree_zones_get(zones, z_request(0, LLFREE_MAX_ORDER + 1), &frame), LLFREE_ERR_INVAL);
	assert_err(llfree_zones_get(zones, (llfree_request){ .class_idx = 7 }, &frame), LLFREE_ERR_INVAL);
	assert_err(llfree_zones_put(zones, z_request(0, 0), (uint64_t)zone_id << 32), LLFREE_ERR_STATE);
	assert_err(llfree_zones_remove(zones, zone_id + 1, NULL, NULL, &owned), LLFREE_ERR_INVAL);
	assert_err(llfree_zones_remove(zones, 0, NULL, NULL, &owned), LLFREE_ERR_INVAL);
	assert_err(llfree_zones_offline(zones, zone_id + 1, &owned), LLFREE_ERR_INVAL);
	assert_err(llfree_zones_online(zones, zone_id + 1), LLFREE_ERR_INVAL);
	assert_err(llfree_zones_info(zones, zone_id + 1, &info), LLFREE_ERR_INVAL);
	assert_null(llfree_zones_arena(zones, 0));
	llfree_zones_destroy(zones);
	llfree_zones_destroy(NULL);
}

static void exact_zone_sees_double_frees(void **state)
{
	(void)state;
	llfree_zones *zones = z_make(two_nodes);
	llfree_zone_config config = { .arena = { .memory_bytes = (uint64_t)Z_ZONE_MIB * Z_MIB,
						 .allocator.exact = true } };
	uint32_t zone_id;
	assert_ok(llfree_zones_add(zones, &config, &zone_id));
	for (unsigned order = 0; order <= LLFREE_HUGE_ORDER; order++) {
		uint64_t frame = z_get(zones, 9, order);
		z_put(zones, 1, order, frame);
		assert_err(llfree_zones_put(zones, z_request(1, order), frame), LLFREE_ERR_STATE);
	}
	z_check(zones, Z_ZONE_FRAMES);
	llfree_zones_destroy(zones);
}

static void hundreds_of_zones_are_used_one_after_the_other(void **state)
{
	(void)state;
	llfree_zones *zones = z_make("numa:1 core:1 pu:1");
	llfree_zone_config config = { .arena.memory_bytes = LLFREE_HUGE_BYTES };
	uint32_t ids[LLFREE_ZONES_MAX], more;
	for (unsigned i = 0; i < 300; i++)
		assert_ok(llfree_zones_add(zones, &config, &ids[i]));
	/* huge frames: one from each */
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(llfree_zone_of(z_get(zones, 0, LLFREE_HUGE_ORDER)), ids[i]);
	uint64_t frame;
	assert_err(llfree_zones_get(zones, z_request(0, 0), &frame), LLFREE_ERR_NOMEM);
	assert_ok(llfree_zones_add(zones, &config, &more));
	assert_int_equal(llfree_zone_of(z_get(zones, 0, 0)), more);
	llfree_zones_destroy(zones);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(removal_gives_memory_and_metadata_back),
					    cmocka_unit_test(removal_is_refused_while_frames_are_owned),
					    cmocka_unit_test(offline_zone_gives_nothing_and_takes_puts),
					    cmocka_unit_test(owned_frames_are_migrated_and_the_zone_goes),
					    cmocka_unit_test(migration_that_gives_up_leaves_the_zone),
					    cmocka_unit_test(frame_of_a_zone_that_is_gone_is_refused),
					    cmocka_unit_test(wrong_arguments_are_refused),
					    cmocka_unit_test(exact_zone_sees_double_frees),
					    cmocka_unit_test(hundreds_of_zones_are_used_one_after_the_other) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
