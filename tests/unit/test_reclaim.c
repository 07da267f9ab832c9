/* SPDX-License-Identifier: MIT
 *
 * The host's four transitions, what each refuses, and the evicted mark through all of them (A8, H1). */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

static llfree_huge_state state_of(const t_region *region, uint64_t huge)
{
	llfree_huge_state state;
	assert_ok(llfree_huge_state_of(&region->a, huge, &state));
	return state;
}

static void soft_reclaimed_huge_frame_stays_allocatable_and_is_installed_by_the_get(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 0; order <= LLFREE_HUGE_ORDER; order++) {
			t_region region = t_region_make(512, 1, exact);
			assert_ok(llfree_reclaim_soft(&region.a, 0));
			assert_true(state_of(&region, 0).evicted && state_of(&region, 0).free);
			t_check(&region, 512);
			uint64_t frame = t_get(&region, order);
			assert_int_equal(region.installs, 1);
			assert_false(state_of(&region, 0).evicted);
			t_check(&region, 512 - (UINT64_C(1) << order));
			t_put(&region, order, frame);
			t_check(&region, 512);
			t_region_free(&region);
		}
	}
}

static void soft_reclaim_is_refused_unless_free_installed_and_unreserved(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(2 * T_TREE, 1, exact);
		t_get_at(&region, 0, 0);
		t_get_at(&region, 9, 512);
		assert_err(llfree_reclaim_soft(&region.a, 0), LLFREE_ERR_STATE);
		assert_err(llfree_reclaim_soft(&region.a, 1), LLFREE_ERR_STATE);
		assert_ok(llfree_reclaim_soft(&region.a, 2));
		assert_err(llfree_reclaim_soft(&region.a, 2), LLFREE_ERR_STATE);
		assert_err(llfree_reclaim_soft(&region.a, 16), LLFREE_ERR_INVAL);
		assert_err(llfree_reclaim_soft(&region.a, UINT64_MAX), LLFREE_ERR_INVAL);
		uint64_t reserved = t_get(&region, 0) / T_TREE;
		assert_err(llfree_reclaim_soft(&region.a, reserved * 8 + 7), LLFREE_ERR_STATE);
		llfree_drain_all(&region.a);
		assert_ok(llfree_reclaim_soft(&region.a, reserved * 8 + 7));
		t_region_free(&region);
	}
}

static void hard_reclaimed_huge_frame_is_gone_until_returned(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(2 * 512, 1, exact);
		bool was_evicted = true;
		assert_ok(llfree_reclaim_hard(&region.a, 1, &was_evicted));
		assert_false(was_evicted);
		assert_true(state_of(&region, 1).evicted && state_of(&region, 1).taken_huge);
		t_check(&region, 512);
		for (unsigned n = 0; n < 512; n++)
			assert_true(t_get(&region, 0) < 512);
		uint64_t frame;
		assert_err(llfree_get(&region.a, t_request(0, 0, 0), &frame), LLFREE_ERR_NOMEM);
		assert_ok(llfree_return(&region.a, 1));
		assert_true(state_of(&region, 1).evicted && state_of(&region, 1).free);
		assert_true(t_get(&region, 0) >= 512);
		assert_int_equal(region.installs, 1);
		t_check(&region, 511);
		t_region_free(&region);
	}
}

static void hard_reclaim_tells_whether_the_memory_was_gone_already(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE, 1, exact);
		assert_ok(llfree_reclaim_soft(&region.a, 3));
		bool was_evicted = false;
		assert_ok(llfree_reclaim_hard(&region.a, 3, &was_evicted));
		assert_true(was_evicted);
		assert_ok(llfree_return(&region.a, 3));
		assert_ok(llfree_reclaim_hard(&region.a, 3, &was_evicted));
		assert_true(was_evicted);
		t_check(&region, T_TREE - 512);
		t_region_free(&region);
	}
}

static void hard_reclaim_takes_from_a_reserved_tree(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE, 4, exact);
		(void)t_get_class(&region, 3, 0, 0);
		bool was_evicted;
		unsigned reclaimed = 0;
		for (uint64_t huge = 0; huge < 8; huge++)
			reclaimed += llfree_reclaim_hard(&region.a, huge, &was_evicted) == LLFREE_OK;
		assert_int_equal(reclaimed, 7);
		t_check(&region, T_TREE - 7 * 512 - 1);
		t_region_free(&region);
	}
}

