/* SPDX-License-Identifier: MIT
 *
 * The host's transitions by direct calls: R, E and memory after each, and an install at every moment of a reclaim. */
#include "t_sim.h"

enum { HUGE = 16 };

static bool evicted(const t_pair *pair, uint64_t huge_idx)
{
	llfree_huge_state seen;
	assert_int_equal(llfree_huge_state_of(&pair->vm.arena.allocator, huge_idx, &seen), LLFREE_OK);
	return seen.evicted;
}

static bool free_whole(const t_pair *pair, uint64_t huge_idx)
{
	llfree_huge_state seen;
	assert_int_equal(llfree_huge_state_of(&pair->vm.arena.allocator, huge_idx, &seen), LLFREE_OK);
	return seen.free;
}

static void soft(t_pair *pair, uint64_t huge_idx)
{
	bool done;
	assert_int_equal(hv_host_soft(&pair->host, huge_idx, &done), HV_OK);
	assert_true(done);
}

static void hard(t_pair *pair, uint64_t huge_idx)
{
	bool done;
	assert_int_equal(hv_host_hard(&pair->host, huge_idx, &done), HV_OK);
	assert_true(done);
}

static hv_r r(const t_pair *pair, uint64_t huge_idx)
{
	return hv_frames_state(&pair->host.frames, huge_idx);
}

static void soft_reclaim_is_busy_until_its_discard(void **state)
{
	(void)state;
	static t_pair pair;
	t_pair_open(&pair, "anon-thp", HUGE, 8);
	t_touch(&pair.vm.memory, 2);
	soft(&pair, 2);
	assert_int_equal(r(&pair, 2), HV_R_BUSY);
	assert_true(evicted(&pair, 2));
	assert_int_equal(t_resident(&pair.vm.memory, 2), HV_HUGE_FRAMES);
	assert_int_equal(hv_host_issue(&pair.host), HV_OK);
	assert_int_equal(r(&pair, 2), HV_R_SOFT);
	assert_true(free_whole(&pair, 2));
	assert_int_equal(t_resident(&pair.vm.memory, 2), 0);
	t_pair_close(&pair);
}

static void full_batch_issues_itself(void **state)
{
	(void)state;
	static t_pair pair;
	t_pair_open(&pair, "anon-thp", HUGE, 3);
	for (uint64_t idx = 0; idx < 3; idx++)
		t_touch(&pair.vm.memory, idx);
	soft(&pair, 0);
	hard(&pair, 1);
	assert_int_equal(r(&pair, 0), HV_R_BUSY);
	soft(&pair, 2);
	assert_int_equal(r(&pair, 0), HV_R_SOFT);
	assert_int_equal(r(&pair, 1), HV_R_HARD);
	assert_int_equal(r(&pair, 2), HV_R_SOFT);
	for (uint64_t idx = 0; idx < 3; idx++)
		assert_int_equal(t_resident(&pair.vm.memory, idx), 0);
	assert_int_equal(pair.host.counters.discard_calls, 1);
	t_pair_close(&pair);
}

static void hard_reclaim_takes_the_frame_from_the_guest(void **state)
{
	(void)state;
	static t_pair pair;
	t_pair_open(&pair, "anon-thp", HUGE, 8);
	hard(&pair, 5);
	assert_int_equal(hv_host_issue(&pair.host), HV_OK);
	llfree_request request = { .order = LLFREE_HUGE_ORDER, .class_idx = LLFREE_CLASS_HUGE };
	assert_int_equal(llfree_get_at(&pair.vm.vcpus[0].view, request, 5 * LLFREE_HUGE_FRAMES), LLFREE_ERR_STATE);
	bool done;
	assert_int_equal(hv_host_hard(&pair.host, 5, &done), HV_OK);
	assert_false(done);
	assert_int_equal(hv_host_soft(&pair.host, 5, &done), HV_OK);
	assert_false(done);
	t_pair_close(&pair);
}

static void hard_reclaim_of_a_soft_frame_discards_nothing(void **state)
{
	(void)state;
	static t_pair pair;
	t_pair_open(&pair, "anon-thp", HUGE, 1);
	soft(&pair, 4);
	assert_int_equal(pair.host.counters.discarded, 1);
	hard(&pair, 4);
	assert_int_equal(r(&pair, 4), HV_R_HARD);
	assert_int_equal(pair.host.counters.discarded, 1);
	t_pair_close(&pair);
}

