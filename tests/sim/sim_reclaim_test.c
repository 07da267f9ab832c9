/* SPDX-License-Identifier: MIT
 *
 * Whole rigs: H1 under stress, H3 and H5 for every technique and backing, the policy, limits that can't be met. */
#include "t_sim.h"

#include <inttypes.h>

#define STRESS_NS UINT64_C(3000000000)

static void assert_sound(hv_rig *rig)
{
	char detail[200] = "";
	bool sound = hv_rig_sound(rig, detail, sizeof(detail));
	if (!sound)
		print_error("%s\n", detail);
	assert_true(sound);
}

static void assert_proof(const hv_proof *proof, bool touched)
{
	char detail[200] = "";
	bool holds = hv_proof_holds(proof, touched, detail, sizeof(detail));
	if (!holds)
		print_error("%s\n", detail);
	assert_true(holds);
}

static void rest(hv_rig *rig)
{
	hv_vm_begin(&rig->vm, HV_JOB_FREE, 0);
	hv_vm_wait(&rig->vm);
}

static uint64_t evicted_resident(hv_rig *rig)
{
	uint64_t n_resident = 0;
	assert_int_equal(hv_residency_look(&rig->residency, &rig->vm.memory, &rig->after), HV_OK);
	for (uint64_t idx = 0; idx < rig->vm.memory.huge_count; idx++) {
		hv_r now = hv_frames_state(&rig->host.frames, idx);
		n_resident += (now == HV_R_SOFT || now == HV_R_HARD) && rig->after.resident_frames[idx] != 0;
	}
	return n_resident;
}

