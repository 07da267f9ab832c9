/* SPDX-License-Identifier: MIT
 *
 * Whole rigs: H3 and H5 for every technique and backing, the policy, limits that can't be met. */
#include "t_sim.h"

static void assert_proof(const hv_proof *proof, bool touched)
{
	char detail[200] = "";
	bool holds = hv_proof_holds(proof, touched, detail, sizeof(detail));
	if (!holds)
		print_error("%s\n", detail);
	assert_true(holds);
}

static void shrink_and_proof(const char *technique, const char *backing)
{
	static hv_rig rig;
	/* single frames are slow on some backings */
	uint64_t moved_huge = hv_technique_find(technique)->grain_bytes < HV_HUGE_BYTES ? 3 : 16;
	uint64_t limit_bytes = (32 - moved_huge) * HV_HUGE_BYTES, memory_bytes = 32u * (uint64_t)HV_HUGE_BYTES;
	t_rig_open(&rig, technique, backing, 32, 2);
	bool automatic = rig.config.technique->automatic;
	hv_vm_fill_base(&rig.vm, 6u * (uint64_t)HV_HUGE_BYTES);
	for (unsigned round = 0; round < 3; round++) {
		bool touched = round > 0;
		if (touched) {
			hv_vm_fill_all(&rig.vm);
			t_rest(&rig);
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
		assert_int_equal(move.huge, moved_huge);
	}
	t_rest(&rig);
	t_assert_sound(&rig);
	hv_rig_destroy(&rig);
}

static void every_byte_reclaimed_is_gone(void **state)
{
	(void)state;
	char why[160];
	for (const hv_technique *const *each = hv_techniques; *each != NULL; each++) {
		if (!t_grain_fits((*each)->name, (*each)->grain_bytes))
			continue;
		for (const hv_backing *const *backing = hv_backings; *backing != NULL; backing++) {
			/* a third of the pairs is enough to see races */
			if (T_THREAD_SANITIZER && ((each - hv_techniques) + (backing - hv_backings)) % 3 != 0)
				continue;
			if ((*each)->grain_bytes != 0 && hv_backing_available(*backing, why, sizeof(why)))
				shrink_and_proof((*each)->name, (*backing)->name);
		}
	}
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
	assert_int_equal(t_evicted_resident(&rig), 1);
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
	t_rest(&rig);
	t_assert_sound(&rig);
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
	t_rest(&rig);
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

static void usual_period_of_llfree_auto_is_five_seconds(void **state)
{
	(void)state;
	assert_int_equal(hv_technique_find("llfree-auto")->period_ns, UINT64_C(5000000000));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_reclaimed_is_gone),
		cmocka_unit_test(proof_finds_memory_that_is_still_there),
		cmocka_unit_test(limit_that_cannot_be_met_takes_what_there_is_and_says_so),
		cmocka_unit_test(forced_fallbacks_reclaim_and_prove_as_well),
		cmocka_unit_test(technique_refuses_what_it_can_not_do),
		cmocka_unit_test(usual_period_of_llfree_auto_is_five_seconds),
	};
	return T_RUN(tests);
}
