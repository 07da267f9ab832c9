/* SPDX-License-Identifier: MIT
 *
 * H1 under stress: guests churn and check every frame while the host takes softly and hard, late, and periodically. */
#define _GNU_SOURCE
#include "t_emulated.h"

#include <inttypes.h>

#define STRESS_NS     UINT64_C(2500000000)
#define STRESS_MAX_NS UINT64_C(40000000000) /* where a sanitizer slows the guests down */
enum { WITHDRAWN_MIN = 20 };

static void assert_at_rest(hv_rig *rig)
{
	hv_host_counters *counters = &rig->host.counters;
	t_rest(rig);
	t_assert_sound(rig);
	assert_int_equal(t_evicted_resident(rig), 0);
	assert_int_equal(hv_frames_count(&rig->host.frames, HV_R_BUSY), 0);
	print_message("%" PRIu64 " soft, %" PRIu64 " hard, %" PRIu64 " installed, %" PRIu64 " of them withdrawn\n",
		      counters->soft, counters->hard, counters->installed, counters->withdrawn);
}

/* Guests churn all orders and check every frame while the host takes softly and hard, and gives back. */
static void no_frame_changes_under_its_owner(void **state)
{
	(void)state;
	static hv_rig rig;
	const hv_technique *by_hand = hv_technique_find("llfree-manual"), *by_itself = hv_technique_find("llfree-auto");
	t_rig_open(&rig, "llfree-manual", "anon-thp", 64, 3);
	uint64_t memory_bytes = 64u * (uint64_t)HV_HUGE_BYTES, until_ns = hv_now_ns() + STRESS_NS, seed = 42, moved;
	hv_vm_begin(&rig.vm, HV_JOB_CHURN, 0);
	while (hv_now_ns() < until_ns) {
		assert_int_equal(by_itself->host->pass(&rig.host, &moved), HV_OK);
		uint64_t limit_bytes = (16 + hv_random(&seed) % 48) << HV_HUGE_SHIFT;
		hv_err err = by_hand->host->shrink(&rig.host, limit_bytes, &moved);
		assert_true(err == HV_OK || err == HV_ERR_SHORT);
		hv_sleep_ns(hv_random(&seed) % 200000);
		assert_int_equal(by_hand->host->grow(&rig.host, memory_bytes, &moved), HV_OK);
		assert_int_equal(hv_frames_count(&rig.host.frames, HV_R_HARD), 0);
		hv_sleep_ns(hv_random(&seed) % 2000000);
	}
	assert_at_rest(&rig);
	assert_true(rig.host.counters.soft > 0 && rig.host.counters.hard > 0 && rig.host.counters.installed > 0);
	hv_rig_destroy(&rig);
}

/* Batches that stay open while guests allocate: installs take their frames out before the late discard. */
static void late_discard_never_eats_what_a_guest_wrote(void **state)
{
	(void)state;
	static hv_rig rig;
	t_rig_open(&rig, "llfree-auto", "anon-thp", 64, 3);
	hv_host_set_discard(&rig.host, HV_DISCARD_VECTORED, HV_DISCARD_MAX);
	uint64_t begin_ns = hv_now_ns(), seed = 42;
	hv_vm_begin(&rig.vm, HV_JOB_CHURN, 0);
	while (hv_now_ns() < begin_ns + STRESS_NS ||
	       (rig.host.counters.withdrawn < WITHDRAWN_MIN && hv_now_ns() < begin_ns + STRESS_MAX_NS)) {
		bool done;
		for (uint64_t idx = 0; idx < 64; idx++)
			assert_int_equal(hv_host_soft(&rig.host, idx, &done), HV_OK);
		hv_sleep_ns(hv_random(&seed) % 4000000);
		assert_int_equal(hv_host_issue(&rig.host), HV_OK);
	}
	assert_at_rest(&rig);
	uint64_t withdrawn = rig.host.counters.withdrawn;
	hv_rig_destroy(&rig);
	if (withdrawn < WITHDRAWN_MIN && t_emulated()) {
		print_message("skipped: too slow here for installs from an open batch; all that happened was right\n");
		skip();
	}
	assert_true(withdrawn >= WITHDRAWN_MIN);
}

/* The same by the monitor's own thread and its policy. */
static void periodic_passes_beside_a_busy_guest_keep_every_frame(void **state)
{
	(void)state;
	static hv_rig rig;
	hv_move last;
	t_rig_open(&rig, "llfree-auto", "anon-thp", 64, 3);
	hv_vm_begin(&rig.vm, HV_JOB_CHURN, 0);
	hv_monitor_policy(&rig.monitor, true);
	while (hv_monitor_passes(&rig.monitor, &last) < 200)
		hv_sleep_ns(1000000);
	hv_monitor_policy(&rig.monitor, false);
	assert_int_equal(last.err, HV_OK);
	assert_at_rest(&rig);
	hv_rig_destroy(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_frame_changes_under_its_owner),
		cmocka_unit_test(late_discard_never_eats_what_a_guest_wrote),
		cmocka_unit_test(periodic_passes_beside_a_busy_guest_keep_every_frame),
	};
	return T_RUN(tests);
}
