/* SPDX-License-Identifier: MIT
 *
 * Trees taken offline: sticky (A9), whatever is freed into them, drained, returned or recovered. */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

static bool offline(const t_region *region, uint64_t tree)
{
	llfree_tree_stats stats;
	assert_ok(llfree_stats_tree(&region->a, tree, &stats));
	return stats.offline;
}

static void nothing_is_allocated_from_an_offline_tree(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
			t_region region = t_region_make(2 * T_TREE, 2, exact);
			assert_ok(llfree_tree_offline(&region.a, 0));
			for (unsigned n = 0; n < (unsigned)T_TREE >> order; n++)
				assert_true(t_get_class(&region, n, order, 0) >= T_TREE);
			uint64_t frame;
			assert_err(llfree_get(&region.a, t_request(0, order, 0), &frame), LLFREE_ERR_NOMEM);
			t_check(&region, T_TREE);
			t_region_free(&region);
		}
	}
}

static void frames_in_use_can_be_put_into_an_offline_tree_which_stays_offline(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
			t_region region = t_region_make(2 * T_TREE, 1, exact);
			uint64_t frame = t_get(&region, order), tree = frame / T_TREE;
			assert_ok(llfree_tree_offline(&region.a, tree));
			t_put(&region, order, frame);
			assert_true(offline(&region, tree));
			t_check(&region, 2 * T_TREE);
			assert_int_not_equal(t_get(&region, order) / T_TREE, tree);
			llfree_drain_all(&region.a);
			assert_true(offline(&region, tree));
			t_region_free(&region);
		}
	}
}

static void claim_is_not_revived_in_an_offline_tree(void **state)
{
	(void)state;
	t_region region = t_region_make(2 * T_TREE, 1, false);
	uint64_t frames[8];
	for (unsigned i = 0; i < 8; i++)
		frames[i] = t_get(&region, 0);
	uint64_t tree = frames[0] / T_TREE;
	assert_ok(llfree_tree_offline(&region.a, tree));
	for (unsigned i = 0; i < 8; i++)
		t_put(&region, 0, frames[i]);
	llfree_stats stats;
	llfree_stats_fast(&region.a, &stats);
	assert_int_equal(stats.cached_frames, 0);
	assert_int_not_equal(t_get(&region, 0) / T_TREE, tree);
	t_check(&region, 2 * T_TREE - 1);
	t_region_free(&region);
}

static void offline_survives_everything_but_online(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(2 * T_TREE, 1, exact);
		t_get_at(&region, 9, 0);
		t_get_at(&region, 0, 600);
		bool was_evicted;
		assert_ok(llfree_reclaim_hard(&region.a, 2, &was_evicted));
		assert_ok(llfree_tree_offline(&region.a, 0));
		assert_ok(llfree_tree_offline(&region.a, 0));
		assert_ok(llfree_return(&region.a, 2));
		assert_true(offline(&region, 0));
		t_put(&region, 8, 0);
		assert_true(offline(&region, 0));
		t_put(&region, 0, 600);
		assert_true(offline(&region, 0));
		llfree_t other;
		assert_ok(llfree_recover(&other, region.bytes, region.n_bytes, false));
		assert_true(offline(&region, 0));
		assert_ok(llfree_reclaim_soft(&region.a, 3));
		assert_true(offline(&region, 0));
		assert_ok(llfree_tree_online(&region.a, 0));
		assert_false(offline(&region, 0));
		t_check(&region, 2 * T_TREE - 256);
		t_region_free(&region);
	}
}

static void tree_brought_online_gives_all_its_frames(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE, 1, exact);
		uint64_t frame = t_get(&region, 0);
		assert_ok(llfree_tree_offline(&region.a, 0));
		t_put(&region, 0, frame);
		assert_ok(llfree_tree_online(&region.a, 0));
		assert_ok(llfree_tree_online(&region.a, 0));
		(void)t_get(&region, LLFREE_MAX_ORDER);
		t_check(&region, 0);
		t_region_free(&region);
	}
}

static void tree_out_of_range_is_refused(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE + 1, 1, false);
	assert_ok(llfree_tree_offline(&region.a, 1));
	assert_err(llfree_tree_offline(&region.a, 2), LLFREE_ERR_INVAL);
	assert_err(llfree_tree_online(&region.a, 2), LLFREE_ERR_INVAL);
	assert_err(llfree_tree_offline(&region.a, UINT64_MAX), LLFREE_ERR_INVAL);
	t_region_free(&region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_allocated_from_an_offline_tree),
		cmocka_unit_test(frames_in_use_can_be_put_into_an_offline_tree_which_stays_offline),
		cmocka_unit_test(claim_is_not_revived_in_an_offline_tree),
		cmocka_unit_test(offline_survives_everything_but_online),
		cmocka_unit_test(tree_brought_online_gives_all_its_frames),
		cmocka_unit_test(tree_out_of_range_is_refused),
	};
	return cmocka_run_group_tests_name("offline", tests, NULL, NULL);
}