static void returned_frame_is_free_evicted_and_without_memory(void **state)
{
	(void)state;
	static t_pair pair;
	bool done;
	t_pair_open(&pair, "anon-thp", HUGE, 1);
	t_touch(&pair.vm.memory, 9);
	assert_int_equal(hv_host_return(&pair.host, 9, &done), HV_OK);
	assert_false(done);
	hard(&pair, 9);
	assert_int_equal(hv_host_return(&pair.host, 9, &done), HV_OK);
	assert_true(done);
	assert_int_equal(r(&pair, 9), HV_R_SOFT);
	assert_true(evicted(&pair, 9));
	assert_true(free_whole(&pair, 9));
	assert_int_equal(t_resident(&pair.vm.memory, 9), 0);
	assert_int_equal(hv_host_return(&pair.host, 9, &done), HV_OK);
	assert_false(done);
	t_pair_close(&pair);
}

static void install_of_a_soft_frame_populates_then_clears_the_mark(void **state)
{
	(void)state;
	static t_pair pair;
	t_pair_open(&pair, "anon-thp", HUGE, 1);
	t_touch(&pair.vm.memory, 3);
	soft(&pair, 3);
	assert_int_equal(hv_host_install(&pair.host, 3), HV_INSTALL_DONE);
	assert_int_equal(r(&pair, 3), HV_R_INSTALLED);
	assert_false(evicted(&pair, 3));
	assert_int_equal(t_resident(&pair.vm.memory, 3), HV_HUGE_FRAMES);
	assert_int_equal(hv_host_install(&pair.host, 3), HV_INSTALL_DONE); /* the second of two waiters */
	assert_int_equal(pair.host.counters.installed, 1);
	t_pair_close(&pair);
}

static void install_of_a_busy_frame_not_yet_in_the_batch_waits(void **state)
{
	(void)state;
	static t_pair pair;
	t_pair_open(&pair, "anon-thp", HUGE, 8);
	assert_true(hv_frames_begin(&pair.host.frames, 6, HV_R_INSTALLED));
	assert_int_equal(hv_host_install(&pair.host, 6), HV_INSTALL_AGAIN);
	assert_int_equal(llfree_reclaim_soft(&pair.host.view, 6), LLFREE_OK);
	assert_int_equal(hv_host_install(&pair.host, 6), HV_INSTALL_AGAIN);
	hv_batch_add(&pair.host.batch, 6, HV_R_SOFT);
	assert_int_equal(hv_host_install(&pair.host, 6), HV_INSTALL_DONE);
	t_pair_close(&pair);
}

static void install_of_a_frame_in_the_open_batch_saves_its_memory(void **state)
{
	(void)state;
	static t_pair pair;
	for (uint64_t wanted = 0; wanted < 4; wanted++) { /* each position in the batch */
		t_pair_open(&pair, "anon-thp", HUGE, 8);
		for (uint64_t idx = 0; idx < 4; idx++) {
			t_touch(&pair.vm.memory, idx);
			soft(&pair, idx);
		}
		assert_int_equal(hv_host_install(&pair.host, wanted), HV_INSTALL_DONE);
		assert_int_equal(r(&pair, wanted), HV_R_INSTALLED);
		assert_false(evicted(&pair, wanted));
		memset(hv_memory_huge(&pair.vm.memory, wanted), 0x5a, HV_HUGE_BYTES); /* the guest goes on */
		assert_int_equal(hv_host_issue(&pair.host), HV_OK);
		for (uint64_t idx = 0; idx < 4; idx++) {
			assert_int_equal(r(&pair, idx), idx == wanted ? HV_R_INSTALLED : HV_R_SOFT);
			assert_int_equal(t_resident(&pair.vm.memory, idx), idx == wanted ? HV_HUGE_FRAMES : 0);
		}
		assert_int_equal(hv_memory_huge(&pair.vm.memory, wanted)[12345], 0x5a);
		assert_int_equal(pair.host.counters.withdrawn, 1);
		t_pair_close(&pair);
	}
}

static void install_during_the_discard_waits_for_its_end(void **state)
{
	(void)state;
	static t_pair pair;
	uint64_t huge_idx[HV_DISCARD_MAX];
	hv_r to[HV_DISCARD_MAX];
	bool failed[HV_DISCARD_MAX];
	t_pair_open(&pair, "anon-thp", HUGE, 8);
	t_touch(&pair.vm.memory, 1);
	soft(&pair, 1);
	/* what hv_host_issue() does, stopped after each step */
	assert_int_equal(hv_batch_take(&pair.host.batch, huge_idx, to), 1);
	assert_int_equal(hv_host_install(&pair.host, 1), HV_INSTALL_AGAIN);
	assert_int_equal(hv_discard(&pair.host.discarder, &pair.vm.memory, huge_idx, 1, failed, NULL), HV_OK);
	assert_int_equal(hv_host_install(&pair.host, 1), HV_INSTALL_AGAIN);
	assert_true(evicted(&pair, 1));
	hv_frames_end(&pair.host.frames, 1, to[0]);
	assert_int_equal(hv_host_install(&pair.host, 1), HV_INSTALL_DONE);
	assert_int_equal(t_resident(&pair.vm.memory, 1), HV_HUGE_FRAMES);
	t_pair_close(&pair);
}

