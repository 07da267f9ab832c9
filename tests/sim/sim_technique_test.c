/* SPDX-License-Identifier: MIT
 *
 * Balloons, reports and virtio-mem: contents survive resizes beside running vCPUs, every byte is proven,
 * blocks with fixed memory stay. */
#include "t_sim.h"

#include <stdatomic.h>

enum { HUGE = 32 };
#define MIB_2 ((uint64_t)HV_HUGE_BYTES)

static const char *const by_limit[] = { "base-manual", "huge-manual", "virtio-mem" };
static const char *const by_report[] = { "base-auto", "huge-auto" };

static void resize_beside_churn(const char *technique, const char *allocator)
{
	static hv_rig rig;
	const char *failed_step;
	hv_rig_config config = { .vm = t_vm_config("anon-thp", HUGE, 3),
				 .technique = hv_technique_find(technique),
				 .batch_huge = 16,
				 .one_mapping = T_THREAD_SANITIZER };
	config.vm.allocator = hv_guest_allocator_find(allocator);
	assert_int_equal(hv_rig_create(&rig, &config, &failed_step), HV_OK);
	hv_vm_begin(&rig.vm, HV_JOB_CHURN, 0);
	for (unsigned round = 0; round < 6; round++) {
		uint64_t limit_bytes = (24 - round % 3) * MIB_2;
		hv_move move = hv_monitor_do(&rig.monitor, HV_COMMAND_SHRINK, limit_bytes);
		assert_true(move.err == HV_OK || move.err == HV_ERR_SHORT);
		assert_true(move.bytes > 0);
		assert_int_equal(hv_rig_out_bytes(&rig), move.bytes);
		if (move.err == HV_OK)
			assert_int_equal(move.bytes, HUGE * MIB_2 - limit_bytes);
		move = hv_monitor_do(&rig.monitor, HV_COMMAND_GROW, HUGE * MIB_2);
		assert_int_equal(move.err, HV_OK);
		assert_int_equal(hv_rig_out_bytes(&rig), 0);
	}
	t_rest(&rig);
	t_assert_sound(&rig);
	assert_true(hv_vm_result(&rig.vm).frames_written > 0);
	print_message("%s on %s: %u frames migrated\n", technique, allocator,
		      (unsigned)atomic_load(&rig.vm.migrated_frames));
	hv_rig_destroy(&rig);
}

static void contents_survive_resizes_beside_running_vcpus(void **state)
{
	(void)state;
	for (size_t at = 0; at < 3; at++) {
		resize_beside_churn(by_limit[at], "buddy");
		resize_beside_churn(by_limit[at], "llfree");
	}
}

static void contents_survive_reports_beside_running_vcpus(void **state)
{
	(void)state;
	static hv_rig rig;
	for (size_t at = 0; at < 2; at++) {
		uint64_t bytes = 0;
		t_rig_open(&rig, by_report[at], "anon-thp", HUGE, 3);
		hv_vm_begin(&rig.vm, HV_JOB_CHURN, 0);
		for (unsigned round = 0; round < 20; round++) {
			hv_move move = hv_monitor_next_pass(&rig.monitor);
			assert_int_equal(move.err, HV_OK);
			bytes += move.bytes;
		}
		assert_true(bytes > 0);
		t_rest(&rig);
		t_assert_sound(&rig);
		hv_rig_destroy(&rig);
	}
}

