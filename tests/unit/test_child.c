/* SPDX-License-Identifier: MIT
 *
 * The word of a huge frame: which transitions exist, which are refused, and that E survives all of them (A8). */
#include "../support/t_cmocka.h"

#include "core/core.h"
#include "core/words.h"

static const uint16_t E = LLFREE_CHILD_EVICTED, H = LLFREE_CHILD_HUGE;

static void child_take_needs_that_many_frames(void **state)
{
	(void)state;
	for (unsigned mark = 0; mark < 2; mark++) {
		uint16_t e = mark ? E : 0, seen = 0;
		llfree_child_cell cell = { (uint16_t)(64 | e) };
		assert_false(llf_child_take(&cell, 65, &seen));
		assert_int_equal(cell.word_, 64 | e);
		assert_true(llf_child_take(&cell, 64, &seen));
		assert_int_equal(seen, 64 | e);
		assert_int_equal(cell.word_, e);
		assert_false(llf_child_take(&cell, 1, &seen));
	}
}

static void child_take_of_a_huge_frame_is_refused(void **state)
{
	(void)state;
	uint16_t seen = 0;
	llfree_child_cell cell = { H };
	assert_false(llf_child_take(&cell, 1, &seen));
	assert_false(llf_child_take_huge(&cell, &seen));
	assert_int_equal(cell.word_, H);
}

static void child_give_stops_at_the_capacity(void **state)
{
	(void)state;
	llfree_child_cell cell = { 500 };
	assert_false(llf_child_give(&cell, 13, 512));
	assert_int_equal(cell.word_, 500);
	assert_true(llf_child_give(&cell, 12, 512));
	assert_int_equal(cell.word_, 512);
	llfree_child_cell partial = { (uint16_t)(90 | E) };
	assert_false(llf_child_give(&partial, 11, 100));
	assert_true(llf_child_give(&partial, 10, 100));
	assert_int_equal(partial.word_, 100 | E);
	llfree_child_cell huge = { H };
	assert_false(llf_child_give(&huge, 1, 512));
	assert_int_equal(huge.word_, H);
}

static void child_is_taken_as_one_only_when_whole(void **state)
{
	(void)state;
	for (unsigned free_frames = 0; free_frames <= 512; free_frames++) {
		uint16_t seen = 0;
		llfree_child_cell cell = { (uint16_t)free_frames };
		assert_int_equal(llf_child_take_huge(&cell, &seen), free_frames == 512);
		assert_int_equal(cell.word_, free_frames == 512 ? H : free_frames);
	}
}

static void child_transitions_keep_the_evicted_mark(void **state)
{
	(void)state;
	for (unsigned mark = 0; mark < 2; mark++) {
		uint16_t e = mark ? E : 0, seen = 0;
		llfree_child_cell cell = { (uint16_t)(512 | e) };
		assert_true(llf_child_take_huge(&cell, &seen));
		assert_int_equal(cell.word_, H | e);
		llf_child_untake_huge(&cell);
		assert_int_equal(cell.word_, 512 | e);
		assert_true(llf_child_take_huge(&cell, &seen));
		assert_true(llf_child_open_huge(&cell, mark));
		assert_int_equal(cell.word_, e);
		assert_true(llf_child_close_huge(&cell, mark));
		assert_int_equal(cell.word_, H | e);
		assert_true(llf_child_open_huge(&cell, mark));
		assert_true(llf_child_give(&cell, 512, 512));
		assert_true(llf_child_reclaim(&cell, &seen));
		assert_int_equal(seen, 512 | e);
		assert_int_equal(cell.word_, H | E);
	}
}

static void child_is_opened_once(void **state)
{
	(void)state;
	llfree_child_cell cell = { H };
	assert_false(llf_child_open_huge(&cell, true));
	assert_int_equal(cell.word_, H);
	assert_true(llf_child_open_huge(&cell, false));
	assert_false(llf_child_open_huge(&cell, false));
	assert_int_equal(cell.word_, 0);
}

static void child_reclaim_needs_a_whole_huge_frame(void **state)
{
	(void)state;
	static const uint16_t words[] = { 0, 511, H, H | E, E, 511 | E };
	for (unsigned i = 0; i < T_COUNT(words); i++) {
		uint16_t seen = 0;
		llfree_child_cell cell = { words[i] };
		assert_false(llf_child_reclaim(&cell, &seen));
		assert_int_equal(cell.word_, words[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(child_take_needs_that_many_frames),
		cmocka_unit_test(child_take_of_a_huge_frame_is_refused),
		cmocka_unit_test(child_give_stops_at_the_capacity),
		cmocka_unit_test(child_is_taken_as_one_only_when_whole),
		cmocka_unit_test(child_transitions_keep_the_evicted_mark),
		cmocka_unit_test(child_is_opened_once),
		cmocka_unit_test(child_reclaim_needs_a_whole_huge_frame),
	};
	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
