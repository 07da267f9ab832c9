/* SPDX-License-Identifier: MIT
 *
 * Interleavings inside one transition, made to happen: this binary has its own copy of the host, whose call of
 * llfree_install() goes through a function of the test, which lets another host thread act just before E changes. */
#include "t_sim.h"

enum { HUGE = 16 };

llfree_err t_install_beside(const llfree_t *self, uint64_t huge_idx);

/* What happens beside the next install; once. */
static struct {
	t_pair *pair;
	bool soft_done;
} beside;

llfree_err t_install_beside(const llfree_t *self, uint64_t huge_idx)
{
	t_pair *pair = beside.pair;
	beside.pair = NULL;
	if (pair != NULL)
		assert_int_equal(hv_host_soft(&pair->host, huge_idx, &beside.soft_done), HV_OK);
	return llfree_install(self, huge_idx);
}

static bool evicted(const t_pair *pair, uint64_t huge_idx)
{
	llfree_huge_state seen;
	assert_int_equal(llfree_huge_state_of(&pair->vm.arena.allocator, huge_idx, &seen), LLFREE_OK);
	return seen.evicted;
}

/* A request that timed out: the guest rolled back, the frame is free and installed, the request is served late. */
static void late_install_beside_a_soft_reclaim_leaves_the_mark_to_it(void **state)
{
	(void)state;
	static t_pair pair;
	t_pair_open(&pair, "anon-thp", HUGE, 8);
	t_touch(&pair.vm.memory, 5);
	beside.pair = &pair;
	beside.soft_done = false;
	assert_int_equal(hv_host_install(&pair.host, 5), HV_INSTALL_DONE);
	assert_null(beside.pair); /* it did happen beside */
	/* whatever came first: a frame that waits for its discard is marked, so no guest gets it without an install */
	assert_true(hv_frames_state(&pair.host.frames, 5) != HV_R_BUSY || evicted(&pair, 5));
	assert_int_equal(hv_host_issue(&pair.host), HV_OK);
	bool soft = hv_frames_state(&pair.host.frames, 5) == HV_R_SOFT;
	assert_int_equal(soft, beside.soft_done);
	assert_int_equal(evicted(&pair, 5), soft);
	assert_int_equal(t_resident(&pair.vm.memory, 5), soft ? 0 : HV_HUGE_FRAMES);
	t_pair_close(&pair);
}

static void late_install_of_a_frame_being_reclaimed_is_asked_again(void **state)
{
	(void)state;
	static t_pair pair;
	t_pair_open(&pair, "anon-thp", HUGE, 8);
	assert_true(hv_frames_begin(&pair.host.frames, 5, HV_R_INSTALLED));
	assert_int_equal(hv_host_install(&pair.host, 5), HV_INSTALL_AGAIN);
	hv_frames_end(&pair.host.frames, 5, HV_R_INSTALLED);
	assert_int_equal(hv_host_install(&pair.host, 5), HV_INSTALL_DONE);
	assert_int_equal(hv_frames_state(&pair.host.frames, 5), HV_R_INSTALLED);
	t_pair_close(&pair);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(late_install_beside_a_soft_reclaim_leaves_the_mark_to_it),
		cmocka_unit_test(late_install_of_a_frame_being_reclaimed_is_asked_again),
	};
	return T_RUN(tests);
}