/* Only what a guest does counts as its work, not what it waits for before it begins. */
static void pause_before_a_report_is_no_work(void **state)
{
	(void)state;
	static hv_rig rig;
	const uint64_t delay_ns = UINT64_C(60000000);
	for (size_t at = 0; at < 2; at++) {
		const char *failed_step;
		hv_rig_config config = { .vm = t_vm_config("anon-thp", HUGE, 1),
					 .technique = hv_technique_find(by_report[at]),
					 .batch_huge = 16,
					 .one_mapping = T_THREAD_SANITIZER };
		config.vm.allocator = hv_guest_allocator_find(config.technique->allocator);
		config.vm.tuning = (hv_tuning){ .report_order = 9, .report_delay_ns = delay_ns, .report_batch = 32 };
		assert_int_equal(hv_rig_create(&rig, &config, &failed_step), HV_OK);
		uint64_t begin_ns = hv_now_ns();
		hv_move move = hv_monitor_do(&rig.monitor, HV_COMMAND_PASS, 0);
		uint64_t whole_ns = hv_now_ns() - begin_ns;
		assert_int_equal(move.err, HV_OK);
		assert_true(move.bytes > 0 && move.elapsed_ns > 0);
		assert_true(move.wait_ns >= delay_ns);
		assert_true(move.elapsed_ns + move.wait_ns <= whole_ns);
		/* nothing to report: neither work nor a pause of it */
		move = hv_monitor_do(&rig.monitor, HV_COMMAND_PASS, 0);
		assert_true(move.err == HV_OK && move.bytes == 0 && move.elapsed_ns == 0 && move.wait_ns == 0);
		t_assert_sound(&rig);
		hv_rig_destroy(&rig);
	}
}

/* What was reported is not reported again before somebody used it. */
static void report_names_a_block_once(void **state)
{
	(void)state;
	static hv_rig rig;
	for (size_t at = 0; at < 2; at++) {
		t_rig_open(&rig, by_report[at], "anon-thp", HUGE, 1);
		hv_vm_fill_all(&rig.vm);
		t_rest(&rig);
		hv_proof first = hv_rig_take(&rig, 0);
		assert_true(first.bytes_moved >= (HUGE - 4) * MIB_2);
		assert_int_equal(first.bytes_freed, first.bytes_moved);
		/* a free wakes the driver, and only what is new is reported */
		hv_vm_begin(&rig.vm, HV_JOB_FILL, 2 * HV_HUGE_FRAMES);
		hv_vm_wait(&rig.vm);
		t_rest(&rig);
		rig.vm.config.allocator->drain(&rig.vm);
		hv_proof second = hv_rig_take(&rig, 0);
		assert_int_equal(second.move.err, HV_OK);
		assert_true(second.bytes_moved < first.bytes_moved / 2);
		t_assert_sound(&rig);
		hv_rig_destroy(&rig);
	}
}

static void small_report_order_finds_small_blocks(void **state)
{
	(void)state;
	static hv_rig rig;
	const char *failed_step;
	static const char *const allocators[] = { "buddy", "llfree" };
	if (!t_grain_fits("blocks of 16 KiB", 4 * HV_FRAME_BYTES))
		skip();
	for (size_t at = 0; at < 2; at++) {
		hv_rig_config config = { .vm = t_vm_config("anon-4k", 8, 1),
					 .technique = hv_technique_find("base-auto"),
					 .policy = hv_policy_find("period"),
					 .batch_huge = 16,
					 .one_mapping = T_THREAD_SANITIZER };
		config.vm.allocator = hv_guest_allocator_find(allocators[at]);
		config.vm.tuning = (hv_tuning){ .report_order = 2, .report_delay_ns = 1000000, .report_batch = 32 };
		assert_int_equal(hv_rig_create(&rig, &config, &failed_step), HV_OK);
		hv_vm_fill_all(&rig.vm);
		t_rest(&rig);
		rig.vm.config.allocator->drain(&rig.vm);
		hv_proof proof = hv_rig_take(&rig, 0);
		assert_int_equal(proof.move.err, HV_OK);
		/* all but the frames of the driver, and what shares the smallest blocks with them */
		assert_true(proof.bytes_freed >= 8 * MIB_2 - 4 * 4 * HV_FRAME_BYTES);
		assert_int_equal(proof.bytes_freed, proof.bytes_moved);
		hv_rig_destroy(&rig);
	}
}

