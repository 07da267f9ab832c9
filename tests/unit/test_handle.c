/* SPDX-License-Identifier: MIT
 *
 * The handle of one thread: its frames count as taken, and come back on close, drain, and when others ask for them. */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

static llfree_handle opened(t_region *region, uint32_t cpu, uint8_t class_idx)
{
	llfree_handle handle;
	assert_ok(llfree_handle_open(&handle, &region->a, cpu, class_idx));
	return handle;
}

static uint64_t handle_get(llfree_handle *handle)
{
	uint64_t frame = UINT64_MAX;
	assert_ok(llfree_handle_get(handle, &frame));
	return frame;
}

static void cached_frames_of_a_handle_count_as_taken(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE, 1, exact);
		llfree_handle handle = opened(&region, 0, 0);
		assert_int_equal(llfree_handle_cached(&handle), 0);
		uint64_t frame = handle_get(&handle);
		uint32_t cached = llfree_handle_cached(&handle);
		assert_true(cached > 0 && cached < 64);
		t_check(&region, T_TREE - 1 - cached);
		assert_ok(llfree_handle_put(&handle, frame));
		assert_int_equal(llfree_handle_cached(&handle), cached + 1);
		llfree_handle_close(&handle);
		assert_int_equal(llfree_handle_cached(&handle), 0);
		t_check(&region, T_TREE);
		t_region_free(&region);
	}
}

static void all_memory_can_be_got_through_a_handle(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE + 77, 1, exact);
		llfree_handle handle = opened(&region, 0, 0);
		uint8_t seen[T_TREE + 77] = { 0 };
		for (unsigned n = 0; n < T_TREE + 77; n++)
			assert_int_equal(seen[handle_get(&handle)]++, 0);
		uint64_t frame = 5;
		assert_err(llfree_handle_get(&handle, &frame), LLFREE_ERR_NOMEM);
		assert_int_equal(frame, 5);
		t_check(&region, 0);
		for (unsigned n = 0; n < T_TREE + 77; n++)
			assert_ok(llfree_handle_put(&handle, (n * 641u) % (T_TREE + 77u)));
		llfree_handle_close(&handle);
		t_check(&region, T_TREE + 77);
		t_region_free(&region);
	}
}

static void frames_may_be_put_through_another_handle_or_none(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(2 * T_TREE, 2, exact);
		llfree_handle first = opened(&region, 0, 0), second = opened(&region, 1, 1);
		uint64_t a = handle_get(&first), b = handle_get(&second), c = t_get(&region, 0);
		assert_ok(llfree_handle_put(&second, a));
		assert_ok(llfree_handle_put(&first, c));
		t_put(&region, 0, b);
		llfree_handle_close(&first);
		llfree_handle_close(&second);
		t_check(&region, 2 * T_TREE);
		t_region_free(&region);
	}
}

static void second_put_into_a_row_adopts_it(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, true);
	llfree_handle handle = opened(&region, 0, 0);
	t_get_at(&region, 6, 640);
	(void)handle_get(&handle);
	uint32_t cached = llfree_handle_cached(&handle);
	assert_ok(llfree_handle_put(&handle, 640));
	assert_int_equal(llfree_handle_cached(&handle), cached);
	assert_ok(llfree_handle_put(&handle, 641));
	assert_int_equal(llfree_handle_cached(&handle), 1);
	assert_ok(llfree_handle_put(&handle, 642));
	assert_int_equal(llfree_handle_cached(&handle), 2);
	assert_int_equal(handle_get(&handle), 641);
	llfree_handle_close(&handle);
	t_check(&region, T_TREE - 1 - 62);
	t_region_free(&region);
}

static void drain_of_all_makes_the_owner_give_its_frames_back(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, true);
	llfree_handle handle = opened(&region, 0, 0);
	uint64_t frame = handle_get(&handle);
	llfree_drain_all(&region.a);
	/* The next use sees it. */
	assert_ok(llfree_handle_put(&handle, frame));
	assert_true(llfree_handle_cached(&handle) <= 1);
	llfree_handle_drain(&handle);
	t_check(&region, T_TREE);
	t_region_free(&region);
}