static void assert_at_rest(hv_rig *rig)
{
	hv_host_counters *counters = &rig->host.counters;
	rest(rig);
	assert_sound(rig);
	assert_int_equal(evicted_resident(rig), 0);
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
	uint64_t until_ns = hv_now_ns() + STRESS_NS, seed = 42;
	hv_vm_begin(&rig.vm, HV_JOB_CHURN, 0);
	while (hv_now_ns() < until_ns) {
		bool done;
		for (uint64_t idx = 0; idx < 64; idx++)
			assert_int_equal(hv_host_soft(&rig.host, idx, &done), HV_OK);
		hv_sleep_ns(hv_random(&seed) % 1000000);
		assert_int_equal(hv_host_issue(&rig.host), HV_OK);
	}
	assert_at_rest(&rig);
	assert_true(rig.host.counters.withdrawn > 0);
	hv_rig_destroy(&rig);
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

static void shrink_and_proof(const char *technique, const char *backing)
{
	static hv_rig rig;
	uint64_t limit_bytes = 24u * (uint64_t)HV_HUGE_BYTES, memory_bytes = 48u * (uint64_t)HV_HUGE_BYTES;
	t_rig_open(&rig, technique, backing, 48, 2);
	bool automatic = rig.config.technique->automatic;
	hv_vm_fill_base(&rig.vm, 8u * (uint64_t)HV_HUGE_BYTES);
	for (unsigned round = 0; round < 3; round++) {
		bool touched = round > 0;
		if (touched) {
			hv_vm_fill_all(&rig.vm);
			rest(&rig);
		}
		hv_vm_begin(&rig.vm, HV_JOB_WORK, 0);
		hv_proof proof = hv_rig_take(&rig, limit_bytes);
		assert_proof(&proof, touched);
		assert_true(proof.bytes_moved > 0);
		if (automatic)
			continue;
		assert_int_equal(proof.bytes_moved, memory_bytes - limit_bytes);
		hv_move move = hv_monitor_do(&rig.monitor, HV_COMMAND_GROW, memory_bytes);
		assert_int_equal(move.err, HV_OK);
		assert_int_equal(move.huge, 24);
	}
	rest(&rig);
	assert_sound(&rig);
	hv_rig_destroy(&rig);
}

static void every_byte_reclaimed_is_gone(void **state)
{
	(void)state;
	char why[160];
	for (const hv_technique *const *each = hv_techniques; *each != NULL; each++)
		for (const hv_backing *const *backing = hv_backings; *backing != NULL; backing++)
			if (hv_backing_available(*backing, why, sizeof(why)))
				shrink_and_proof((*each)->name, (*backing)->name);
}

/* The proof must be able to fail: memory that comes back behind the host's back is found. */
static void proof_finds_memory_that_is_still_there(void **state)
{
	(void)state;
	static hv_rig rig;
	char detail[200];
	t_rig_open(&rig, "llfree-manual", "anon-thp", 32, 1);
	hv_proof proof = hv_rig_take(&rig, 16u * (uint64_t)HV_HUGE_BYTES);
	assert_proof(&proof, false);
	t_touch(&rig.vm.memory, hv_frames_find(&rig.host.frames, HV_R_HARD, 0));
	assert_int_equal(evicted_resident(&rig), 1);
	proof = hv_rig_take(&rig, 12u * (uint64_t)HV_HUGE_BYTES);
	assert_false(hv_proof_holds(&proof, false, detail, sizeof(detail)));
	hv_rig_destroy(&rig);
}

static void limit_that_cannot_be_met_takes_what_there_is_and_says_so(void **state)
{
	(void)state;
	static hv_rig rig;
	char detail[200];
	t_rig_open(&rig, "llfree-manual", "anon-thp", 32, 1);
	hv_vm_fill_base(&rig.vm, 20u * (uint64_t)HV_HUGE_BYTES);
	hv_proof proof = hv_rig_take(&rig, 8u * (uint64_t)HV_HUGE_BYTES);
	assert_int_equal(proof.move.err, HV_ERR_SHORT);
	assert_false(hv_proof_holds(&proof, false, detail, sizeof(detail)));
	assert_int_equal(proof.bytes_moved >> HV_HUGE_SHIFT, proof.move.huge);
	assert_true(proof.move.huge >= 11 && proof.move.huge <= 12);
	rest(&rig);
	assert_sound(&rig);
	hv_rig_destroy(&rig);
}

static void forced_fallbacks_reclaim_and_prove_as_well(void **state)
{
	(void)state;
	static hv_rig rig;
	const char *failed_step;
	hv_rig_config config = { .vm = t_vm_config("anon-thp", 32, 1),
				 .technique = hv_technique_find("llfree-manual"),
				 .discard = HV_DISCARD_COALESCED,
				 .batch_huge = 8,
				 .one_mapping = T_THREAD_SANITIZER,
				 .oracle_fallback = true };
	assert_int_equal(hv_rig_create(&rig, &config, &failed_step), HV_OK);
	hv_vm_fill_all(&rig.vm);
	rest(&rig);
	hv_proof proof = hv_rig_take(&rig, 8u * (uint64_t)HV_HUGE_BYTES);
	assert_proof(&proof, true);
	assert_int_equal(proof.move.huge, 24);
	assert_int_equal(rig.residency.way, HV_RESIDENCY_MINCORE);
	hv_rig_destroy(&rig);
}

static void technique_refuses_what_it_can_not_do(void **state)
{
	(void)state;
	static hv_rig rig;
	t_rig_open(&rig, "llfree-auto", "anon-thp", 16, 1);
	assert_int_equal(hv_monitor_do(&rig.monitor, HV_COMMAND_SHRINK, HV_HUGE_BYTES).err, HV_ERR_INVAL);
	assert_int_equal(hv_monitor_do(&rig.monitor, HV_COMMAND_GROW, HV_HUGE_BYTES).err, HV_ERR_INVAL);
	hv_rig_destroy(&rig);
	t_rig_open(&rig, "llfree-manual", "anon-thp", 16, 1);
	assert_int_equal(hv_monitor_do(&rig.monitor, HV_COMMAND_PASS, 0).err, HV_ERR_INVAL);
	assert_int_equal(hv_monitor_do(&rig.monitor, HV_COMMAND_GROW, 17u * (uint64_t)HV_HUGE_BYTES).err, HV_ERR_INVAL);
	hv_rig_destroy(&rig);
}

static void period_counts_from_the_end_of_the_last_pass(void **state)
{
	(void)state;
	const hv_policy *period = hv_policy_find("period");
	hv_policy_input input = { .now_ns = 1400, .last_ns = 1000, .period_ns = 500 };
	hv_policy_decision decision = period->decide(&input);
	assert_false(decision.act);
	assert_int_equal(decision.wait_ns, 100);
	input.now_ns = 1500;
	assert_true(period->decide(&input).act);
}

static void usual_period_of_llfree_auto_is_five_seconds(void **state)
{
	(void)state;
	assert_int_equal(hv_technique_find("llfree-auto")->period_ns, UINT64_C(5000000000));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_frame_changes_under_its_owner),
		cmocka_unit_test(late_discard_never_eats_what_a_guest_wrote),
		cmocka_unit_test(periodic_passes_beside_a_busy_guest_keep_every_frame),
		cmocka_unit_test(every_byte_reclaimed_is_gone),
		cmocka_unit_test(proof_finds_memory_that_is_still_there),
		cmocka_unit_test(limit_that_cannot_be_met_takes_what_there_is_and_says_so),
		cmocka_unit_test(forced_fallbacks_reclaim_and_prove_as_well),
		cmocka_unit_test(technique_refuses_what_it_can_not_do),
		cmocka_unit_test(period_counts_from_the_end_of_the_last_pass),
		cmocka_unit_test(usual_period_of_llfree_auto_is_five_seconds),
	};
	return T_RUN(tests);
}