static void held_swap(hv_vcpu *vcpu, size_t left, size_t right)
{
	hv_owners *owners = &vcpu->vm->owners;
	hv_held *low = &vcpu->held[left], *high = &vcpu->held[right];
	hv_run low_run = hv_held_lock(low), high_run = hv_held_lock(high);
	uint64_t key = low->key;
	low->key = high->key;
	high->key = key;
	hv_owner_set(owners, high_run.frame, (hv_owner){ HV_OWNER_MOVABLE, vcpu->cpu_idx, left });
	hv_owner_set(owners, low_run.frame, (hv_owner){ HV_OWNER_MOVABLE, vcpu->cpu_idx, right });
	hv_held_unlock(low, high_run);
	hv_held_unlock(high, low_run);
}

/* What this vCPU holds from this frame on becomes its base. */
static void keep_the_top(hv_vcpu *vcpu, uint64_t first_frame)
{
	vcpu->base_held = 0;
	for (size_t at = 0; at < vcpu->n_held; at++) {
		hv_run run = hv_held_lock(&vcpu->held[at]);
		hv_held_unlock(&vcpu->held[at], run);
		if (run.frame < first_frame)
			continue;
		if (at != vcpu->base_held)
			held_swap(vcpu, vcpu->base_held, at);
		vcpu->base_held++;
	}
}

static void virtio_mem_migrates_what_is_allocated(const char *allocator, uint64_t block_bytes)
{
	static hv_rig rig;
	const char *failed_step;
	hv_rig_config config = { .vm = t_vm_config("anon-thp", HUGE, 2),
				 .technique = hv_technique_find("virtio-mem"),
				 .batch_huge = 16,
				 .one_mapping = T_THREAD_SANITIZER };
	config.vm.allocator = hv_guest_allocator_find(allocator);
	config.vm.tuning.block_bytes = block_bytes;
	assert_int_equal(hv_rig_create(&rig, &config, &failed_step), HV_OK);
	/* fill everything, then free all but what lies at the top, where unplugging begins */
	hv_vm_begin(&rig.vm, HV_JOB_FILL, UINT64_MAX);
	hv_vm_wait(&rig.vm);
	for (uint32_t idx = 0; idx < 2; idx++)
		keep_the_top(&rig.vm.vcpus[idx], HUGE * 3 / 4 * HV_HUGE_FRAMES);
	t_rest(&rig);
	hv_vm_begin(&rig.vm, HV_JOB_WORK, 0);
	hv_proof proof = hv_rig_take(&rig, HUGE / 2 * MIB_2);
	assert_int_equal(proof.move.err, HV_OK);
	assert_int_equal(proof.bytes_moved, HUGE / 2 * MIB_2);
	assert_int_equal(proof.still_resident, 0);
	print_message("%s: %u frames migrated\n", allocator, (unsigned)atomic_load(&rig.vm.migrated_frames));
	assert_true(atomic_load(&rig.vm.migrated_frames) >= (HUGE / 4 - 1) * HV_HUGE_FRAMES);
	hv_move move = hv_monitor_do(&rig.monitor, HV_COMMAND_GROW, HUGE * MIB_2);
	assert_int_equal(move.err, HV_OK);
	assert_int_equal(move.bytes, HUGE / 2 * MIB_2);
	/* every frame is checked when it is freed */
	hv_vm_begin(&rig.vm, HV_JOB_IDLE, 0);
	for (uint32_t idx = 0; idx < 2; idx++)
		rig.vm.vcpus[idx].base_held = 0;
	t_rest(&rig);
	t_assert_sound(&rig);
	hv_rig_destroy(&rig);
}

static void migration_keeps_contents(void **state)
{
	(void)state;
	virtio_mem_migrates_what_is_allocated("buddy", MIB_2);
	virtio_mem_migrates_what_is_allocated("buddy", 2 * MIB_2);
	virtio_mem_migrates_what_is_allocated("llfree", MIB_2);
}

