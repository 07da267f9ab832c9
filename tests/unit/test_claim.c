/* SPDX-License-Identifier: MIT
 *
 * The claim word of a slot in fast mode: frames wait in it for the next get, count as free, and never get lost. */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

static uint64_t cached(const t_region *region)
{
	llfree_stats stats;
	llfree_stats_fast(&region->a, &stats);
	return stats.cached_frames;
}

static void claimed_frames_are_free_and_shown_as_cached(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, false);
	uint64_t frame = t_get(&region, 0);
	assert_int_equal(cached(&region), 31);
	for (uint64_t i = 0; i < 32; i++)
		assert_int_equal(llfree_is_free(&region.a, frame / 32 * 32 + i), frame % 32 != i);
	t_check(&region, T_TREE - 1);
	t_region_free(&region);
}

static void put_into_the_claimed_half_row_is_the_next_get(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, false);
	uint64_t frame = t_get(&region, 0);
	for (unsigned i = 0; i < 100; i++) {
		t_put(&region, 0, frame);
		assert_int_equal(cached(&region), 32);
		assert_int_equal(t_get(&region, 0), frame);
	}
	t_check(&region, T_TREE - 1);
	t_region_free(&region);
}

static void class_of_a_put_is_a_hint_that_may_be_wrong(void **state)
{
	(void)state;
	t_region region = t_region_make(2 * T_TREE, 1, false);
	uint64_t movable = t_get_class(&region, 0, 0, LLFREE_CLASS_MOVABLE);
	uint64_t fixed = t_get_class(&region, 0, 0, LLFREE_CLASS_FIXED);
	assert_int_not_equal(movable / T_TREE, fixed / T_TREE);
	for (unsigned class_idx = 0; class_idx < 256; class_idx++) {
		assert_err(llfree_put(&region.a, t_request(0, 0, class_idx), movable), LLFREE_OK);
		assert_err(llfree_put(&region.a, t_request(0, 0, class_idx), movable), LLFREE_ERR_STATE);
		assert_err(llfree_put(&region.a, t_request(0, 0, class_idx), fixed), LLFREE_OK);
		assert_int_equal(cached(&region), 64);
		t_check(&region, 2 * T_TREE);
		assert_int_equal(t_get_class(&region, 0, 0, LLFREE_CLASS_MOVABLE), movable);
		assert_int_equal(t_get_class(&region, 0, 0, LLFREE_CLASS_FIXED), fixed);
	}
	t_region_free(&region);
}

static void second_put_in_a_row_moves_the_claim(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, false);
	t_get_at(&region, 5, 320);
	(void)t_get(&region, 0); /* half row 0 is claimed */
	t_put(&region, 0, 320);
	assert_int_equal(cached(&region), 31);
	t_put(&region, 0, 321);
	assert_int_equal(cached(&region), 1);
	t_put(&region, 0, 322);
	assert_int_equal(cached(&region), 2);
	t_check(&region, T_TREE - 1 - 29);
	assert_int_equal(t_get(&region, 0), 321);
	t_region_free(&region);
}

static void double_free_of_a_claimed_frame_is_refused(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, false);
	uint64_t frame = t_get(&region, 0);
	t_put(&region, 0, frame);
	assert_err(llfree_put(&region.a, t_request(0, 0, 0), frame), LLFREE_ERR_STATE);
	assert_int_equal(cached(&region), 32);
	t_check(&region, T_TREE);
	t_region_free(&region);
}

static void double_free_of_a_frame_in_no_claim_is_refused(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, false);
	uint64_t frame = t_get(&region, 0);
	t_put(&region, 0, frame);
	llfree_drain_all(&region.a);
	for (unsigned i = 0; i < 4; i++)
		assert_err(llfree_put(&region.a, t_request(0, 0, 0), frame), LLFREE_ERR_STATE);
	t_check(&region, T_TREE);
	t_region_free(&region);
}