static void offline_tree_gets_its_frames_back_from_the_handle(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(2 * T_TREE, 1, exact);
		llfree_handle handle = opened(&region, 0, 0);
		uint64_t frame = handle_get(&handle), tree = frame / T_TREE;
		assert_ok(llfree_tree_offline(&region.a, tree));
		uint64_t other = handle_get(&handle);
		assert_int_not_equal(other / T_TREE, tree);
		/* Also by the second put in a row: no row of an offline tree is adopted. */
		assert_ok(llfree_handle_put(&handle, frame));
		t_check(&region, 2 * T_TREE - 1 - llfree_handle_cached(&handle));
		llfree_handle_close(&handle);
		assert_ok(llfree_put(&region.a, t_request(0, 0, 0), other));
		t_check(&region, 2 * T_TREE);
		t_region_free(&region);
	}
}

static void double_free_through_a_handle_is_refused(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE, 1, exact);
		llfree_handle handle = opened(&region, 0, 0);
		uint64_t frame = handle_get(&handle);
		assert_ok(llfree_handle_put(&handle, frame));
		assert_err(llfree_handle_put(&handle, frame), LLFREE_ERR_STATE);
		llfree_handle_drain(&handle);
		assert_err(llfree_handle_put(&handle, frame), LLFREE_ERR_STATE);
		assert_err(llfree_handle_put(&handle, frame), LLFREE_ERR_STATE);
		assert_err(llfree_handle_put(&handle, T_TREE), LLFREE_ERR_INVAL);
		assert_err(llfree_handle_put(&handle, UINT64_MAX), LLFREE_ERR_INVAL);
		t_check(&region, T_TREE);
		t_region_free(&region);
	}
}

static void handle_of_an_unknown_class_is_refused(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, false);
	llfree_handle handle;
	assert_err(llfree_handle_open(&handle, &region.a, 0, 3), LLFREE_ERR_INVAL);
	assert_err(llfree_handle_open(&handle, &region.a, 0, 255), LLFREE_ERR_INVAL);
	t_region_free(&region);
}

static void frames_of_a_huge_run_can_be_put_through_a_handle(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE, 1, exact);
		llfree_handle handle = opened(&region, 0, 0);
		t_get_at(&region, 9, 1024);
		for (uint64_t i = 0; i < 512; i++)
			assert_ok(llfree_handle_put(&handle, 1024 + i));
		llfree_handle_close(&handle);
		t_check(&region, T_TREE);
		llfree_drain_all(&region.a);
		t_get_at(&region, 9, 1024);
		t_region_free(&region);
	}
}

/* The row was remembered with no frame in it, freed by others, taken as huge, and one frame of it comes back. */
static void remembered_row_that_became_huge_is_not_trusted(void **state)
{
	(void)state;
	t_region region = t_region_make(512, 1, true);
	llfree_handle handle = opened(&region, 0, 0);
	uint64_t frames[64], n = 0;
	do {
		frames[n++] = handle_get(&handle);
	} while (llfree_handle_cached(&handle));
	for (uint64_t i = 0; i < n; i++)
		t_put(&region, 0, frames[i]);
	llfree_drain_all(&region.a);
	uint64_t huge = t_get(&region, 9);
	assert_int_equal(huge, 0);
	assert_ok(llfree_handle_put(&handle, frames[0]));
	llfree_handle_drain(&handle);
	t_check(&region, 1);
	t_region_free(&region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cached_frames_of_a_handle_count_as_taken),
		cmocka_unit_test(all_memory_can_be_got_through_a_handle),
		cmocka_unit_test(frames_may_be_put_through_another_handle_or_none),
		cmocka_unit_test(second_put_into_a_row_adopts_it),
		cmocka_unit_test(drain_of_all_makes_the_owner_give_its_frames_back),
		cmocka_unit_test(offline_tree_gets_its_frames_back_from_the_handle),
		cmocka_unit_test(double_free_through_a_handle_is_refused),
		cmocka_unit_test(handle_of_an_unknown_class_is_refused),
		cmocka_unit_test(frames_of_a_huge_run_can_be_put_through_a_handle),
		cmocka_unit_test(remembered_row_that_became_huge_is_not_trusted),
	};
	return cmocka_run_group_tests_name("handle", tests, NULL, NULL);
}
