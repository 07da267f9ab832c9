/* SPDX-License-Identifier: MIT
 *
 * Scripts that make things: what they made is their last line, and what failed is told whole. */
#define _GNU_SOURCE
#include "image/qvm_make.h"
#include "tests/support/t_cmocka.h"

#include <stdio.h>
#include <string.h>

enum { LINE_BYTES = 200 };

static hv_err shell(const char *text, char *line)
{
	qvm_args args = { 0 };
	qvm_args_add(&args, "sh");
	qvm_args_add(&args, "-c");
	qvm_args_add(&args, "%s", text);
	hv_err err = qvm_make_run(&args, false, line, LINE_BYTES);
	assert_int_equal(args.n_args, 0);
	return err;
}

static void the_last_line_is_what_was_made(void **state)
{
	(void)state;
	char line[LINE_BYTES];
	assert_int_equal(shell("echo first; echo /a/folder", line), HV_OK);
	assert_string_equal(line, "/a/folder");
	assert_int_equal(shell("printf /a/file", line), HV_OK);
	assert_string_equal(line, "/a/file");
}

static void all_that_a_failure_says_is_told(void **state)
{
	(void)state;
	char line[LINE_BYTES];
	assert_int_equal(shell("echo it does not build:; echo a.c: an error >&2; exit 3", line), HV_ERR_UNAVAILABLE);
	assert_string_equal(line, "it does not build:\na.c: an error");
	assert_int_equal(shell("exit 1", line), HV_ERR_UNAVAILABLE);
	assert_string_equal(line, "it failed, and said nothing");
}

static void a_script_that_is_missing_is_named(void **state)
{
	(void)state;
	char line[LINE_BYTES];
	qvm_args args = { 0 };
	qvm_args_add(&args, "/no/such/make-image");
	assert_int_equal(qvm_make_run(&args, false, line, sizeof(line)), HV_ERR_UNAVAILABLE);
	assert_non_null(strstr(line, "/no/such/make-image"));
	assert_non_null(strstr(line, "No such file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_line_is_what_was_made),
		cmocka_unit_test(all_that_a_failure_says_is_told),
		cmocka_unit_test(a_script_that_is_missing_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