static void hard_reclaim_finds_a_count_that_is_split(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		/* One huge frame; 256 of its frames are counted in a reservation, 256 in the tree. */
		t_region region = t_region_make(512, 2, exact);
		for (unsigned n = 0; n < 512; n++)
			(void)t_get_class(&region, 0, 0, 0);
		for (uint64_t n = 0; n < 512; n++)
			assert_ok(llfree_put(&region.a, t_request(n < 256, 0, 0), n));
		llfree_drain_slot(&region.a, 1, 0);
		if (!exact)
			llfree_drain_slot(&region.a, 0, 0);
		bool was_evicted;
		assert_ok(llfree_reclaim_hard(&region.a, 0, &was_evicted));
		t_check(&region, 0);
		t_region_free(&region);
	}
}

static void hard_reclaim_refuses_what_is_not_free(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE + 600, 1, exact);
		bool was_evicted;
		t_get_at(&region, 0, 0);
		t_get_at(&region, 9, 512);
		assert_err(llfree_reclaim_hard(&region.a, 0, &was_evicted), LLFREE_ERR_STATE);
		assert_err(llfree_reclaim_hard(&region.a, 1, &was_evicted), LLFREE_ERR_STATE);
		assert_ok(llfree_reclaim_hard(&region.a, 2, &was_evicted));
		assert_err(llfree_reclaim_hard(&region.a, 2, &was_evicted), LLFREE_ERR_STATE);
		assert_err(llfree_reclaim_hard(&region.a, 9, &was_evicted),
			   LLFREE_ERR_STATE); /* the partial last one */
		assert_err(llfree_reclaim_soft(&region.a, 9), LLFREE_ERR_STATE);
		assert_err(llfree_reclaim_hard(&region.a, 10, &was_evicted), LLFREE_ERR_INVAL);
		assert_ok(llfree_tree_offline(&region.a, 0));
		assert_err(llfree_reclaim_hard(&region.a, 3, &was_evicted), LLFREE_ERR_OFFLINE);
		t_check(&region, T_TREE + 600 - 1 - 512 - 512);
		t_region_free(&region);
	}
}

static void return_refuses_what_is_not_taken_and_evicted(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE, 1, exact);
		t_get_at(&region, 9, 0);
		assert_ok(llfree_reclaim_soft(&region.a, 1));
		assert_err(llfree_return(&region.a, 0), LLFREE_ERR_STATE);
		assert_err(llfree_return(&region.a, 1), LLFREE_ERR_STATE);
		assert_err(llfree_return(&region.a, 2), LLFREE_ERR_STATE);
		assert_err(llfree_return(&region.a, 8), LLFREE_ERR_INVAL);
		bool was_evicted;
		assert_ok(llfree_reclaim_hard(&region.a, 3, &was_evicted));
		assert_ok(llfree_return(&region.a, 3));
		assert_err(llfree_return(&region.a, 3), LLFREE_ERR_STATE);
		t_check(&region, T_TREE - 512);
		t_region_free(&region);
	}
}

static void install_clears_only_the_mark(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE, 1, exact);
		assert_err(llfree_install(&region.a, 0), LLFREE_ERR_STATE);
		assert_err(llfree_install(&region.a, 8), LLFREE_ERR_INVAL);
		assert_ok(llfree_reclaim_soft(&region.a, 0));
		assert_ok(llfree_install(&region.a, 0));
		assert_err(llfree_install(&region.a, 0), LLFREE_ERR_STATE);
		assert_true(state_of(&region, 0).free);
		bool was_evicted;
		assert_ok(llfree_reclaim_hard(&region.a, 0, &was_evicted));
		assert_ok(llfree_install(&region.a, 0));
		assert_true(state_of(&region, 0).taken_huge);
		t_put(&region, 9, 0);
		t_check(&region, T_TREE);
		t_region_free(&region);
	}
}

static void guest_cannot_put_a_hard_reclaimed_huge_frame(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= LLFREE_HUGE_ORDER; order++) {
		t_region region = t_region_make(T_TREE, 1, true);
		bool was_evicted;
		assert_ok(llfree_reclaim_hard(&region.a, 0, &was_evicted));
		assert_err(llfree_put(&region.a, t_request(0, order, 0), 0), LLFREE_ERR_STATE);
		t_check(&region, T_TREE - 512);
		assert_true(state_of(&region, 0).evicted && state_of(&region, 0).taken_huge);
		t_region_free(&region);
	}
}

