/* SPDX-License-Identifier: MIT
 *
 * Many frames at once: all different, as many as asked for, and a put that stops exactly at the frame that is wrong. */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

#include <stdlib.h>
#include <string.h>

static void batch_of_any_length_gives_that_many_different_frames(void **state)
{
	(void)state;
	static const size_t lengths[] = { 1, 2, 31, 32, 33, 63, 64, 65, 200, 513, 4096 };
	T_EACH_MODE(exact)
	{
		for (unsigned i = 0; i < T_COUNT(lengths); i++) {
			t_region region = t_region_make(2 * T_TREE, 1, exact);
			uint64_t frames[4096];
			uint8_t seen[2 * T_TREE] = { 0 };
			assert_int_equal(llfree_get_batch(&region.a, t_request(0, 0, 0), frames, lengths[i]),
					 lengths[i]);
			for (size_t j = 0; j < lengths[i]; j++)
				assert_int_equal(seen[frames[j]]++, 0);
			t_check(&region, 2 * T_TREE - lengths[i]);
			llfree_err err = LLFREE_ERR_COUNT;
			assert_int_equal(llfree_put_batch(&region.a, t_request(0, 0, 0), frames, lengths[i], &err),
					 lengths[i]);
			assert_ok(err);
			t_check(&region, 2 * T_TREE);
			t_region_free(&region);
		}
	}
}

static void batch_ends_where_memory_ends(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(700, 1, exact);
		uint64_t frames[1000];
		(void)t_get(&region, 0);
		assert_int_equal(llfree_get_batch(&region.a, t_request(0, 0, 0), frames, 1000), 699);
		assert_int_equal(llfree_get_batch(&region.a, t_request(0, 0, 0), frames, 1000), 0);
		t_check(&region, 0);
		t_region_free(&region);
	}
}

static void batch_of_nothing_or_of_another_order_gets_nothing(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, false);
	uint64_t frame = 5;
	assert_int_equal(llfree_get_batch(&region.a, t_request(0, 0, 0), &frame, 0), 0);
	assert_int_equal(llfree_get_batch(&region.a, t_request(0, 1, 0), &frame, 1), 0);
	assert_int_equal(llfree_get_batch(&region.a, t_request(0, 0, 9), &frame, 1), 0);
	assert_int_equal(frame, 5);
	llfree_err err = LLFREE_ERR_COUNT;
	assert_int_equal(llfree_put_batch(&region.a, t_request(0, 0, 0), &frame, 0, &err), 0);
	assert_ok(err);
	assert_int_equal(llfree_put_batch(&region.a, t_request(0, 1, 0), &frame, 1, &err), 0);
	assert_err(err, LLFREE_ERR_INVAL);
	t_check(&region, T_TREE);
	t_region_free(&region);
}

static void put_batch_stops_at_the_first_frame_that_is_not_taken(void **state)
{
	(void)state;
	for (size_t bad = 0; bad < 100; bad += 9) {
		t_region region = t_region_make(T_TREE, 1, true);
		uint64_t frames[100];
		assert_int_equal(llfree_get_batch(&region.a, t_request(0, 0, 0), frames, 100), 100);
		t_put(&region, 0, frames[bad]);
		llfree_err err = LLFREE_OK;
		assert_int_equal(llfree_put_batch(&region.a, t_request(0, 0, 0), frames, 100, &err), bad);
		assert_err(err, LLFREE_ERR_STATE);
		for (size_t i = 0; i < 100; i++)
			assert_int_equal(llfree_is_free(&region.a, frames[i]), i <= bad);
		t_check(&region, T_TREE - 100 + bad + 1);
		t_region_free(&region);
	}
}

static void put_batch_stops_at_a_frame_out_of_range_or_given_twice(void **state)
{
	(void)state;
	for (unsigned twice = 0; twice < 2; twice++) {
		t_region region = t_region_make(T_TREE, 1, true);
		uint64_t frames[100];
		assert_int_equal(llfree_get_batch(&region.a, t_request(0, 0, 0), frames, 100), 100);
		uint64_t lost = frames[50];
		frames[50] = twice ? frames[20] : T_TREE + 5;
		llfree_err err = LLFREE_OK;
		assert_int_equal(llfree_put_batch(&region.a, t_request(0, 0, 0), frames, 100, &err), 50);
		assert_err(err, twice ? LLFREE_ERR_STATE : LLFREE_ERR_INVAL);
		t_check(&region, T_TREE - 50);
		assert_false(llfree_is_free(&region.a, lost));
		t_region_free(&region);
	}
}

static void put_batch_in_any_order_frees_all(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(2 * T_TREE, 1, exact);
		uint64_t frames[1024], shuffled[1024];
		assert_int_equal(llfree_get_batch(&region.a, t_request(0, 0, 0), frames, 1024), 1024);
		for (unsigned i = 0; i < 1024; i++)
			shuffled[i] = frames[i * 37 % 1024];
		assert_int_equal(llfree_put_batch(&region.a, t_request(0, 0, 0), shuffled, 1024, NULL), 1024);
		t_check(&region, 2 * T_TREE);
		t_region_free(&region);
	}
}

static void part_of_a_huge_frame_can_be_put_as_a_batch(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE, 1, exact);
		t_get_at(&region, 9, 512);
		uint64_t frames[512];
		for (unsigned i = 0; i < 512; i++)
			frames[i] = 512 + i;
		assert_int_equal(llfree_put_batch(&region.a, t_request(0, 0, 0), frames, 300, NULL), 300);
		t_check(&region, T_TREE - 212);
		assert_int_equal(llfree_put_batch(&region.a, t_request(0, 0, 0), frames + 300, 212, NULL), 212);
		llfree_drain_all(&region.a);
		t_get_at(&region, 9, 512);
		t_region_free(&region);
	}
}

static void batch_installs_what_is_evicted_or_ends(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE, 1, exact);
		uint64_t frames[600];
		for (unsigned huge = 0; huge < 8; huge++)
			assert_ok(llfree_reclaim_soft(&region.a, huge));
		assert_int_equal(llfree_get_batch(&region.a, t_request(0, 0, 0), frames, 600), 0);
		t_check(&region, T_TREE);
		t_put(&region, 0, t_get(&region, 0)); /* sets the install function */
		assert_int_equal(llfree_get_batch(&region.a, t_request(0, 0, 0), frames, 600), 600);
		assert_int_equal(region.installs, 2);
		t_check(&region, T_TREE - 600);
		t_region_free(&region);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batch_of_any_length_gives_that_many_different_frames),
		cmocka_unit_test(batch_ends_where_memory_ends),
		cmocka_unit_test(batch_of_nothing_or_of_another_order_gets_nothing),
		cmocka_unit_test(put_batch_stops_at_the_first_frame_that_is_not_taken),
		cmocka_unit_test(put_batch_stops_at_a_frame_out_of_range_or_given_twice),
		cmocka_unit_test(put_batch_in_any_order_frees_all),
		cmocka_unit_test(part_of_a_huge_frame_can_be_put_as_a_batch),
		cmocka_unit_test(batch_installs_what_is_evicted_or_ends),
	};
	return cmocka_run_group_tests_name("batch", tests, NULL, NULL);
}
