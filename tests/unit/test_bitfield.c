/* SPDX-License-Identifier: MIT
 *
 * Rows of 64 frames: a mask is taken or given as a whole, or not at all (A1, A3). */
#include "../support/t_cmocka.h"

#include "core/core.h"

static void row_take_takes_exactly_the_mask(void **state)
{
	(void)state;
	llfree_row_cell row = { 0xff };
	assert_true(llf_row_take(&row, 0xff00));
	assert_int_equal(row.word_, 0xffff);
}

static void row_take_with_one_foreign_bit_changes_nothing(void **state)
{
	(void)state;
	for (unsigned foreign = 0; foreign < 64; foreign++) {
		llfree_row_cell row = { UINT64_C(1) << foreign };
		assert_false(llf_row_take(&row, UINT64_MAX));
		assert_int_equal(row.word_, UINT64_C(1) << foreign);
	}
}

static void row_give_of_a_bit_that_is_clear_changes_nothing(void **state)
{
	(void)state;
	for (unsigned clear = 0; clear < 64; clear++) {
		uint64_t word = ~(UINT64_C(1) << clear);
		llfree_row_cell row = { word };
		assert_false(llf_row_give(&row, UINT64_MAX));
		assert_int_equal(row.word_, word);
	}
}

static void row_give_clears_exactly_the_mask(void **state)
{
	(void)state;
	llfree_row_cell row = { UINT64_MAX };
	assert_true(llf_row_give(&row, 0xf0));
	assert_int_equal(row.word_, ~UINT64_C(0xf0));
}

static void row_take_some_takes_what_is_free_of_the_wish(void **state)
{
	(void)state;
	llfree_row_cell row = { 0x0f };
	assert_int_equal(llf_row_take_some(&row, 0x3c), 0x30);
	assert_int_equal(row.word_, 0x3f);
	assert_int_equal(llf_row_take_some(&row, 0x3f), 0);
	assert_int_equal(row.word_, 0x3f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row_take_takes_exactly_the_mask),
		cmocka_unit_test(row_take_with_one_foreign_bit_changes_nothing),
		cmocka_unit_test(row_give_of_a_bit_that_is_clear_changes_nothing),
		cmocka_unit_test(row_give_clears_exactly_the_mask),
		cmocka_unit_test(row_take_some_takes_what_is_free_of_the_wish),
	};
	return cmocka_run_group_tests_name("bitfield", tests, NULL, NULL);
}