/* A fixed frame in every second huge frame: those blocks stay, the others go, and the shortage is told. */
static void blocks_with_fixed_memory_stay(void **state)
{
	(void)state;
	static hv_rig rig;
	bool fixed[HUGE] = { false };
	uint64_t frame, n_fixed = 0;
	t_rig_open(&rig, "virtio-mem", "anon-thp", HUGE, 1);
	for (unsigned at = 0; at < HUGE / 2; at++) {
		assert_int_equal(hv_vm_get_fixed(&rig.vm, LLFREE_HUGE_ORDER - 1, &frame), HV_OK);
		fixed[frame / HV_HUGE_FRAMES] = true;
	}
	fixed[0] = fixed[0] || hv_owner_of(&rig.vm.owners, 0).kind == HV_OWNER_FIXED;
	hv_proof proof = hv_rig_take(&rig, MIB_2);
	assert_int_equal(proof.move.err, HV_ERR_SHORT);
	for (unsigned at = 0; at < HUGE; at++) {
		uint64_t first = (uint64_t)at * HV_HUGE_FRAMES;
		bool rings = rig.vm.driver->rings[0].place.address / MIB_2 == at ||
			     rig.vm.driver->buffer_address / MIB_2 == at;
		fixed[at] = fixed[at] || rings;
		n_fixed += fixed[at];
		assert_true(hv_ledger_is(&rig.host.channel->ledger, first, HV_HUGE_FRAMES, !fixed[at]));
	}
	assert_int_equal(proof.bytes_moved, (HUGE - n_fixed) * MIB_2);
	assert_true(n_fixed >= HUGE / 4);
	t_assert_sound(&rig);
	hv_rig_destroy(&rig);
}

static void shortage_is_told_and_nothing_is_lost(void **state)
{
	(void)state;
	static hv_rig rig;
	for (size_t at = 0; at < 3; at++) {
		t_rig_open(&rig, by_limit[at], "anon-thp", HUGE, 1);
		hv_vm_fill_base(&rig.vm, 24 * MIB_2);
		hv_move move = hv_monitor_do(&rig.monitor, HV_COMMAND_SHRINK, 8 * MIB_2);
		assert_int_equal(move.err, HV_ERR_SHORT);
		assert_in_range(move.bytes, 6 * MIB_2, 8 * MIB_2);
		assert_int_equal(hv_rig_out_bytes(&rig), move.bytes);
		assert_int_equal(hv_monitor_do(&rig.monitor, HV_COMMAND_GROW, 33 * MIB_2).err, HV_ERR_INVAL);
		move = hv_monitor_do(&rig.monitor, HV_COMMAND_GROW, HUGE * MIB_2);
		assert_int_equal(move.err, HV_OK);
		assert_int_equal(hv_rig_out_bytes(&rig), 0);
		t_rest(&rig);
		t_assert_sound(&rig);
		hv_rig_destroy(&rig);
	}
}

static void technique_and_allocator_must_go_together(void **state)
{
	(void)state;
	static hv_rig rig;
	const char *failed_step;
	hv_rig_config config = { .vm = t_vm_config("anon-thp", 4, 1),
				 .technique = hv_technique_find("llfree-manual"),
				 .batch_huge = 16 };
	config.vm.allocator = hv_guest_allocator_find("buddy");
	assert_int_equal(hv_rig_create(&rig, &config, &failed_step), HV_ERR_INVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(contents_survive_resizes_beside_running_vcpus),
		cmocka_unit_test(contents_survive_reports_beside_running_vcpus),
		cmocka_unit_test(pause_before_a_report_is_no_work),
		cmocka_unit_test(report_names_a_block_once),
		cmocka_unit_test(small_report_order_finds_small_blocks),
		cmocka_unit_test(migration_keeps_contents),
		cmocka_unit_test(blocks_with_fixed_memory_stay),
		cmocka_unit_test(shortage_is_told_and_nothing_is_lost),
		cmocka_unit_test(technique_and_allocator_must_go_together),
	};
	return T_RUN(tests);
}