static void drained_slot_holds_nothing(void **state)
{
	(void)state;
	t_region region = t_region_make(8 * T_TREE, 2, false);
	for (unsigned class_idx = 0; class_idx < 3; class_idx++) {
		(void)t_get_class(&region, 0, 0, class_idx);
		(void)t_get_class(&region, 1, 0, class_idx);
	}
	uint64_t before = cached(&region);
	llfree_drain_slot(&region.a, 0, 1);
	assert_int_equal(cached(&region), before - 31);
	t_check(&region, 8 * T_TREE - 6);
	llfree_drain_cpu(&region.a, 1);
	t_check(&region, 8 * T_TREE - 6);
	llfree_drain_all(&region.a);
	assert_int_equal(cached(&region), 0);
	t_check(&region, 8 * T_TREE - 6);
	t_region_free(&region);
}

static void claims_of_others_are_drained_before_a_get_fails(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 4, false);
	for (uint32_t cpu = 0; cpu < 4; cpu++)
		(void)t_get_class(&region, cpu, 0, 0);
	/* All that is left is got through CPU 0, also what waits in the claims of the other three. */
	for (unsigned n = 4; n < T_TREE; n++)
		(void)t_get_class(&region, 0, 0, 0);
	t_check(&region, 0);
	t_region_free(&region);
}

static void huge_get_finds_the_huge_frame_whose_last_frames_wait_in_a_claim(void **state)
{
	(void)state;
	t_region region = t_region_make(512, 2, false);
	uint64_t frame = t_get_class(&region, 1, 0, 0);
	assert_ok(llfree_put(&region.a, t_request(1, 0, 0), frame));
	assert_int_equal(cached(&region), 32);
	assert_int_equal(t_get_class(&region, 0, 9, 2), 0);
	t_check(&region, 0);
	t_region_free(&region);
}

static void frame_of_a_huge_frame_is_not_cached(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, false);
	t_get_at(&region, 9, 0);
	t_put(&region, 0, 0); /* opens it */
	t_put(&region, 0, 1); /* may be claimed now */
	t_put(&region, 0, 2);
	t_check(&region, T_TREE - 509);
	llfree_drain_all(&region.a);
	t_check(&region, T_TREE - 509);
	t_region_free(&region);
}

static void exact_mode_caches_nothing(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, true);
	uint64_t first = t_get(&region, 0), second = t_get(&region, 0);
	t_put(&region, 0, first);
	t_put(&region, 0, second);
	assert_int_equal(cached(&region), 0);
	t_check(&region, T_TREE);
	t_region_free(&region);
}

static void claim_survives_more_drains_than_its_generation_counts(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, false);
	for (unsigned i = 0; i < 600; i++) {
		uint64_t frame = t_get(&region, 0);
		llfree_drain_all(&region.a);
		t_put(&region, 0, frame);
	}
	t_check(&region, T_TREE);
	t_region_free(&region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claimed_frames_are_free_and_shown_as_cached),
		cmocka_unit_test(put_into_the_claimed_half_row_is_the_next_get),
		cmocka_unit_test(class_of_a_put_is_a_hint_that_may_be_wrong),
		cmocka_unit_test(second_put_in_a_row_moves_the_claim),
		cmocka_unit_test(double_free_of_a_claimed_frame_is_refused),
		cmocka_unit_test(double_free_of_a_frame_in_no_claim_is_refused),
		cmocka_unit_test(drained_slot_holds_nothing),
		cmocka_unit_test(claims_of_others_are_drained_before_a_get_fails),
		cmocka_unit_test(huge_get_finds_the_huge_frame_whose_last_frames_wait_in_a_claim),
		cmocka_unit_test(frame_of_a_huge_frame_is_not_cached),
		cmocka_unit_test(exact_mode_caches_nothing),
		cmocka_unit_test(claim_survives_more_drains_than_its_generation_counts),
	};
	return cmocka_run_group_tests_name("claim", tests, NULL, NULL);
}