static void every_run_that_spans_evicted_huge_frames_is_installed_whole(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 10; order <= LLFREE_MAX_ORDER; order++) {
			unsigned group = 1u << (order - 9);
			for (unsigned evicted = 0; evicted < group; evicted++) {
				t_region region = t_region_make(T_TREE, 1, exact);
				assert_ok(llfree_reclaim_soft(&region.a, evicted));
				t_get_at(&region, order, 0);
				assert_int_equal(region.installs, 1);
				assert_false(state_of(&region, evicted).evicted);
				t_check(&region, T_TREE - (UINT64_C(1) << order));
				t_region_free(&region);
			}
		}
	}
}

static void get_prefers_installed_memory(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 0; order <= LLFREE_HUGE_ORDER; order++) {
			t_region region = t_region_make(T_TREE, 1, exact);
			for (uint64_t huge = 0; huge < 7; huge++)
				assert_ok(llfree_reclaim_soft(&region.a, huge));
			assert_int_equal(t_get(&region, order) / 512, 7);
			assert_int_equal(region.installs, 0);
			t_region_free(&region);
		}
	}
}

static void failed_install_gives_the_frames_back_and_keeps_the_mark(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
			t_region region = t_region_make(T_TREE, 1, exact);
			uint64_t frame = 5;
			t_put(&region, 0, t_get(&region, 0));
			llfree_drain_all(&region.a);
			for (uint64_t huge = 0; huge < 8; huge++)
				assert_ok(llfree_reclaim_soft(&region.a, huge));
			region.install_fails = true;
			assert_err(llfree_get(&region.a, t_request(0, order, 0), &frame), LLFREE_ERR_INSTALL);
			assert_int_equal(frame, 5);
			t_check(&region, T_TREE);
			llfree_stats stats;
			llfree_stats_fast(&region.a, &stats);
			assert_int_equal(stats.evicted_huge, 8);
			assert_int_equal(stats.cached_frames, 0);
			t_region_free(&region);
		}
	}
}

static void free_huge_frames_are_found_in_order_and_in_pieces(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(3 * T_TREE + 100, 1, exact);
		t_get_at(&region, 0, 512);
		assert_ok(llfree_reclaim_soft(&region.a, 4));
		assert_ok(llfree_tree_offline(&region.a, 1));
		for (unsigned skip = 0; skip < 2; skip++) {
			uint64_t cursor = 0, found[32];
			size_t n = 0, more;
			while ((more = llfree_find_free_huge(&region.a, skip, false, &cursor, found + n, 3)) > 0)
				n += more;
			assert_int_equal(n, 16 - 1 - skip);
			assert_int_equal(cursor, 25);
			for (size_t i = 1; i < n; i++)
				assert_true(found[i] > found[i - 1]);
			for (size_t i = 0; i < n; i++) {
				assert_true(found[i] != 1 && found[i] / 8 != 1 && found[i] != 24);
				assert_false(skip && found[i] == 4);
			}
		}
		uint64_t cursor = 0, found[32];
		uint64_t reserved = t_get(&region, 0) / T_TREE;
		size_t n = llfree_find_free_huge(&region.a, false, true, &cursor, found, 32);
		for (size_t i = 0; i < n; i++)
			assert_int_not_equal(found[i] / 8, reserved);
		cursor = UINT64_MAX;
		assert_int_equal(llfree_find_free_huge(&region.a, false, false, &cursor, found, 32), 0);
		t_region_free(&region);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(soft_reclaimed_huge_frame_stays_allocatable_and_is_installed_by_the_get),
		cmocka_unit_test(soft_reclaim_is_refused_unless_free_installed_and_unreserved),
		cmocka_unit_test(hard_reclaimed_huge_frame_is_gone_until_returned),
		cmocka_unit_test(hard_reclaim_tells_whether_the_memory_was_gone_already),
		cmocka_unit_test(hard_reclaim_takes_from_a_reserved_tree),
		cmocka_unit_test(hard_reclaim_finds_a_count_that_is_split),
		cmocka_unit_test(hard_reclaim_refuses_what_is_not_free),
		cmocka_unit_test(return_refuses_what_is_not_taken_and_evicted),
		cmocka_unit_test(install_clears_only_the_mark),
		cmocka_unit_test(guest_cannot_put_a_hard_reclaimed_huge_frame),
		cmocka_unit_test(every_run_that_spans_evicted_huge_frames_is_installed_whole),
		cmocka_unit_test(get_prefers_installed_memory),
		cmocka_unit_test(failed_install_gives_the_frames_back_and_keeps_the_mark),
		cmocka_unit_test(free_huge_frames_are_found_in_order_and_in_pieces),
	};
	return cmocka_run_group_tests_name("reclaim", tests, NULL, NULL);
}
