/* SPDX-License-Identifier: MIT
 *
 * Recovery: everything that can be derived is derived anew, from whatever the killed users left (A10). */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

#include "core/words.h"

static void recovered(t_region *region, bool keep_claims)
{
	llfree_t other;
	assert_ok(llfree_recover(&other, region->bytes, region->n_bytes, keep_claims));
}

static void recovery_at_rest_changes_nothing_that_can_be_seen(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(2 * T_TREE + 700, 2, exact);
		t_get_at(&region, 9, 512);
		t_get_at(&region, 3, 4096 + 8);
		(void)t_get(&region, 0);
		assert_ok(llfree_reclaim_soft(&region.a, 9));
		bool was_evicted;
		assert_ok(llfree_reclaim_hard(&region.a, 10, &was_evicted));
		assert_ok(llfree_tree_offline(&region.a, 2));
		uint64_t free_frames = t_free_frames(&region), observed = t_observed(&region);
		recovered(&region, false);
		t_check(&region, free_frames);
		assert_int_equal(t_observed(&region), observed);
		t_region_free(&region);
	}
}

static void recovery_of_a_partial_last_tree_stays_inside_the_region(void **state)
{
	(void)state;
	/* Sizes that end inside a row, a huge frame and a tree; the region is exactly as large as it must be. */
	static const uint64_t sizes[] = { 1, 65, 513, 577, 4097, 4096 + 512 + 1, 3 * 512 };
	for (unsigned i = 0; i < T_COUNT(sizes); i++) {
		t_region region = t_region_make(sizes[i], 1, true);
		recovered(&region, false);
		t_check(&region, sizes[i]);
		t_region_free(&region);
	}
}

static void counts_are_derived_from_bits(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, true);
	t_get_at(&region, 4, 0);
	region.a.children[0].word_ = 3;
	region.a.trees[0].word_ = 17;
	recovered(&region, false);
	t_check(&region, T_TREE - 16);
	t_region_free(&region);
}

static void huge_mark_wins_over_rows(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, true);
	t_get_at(&region, 9, 512);
	region.a.rows[8].word_ = 0; /* as if killed between the mark and the rows */
	region.a.rows[15].word_ = 5;
	recovered(&region, false);
	t_check(&region, T_TREE - 512);
	t_put(&region, 9, 512);
	t_check(&region, T_TREE);
	t_region_free(&region);
}

static void claimed_frames_are_free_again_after_recovery(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 2, false);
	uint64_t frame = t_get(&region, 0);
	recovered(&region, false);
	assert_false(llfree_is_free(&region.a, frame));
	t_check(&region, T_TREE - 1);
	t_region_free(&region);
}

static void claimed_frames_count_as_taken_when_claims_are_not_trusted(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 2, false);
	(void)t_get(&region, 0);
	llfree_stats stats;
	llfree_stats_exact(&region.a, &stats);
	assert_true(stats.cached_frames > 0 && stats.cached_frames < 32);
	recovered(&region, true);
	t_check(&region, T_TREE - 1 - stats.cached_frames);
	t_region_free(&region);
}

static void reservations_are_gone_after_recovery(void **state)
{
	(void)state;
	t_region region = t_region_make(3 * T_TREE, 2, false);
	(void)t_get_class(&region, 0, 0, 0);
	(void)t_get_class(&region, 1, 9, 2);
	recovered(&region, false);
	llfree_stats stats;
	llfree_stats_fast(&region.a, &stats);
	assert_int_equal(stats.reserved_trees, 0);
	assert_int_equal(stats.cached_frames, 0);
	t_check(&region, 3 * T_TREE - 1 - 512);
	t_region_free(&region);
}

static void bits_beyond_the_end_are_taken_after_recovery(void **state)
{
	(void)state;
	t_region region = t_region_make(600, 1, true);
	for (unsigned row = 8; row < 16; row++)
		region.a.rows[row].word_ = 0;
	recovered(&region, false);
	t_check(&region, 600);
	t_region_free(&region);
}

static void huge_mark_on_a_partial_last_huge_frame_is_not_believed(void **state)
{
	(void)state;
	t_region region = t_region_make(600, 1, true);
	region.a.children[1].word_ = LLFREE_CHILD_HUGE;
	recovered(&region, false);
	t_check(&region, 600);
	t_region_free(&region);
}

static void unknown_class_of_a_tree_becomes_a_known_one(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, true);
	region.a.trees[0].word_ |= 7u << LLFREE_TREE_CLASS_SHIFT;
	recovered(&region, false);
	t_check(&region, T_TREE);
	t_region_free(&region);
}

static void recovery_tells_handle_owners_and_counts_generations(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, false);
	uint32_t epoch = region.a.header->drain_epoch.word_, generation = region.a.header->generation.word_;
	recovered(&region, false);
	assert_int_not_equal(region.a.header->drain_epoch.word_, epoch);
	assert_int_equal(region.a.header->generation.word_, generation + 1);
	t_region_free(&region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recovery_at_rest_changes_nothing_that_can_be_seen),
		cmocka_unit_test(recovery_of_a_partial_last_tree_stays_inside_the_region),
		cmocka_unit_test(counts_are_derived_from_bits),
		cmocka_unit_test(huge_mark_wins_over_rows),
		cmocka_unit_test(claimed_frames_are_free_again_after_recovery),
		cmocka_unit_test(claimed_frames_count_as_taken_when_claims_are_not_trusted),
		cmocka_unit_test(reservations_are_gone_after_recovery),
		cmocka_unit_test(bits_beyond_the_end_are_taken_after_recovery),
		cmocka_unit_test(huge_mark_on_a_partial_last_huge_frame_is_not_believed),
		cmocka_unit_test(unknown_class_of_a_tree_becomes_a_known_one),
		cmocka_unit_test(recovery_tells_handle_owners_and_counts_generations),
	};
	return cmocka_run_group_tests_name("recover", tests, NULL, NULL);
}
