/* SPDX-License-Identifier: MIT
 *
 * Texts and constants of the public surface. */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

#include <string.h>

static void every_error_has_a_text_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < LLFREE_ERR_COUNT; i++) {
		const char *text = llfree_err_text((llfree_err)i);
		assert_non_null(text);
		assert_true(strlen(text) > 3);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(text, llfree_err_text((llfree_err)j));
	}
}

static void numbers_that_are_no_error_have_a_text_too(void **state)
{
	(void)state;
	static const int numbers[] = { LLFREE_ERR_COUNT, LLFREE_ERR_COUNT + 1, 1000, -1, -1000 };
	for (unsigned i = 0; i < T_COUNT(numbers); i++) {
		int number = numbers[i];
		llfree_err err;
		memcpy(&err, &number, sizeof(err)); /* as another language might pass it */
		assert_non_null(llfree_err_text(err));
	}
}

static void ok_is_zero(void **state)
{
	(void)state;
	assert_int_equal(LLFREE_OK, 0);
}

static void build_tells_its_version_and_tree_size(void **state)
{
	(void)state;
	assert_non_null(strchr(llfree_version(), '.'));
	assert_int_equal(llfree_tree_huge(), LLFREE_TREE_HUGE);
}

static void default_policy_is_a_valid_table(void **state)
{
	(void)state;
	const llfree_policy *policy = llfree_default_policy();
	assert_int_equal(policy->classes, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(policy->rule[i][i], LLFREE_MATCH);
		for (unsigned j = 0; j < 3; j++)
			assert_int_not_equal(policy->rule[i][j], LLFREE_NEVER);
	}
	assert_true(llfree_metadata_bytes(&(llfree_config){ .frames = 1, .cpus = 1, .policy = policy }) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error_has_a_text_of_its_own),
		cmocka_unit_test(numbers_that_are_no_error_have_a_text_too),
		cmocka_unit_test(ok_is_zero),
		cmocka_unit_test(build_tells_its_version_and_tree_size),
		cmocka_unit_test(default_policy_is_a_valid_table),
	};
	return cmocka_run_group_tests_name("errors", tests, NULL, NULL);
}