static void install_of_a_hard_reclaimed_frame_is_refused(void **state)
{
	(void)state;
	static t_pair pair;
	t_pair_open(&pair, "anon-thp", HUGE, 8);
	t_touch(&pair.vm.memory, 2);
	hard(&pair, 2);
	assert_int_equal(hv_host_install(&pair.host, 2), HV_INSTALL_AGAIN); /* in the batch */
	assert_int_equal(hv_host_issue(&pair.host), HV_OK);
	assert_int_equal(hv_host_install(&pair.host, 2), HV_INSTALL_REFUSED);
	assert_int_equal(t_resident(&pair.vm.memory, 2), 0);
	assert_null(hv_host_fault(&pair.host));
	t_pair_close(&pair);
}

static void install_beside_a_return_waits_for_its_end(void **state)
{
	(void)state;
	static t_pair pair;
	t_pair_open(&pair, "anon-thp", HUGE, 1);
	hard(&pair, 2);
	/* what hv_host_return() does, stopped after each step */
	assert_true(hv_frames_begin(&pair.host.frames, 2, HV_R_HARD));
	assert_int_equal(hv_host_install(&pair.host, 2), HV_INSTALL_AGAIN);
	assert_int_equal(llfree_return(&pair.host.view, 2), LLFREE_OK);
	assert_int_equal(hv_host_install(&pair.host, 2), HV_INSTALL_AGAIN);
	hv_frames_end(&pair.host.frames, 2, HV_R_SOFT);
	assert_int_equal(hv_host_install(&pair.host, 2), HV_INSTALL_DONE);
	t_pair_close(&pair);
}

static void frame_in_use_is_not_reclaimed(void **state)
{
	(void)state;
	static t_pair pair;
	bool done;
	t_pair_open(&pair, "anon-thp", HUGE, 1);
	llfree_request request = { .order = 0, .class_idx = LLFREE_CLASS_FIXED };
	uint64_t frame = 11 * LLFREE_HUGE_FRAMES + 77;
	assert_int_equal(llfree_get_at(&pair.vm.vcpus[0].view, request, frame), LLFREE_OK);
	assert_int_equal(hv_host_soft(&pair.host, 11, &done), HV_OK);
	assert_false(done);
	assert_int_equal(hv_host_hard(&pair.host, 11, &done), HV_OK);
	assert_false(done);
	assert_int_equal(r(&pair, 11), HV_R_INSTALLED);
	t_pair_close(&pair);
}

static void discard_that_the_kernel_refuses_gives_the_frame_back(void **state)
{
	(void)state;
	static t_pair pair;
	t_pair_open(&pair, "memfd", HUGE, 8);
	t_touch(&pair.vm.memory, 1);
	t_touch(&pair.vm.memory, 2);
	pair.host.memory.fd = -1; /* no hole can be punched */
	soft(&pair, 1);
	hard(&pair, 2);
	assert_int_equal(hv_host_issue(&pair.host), HV_ERR_DISCARD);
	for (uint64_t idx = 1; idx <= 2; idx++) {
		assert_int_equal(r(&pair, idx), HV_R_INSTALLED);
		assert_false(evicted(&pair, idx));
		assert_true(free_whole(&pair, idx));
	}
	assert_int_equal(pair.host.counters.discard_failures, 2);
	llfree_audit_report report;
	assert_true(llfree_audit(&pair.vm.arena.allocator, &report));
	t_pair_close(&pair);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(soft_reclaim_is_busy_until_its_discard),
		cmocka_unit_test(full_batch_issues_itself),
		cmocka_unit_test(hard_reclaim_takes_the_frame_from_the_guest),
		cmocka_unit_test(hard_reclaim_of_a_soft_frame_discards_nothing),
		cmocka_unit_test(returned_frame_is_free_evicted_and_without_memory),
		cmocka_unit_test(install_of_a_soft_frame_populates_then_clears_the_mark),
		cmocka_unit_test(install_of_a_busy_frame_not_yet_in_the_batch_waits),
		cmocka_unit_test(install_of_a_frame_in_the_open_batch_saves_its_memory),
		cmocka_unit_test(install_during_the_discard_waits_for_its_end),
		cmocka_unit_test(install_of_a_hard_reclaimed_frame_is_refused),
		cmocka_unit_test(install_beside_a_return_waits_for_its_end),
		cmocka_unit_test(frame_in_use_is_not_reclaimed),
		cmocka_unit_test(discard_that_the_kernel_refuses_gives_the_frame_back),
	};
	return T_RUN(tests);
}
