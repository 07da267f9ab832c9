/* SPDX-License-Identifier: MIT
 *
 * Traffic: each technique sends and discards exactly as often as its design says, and rows carry it per GiB. */
#define _GNU_SOURCE
#include "t_sim.h"

#include <stdatomic.h>
#include <unistd.h>

enum { HUGE = 64, TAKEN = 16 };
#define MIB_2 ((uint64_t)HV_HUGE_BYTES)

static hv_traffic shrink_traffic(hv_rig *rig, const char *technique)
{
	t_rig_open(rig, technique, "anon-4k", HUGE, 1);
	assert_int_equal(hv_rig_fill_all(rig), HV_OK);
	assert_int_equal(hv_rig_do(rig, HV_JOB_FREE, 0), HV_OK);
	hv_traffic before = hv_rig_traffic(rig);
	hv_move move = hv_monitor_do(&rig->monitor, HV_COMMAND_SHRINK, (HUGE - TAKEN) * MIB_2);
	hv_traffic after = hv_rig_traffic(rig);
	assert_int_equal(move.err, HV_OK);
	assert_int_equal(move.bytes, TAKEN * MIB_2);
	assert_int_equal(after.discards - before.discards, move.discard_calls);
	assert_true(after.host_ns > before.host_ns);
	assert_true(before.has_guest && after.has_guest && after.guest_ns >= before.guest_ns);
	return (hv_traffic){ .discards = after.discards - before.discards,
			     .messages = after.messages - before.messages };
}

static void close_sound(hv_rig *rig)
{
	t_rest(rig);
	t_assert_sound(rig);
	hv_rig_destroy(rig);
}

static void drivers_send_and_discard_as_often_as_designed(void **state)
{
	static hv_rig rig;
	static const struct {
		const char *technique;
		uint64_t discards, messages;
	} expected[] = {
		{ "base-manual", TAKEN * 512, TAKEN * 2 + 1 }, /* 256 numbers an element; the target */
		{ "huge-manual", TAKEN, 1 + 1 },
		{ "virtio-mem", TAKEN, TAKEN + 1 },
	};
	(void)state;
	for (size_t at = 0; at < sizeof(expected) / sizeof(expected[0]); at++) {
		if (!t_grain_fits(expected[at].technique, hv_technique_find(expected[at].technique)->grain_bytes))
			continue;
		hv_traffic seen = shrink_traffic(&rig, expected[at].technique);
		assert_int_equal(seen.discards, expected[at].discards);
		assert_int_equal(seen.messages, expected[at].messages);
		close_sound(&rig);
	}
}

static void shared_state_sends_nothing_to_reclaim_and_one_request_an_install(void **state)
{
	static hv_rig rig;
	(void)state;
	hv_traffic seen = shrink_traffic(&rig, "llfree-manual");
	assert_int_equal(seen.messages, 0);
	assert_true(seen.discards >= 1 && seen.discards <= TAKEN);
	assert_int_equal(hv_monitor_do(&rig.monitor, HV_COMMAND_GROW, HUGE * MIB_2).err, HV_OK);
	hv_traffic before = hv_rig_traffic(&rig);
	assert_int_equal(hv_rig_fill_all(&rig), HV_OK);
	hv_traffic after = hv_rig_traffic(&rig);
	assert_int_equal(after.messages - before.messages, TAKEN);
	assert_int_equal(after.discards, before.discards);
	assert_true(after.host_ns > before.host_ns);
	close_sound(&rig);
}

static void samples_are_per_gib_and_per_huge_frame(void **state)
{
	hv_traffic_samples samples = { 0 };
	hv_traffic before = { .discards = 10, .messages = 20, .host_ns = 1000 };
	hv_traffic after = { .discards = 12, .messages = 84, .host_ns = 5000, .guest_ns = 700, .has_guest = true };
	(void)state;
	assert_int_equal(hv_traffic_add(&samples, &before, &after, UINT64_C(512) << 20), HV_OK);
	assert_true(samples.discards.values[0] == 4 && samples.messages.values[0] == 128);
	assert_true(samples.host.values[0] == 4000.0 / 256);
	assert_int_equal(samples.guest.n_values, 0);
	before.has_guest = after.has_device = true;
	after.unmaps = 3;
	assert_int_equal(hv_traffic_add(&samples, &before, &after, MIB_2), HV_OK);
	assert_true(samples.guest.n_values == 1 && samples.guest.values[0] == 700);
	assert_true(samples.unmaps.n_values == 1 && samples.unmaps.values[0] == 3 * 512 && samples.maps.values[0] == 0);
	hv_result result;
	hv_row like = { .scenario = "inflate", .technique = "none", .phase = "shrink", .has_bytes_moved = true };
	assert_int_equal(hv_result_open(&result, NULL, "inflate", 1), HV_OK);
	hv_traffic_emit(&samples, &result, &like);
	assert_int_equal(cJSON_GetArraySize(result.rows), 6);
	assert_null(cJSON_GetObjectItem(cJSON_GetArrayItem(result.rows, 0), "bytes_moved"));
	assert_true(samples.discards.n_values == 0 && samples.guest.n_values == 0);
	hv_result_close(&result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(drivers_send_and_discard_as_often_as_designed),
		cmocka_unit_test(shared_state_sends_nothing_to_reclaim_and_one_request_an_install),
		cmocka_unit_test(samples_are_per_gib_and_per_huge_frame),
	};
	return T_RUN(tests);
}
