/* SPDX-License-Identifier: MIT
 *
 * Get of an exact run: all of it or nothing, with a foreign owner at every position; out of claims and reservations. */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

static void foreign_frame_at_any_position_is_seen_and_stays_owned(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 1; order <= LLFREE_MAX_ORDER; order++) {
			uint64_t run = UINT64_C(1) << order, step = run > 64 ? 61 : 1;
			for (uint64_t position = 0; position < run; position += step) {
				t_region region = t_region_make(2 * T_TREE, 1, exact);
				t_get_at(&region, 0, T_TREE + position);
				assert_err(llfree_get_at(&region.a, t_request(0, order, 0), T_TREE), LLFREE_ERR_STATE);
				t_check(&region, 2 * T_TREE - 1);
				assert_false(llfree_is_free(&region.a, T_TREE + position));
				t_put(&region, 0, T_TREE + position);
				t_get_at(&region, order, T_TREE);
				t_check(&region, 2 * T_TREE - run);
				t_region_free(&region);
			}
		}
	}
}

static void frame_in_a_claim_can_be_got(void **state)
{
	(void)state;
	t_region region = t_region_make(2 * T_TREE, 2, false);
	uint64_t got = t_get(&region, 0), claimed = got ^ 1;
	assert_true(llfree_is_free(&region.a, claimed));
	t_get_at(&region, 0, claimed);
	assert_err(llfree_get_at(&region.a, t_request(0, 0, 0), got), LLFREE_ERR_STATE);
	t_check(&region, 2 * T_TREE - 2);
	t_region_free(&region);
}

static void run_in_a_reserved_tree_can_be_got(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 0; order <= LLFREE_HUGE_ORDER + 1; order++) {
			t_region region = t_region_make(T_TREE, 2, exact);
			(void)t_get(&region, 0);
			assert_ok(llfree_get_at(&region.a, t_request(1, order, 0), T_TREE / 2));
			t_check(&region, T_TREE - 1 - (UINT64_C(1) << order));
			t_region_free(&region);
		}
	}
}

static void taken_run_is_refused_for_every_order(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
			t_region region = t_region_make(T_TREE, 1, exact);
			t_get_at(&region, order, 0);
			for (unsigned other = 0; other <= LLFREE_MAX_ORDER; other++)
				assert_err(llfree_get_at(&region.a, t_request(0, other, 0), 0), LLFREE_ERR_STATE);
			t_check(&region, T_TREE - (UINT64_C(1) << order));
			t_put(&region, order, 0);
			t_check(&region, T_TREE);
			t_region_free(&region);
		}
	}
}

static void bad_arguments_are_refused(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE + 600, 1, false);
	assert_err(llfree_get_at(&region.a, t_request(0, 0, 0), T_TREE + 600), LLFREE_ERR_INVAL);
	assert_err(llfree_get_at(&region.a, t_request(0, 0, 0), UINT64_MAX), LLFREE_ERR_INVAL);
	assert_err(llfree_get_at(&region.a, t_request(0, 0, 3), 0), LLFREE_ERR_INVAL);
	assert_err(llfree_get_at(&region.a, t_request(0, LLFREE_MAX_ORDER + 1, 0), 0), LLFREE_ERR_INVAL);
	assert_err(llfree_get_at(&region.a, t_request(0, 9, 0), T_TREE + 512), LLFREE_ERR_INVAL);
	for (unsigned order = 1; order <= LLFREE_MAX_ORDER; order++)
		assert_err(llfree_get_at(&region.a, t_request(0, order, 0), (UINT64_C(1) << order) / 2),
			   LLFREE_ERR_INVAL);
	t_check(&region, T_TREE + 600);
	t_region_free(&region);
}

static void frame_of_an_offline_tree_is_refused_as_offline(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(2 * T_TREE, 1, exact);
		assert_ok(llfree_tree_offline(&region.a, 1));
		for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++)
			assert_err(llfree_get_at(&region.a, t_request(0, order, 0), T_TREE), LLFREE_ERR_OFFLINE);
		t_check(&region, 2 * T_TREE);
		t_region_free(&region);
	}
}

static void evicted_huge_frame_is_installed_first(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
			t_region region = t_region_make(T_TREE, 1, exact);
			for (unsigned huge = 0; huge < 8; huge++)
				assert_ok(llfree_reclaim_soft(&region.a, huge));
			t_get_at(&region, order, 0);
			unsigned expected = order <= 9 ? 1 : 1u << (order - 9);
			assert_int_equal(region.installs, expected);
			llfree_stats stats;
			llfree_stats_fast(&region.a, &stats);
			assert_int_equal(stats.evicted_huge, 8 - expected);
			t_region_free(&region);
		}
	}
}

static void failed_install_gives_everything_back_and_leaves_the_mark(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
			t_region region = t_region_make(T_TREE, 1, exact);
			for (unsigned huge = 0; huge < 8; huge++)
				assert_ok(llfree_reclaim_soft(&region.a, huge));
			assert_err(llfree_get_at(&region.a, t_request(0, order, 0), 0), LLFREE_ERR_INSTALL);
			t_check(&region, T_TREE);
			llfree_stats stats;
			llfree_stats_fast(&region.a, &stats);
			assert_int_equal(stats.evicted_huge, 8);
			t_region_free(&region);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(foreign_frame_at_any_position_is_seen_and_stays_owned),
		cmocka_unit_test(frame_in_a_claim_can_be_got),
		cmocka_unit_test(run_in_a_reserved_tree_can_be_got),
		cmocka_unit_test(taken_run_is_refused_for_every_order),
		cmocka_unit_test(bad_arguments_are_refused),
		cmocka_unit_test(frame_of_an_offline_tree_is_refused_as_offline),
		cmocka_unit_test(evicted_huge_frame_is_installed_first),
		cmocka_unit_test(failed_install_gives_everything_back_and_leaves_the_mark),
	};
	return cmocka_run_group_tests_name("exact get", tests, NULL, NULL);
}
