/* SPDX-License-Identifier: MIT
 *
 * What the driver's bench is asked for, point by point, and what `llfree-guest bench` says without a driver. */
#define _GNU_SOURCE
#include "protocol/qvm_kernel_plan.h"
#include "tests/support/t_cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Until the next call: a plan points into the words it was made of. */
static qvm_kernel_plan parsed(const char *first, const char *second)
{
	static char name[] = "test", one[100], two[100];
	qvm_kernel_plan plan = qvm_kernel_plan_default();
	char *argv[] = { name, one, two, NULL };
	snprintf(one, sizeof(one), "%s", first);
	snprintf(two, sizeof(two), "%s", second);
	assert_int_equal(argp_parse(&qvm_kernel_plan_argp, 3, argv, 0, NULL, &plan), 0);
	return plan;
}

static void every_case_order_and_number_of_threads_comes_once(void **state)
{
	(void)state;
	qvm_kernel_plan plan = parsed("--orders=0-2,9", "--threads=1,4");
	static const unsigned orders[] = { 0, 1, 2, 9 };
	static const char *const cases[] = { "bulk", "repeat", "rand" };
	qvm_kernel_point point;
	size_t at = 0, n_points = 0;
	for (; qvm_kernel_plan_next(&plan, &at, &point); n_points++) {
		assert_string_equal(point.name, cases[n_points / 8]);
		assert_int_equal(point.order, orders[n_points / 2 % 4]);
		assert_int_equal(point.threads, n_points % 2 == 0 ? 1 : 4);
	}
	assert_int_equal(n_points, 24);
	assert_int_equal(qvm_kernel_plan_points(&plan), 24);
	plan = qvm_kernel_plan_default();
	assert_int_equal(qvm_kernel_plan_points(&plan), QVM_KERNEL_CASES * QVM_KERNEL_ORDERS);
}

static void the_line_says_what_was_asked_and_leaves_the_rest_to_the_driver(void **state)
{
	(void)state;
	char text[QVM_KERNEL_LINE_BYTES];
	qvm_kernel_plan plan = parsed("--case=rand", "--orders=10");
	qvm_kernel_point point;
	size_t at = 0;
	assert_true(qvm_kernel_plan_next(&plan, &at, &point));
	assert_string_equal(qvm_kernel_line(&plan, &point, text, sizeof(text)),
			    "case=rand order=10 threads=1 mib=64 rounds=7 allocator=both region=own");
	assert_false(qvm_kernel_plan_next(&plan, &at, &point));
	plan = parsed("--node=0", "--bind=0-1,3");
	plan.shared_region = true;
	plan.ops = 5;
	assert_string_equal(qvm_kernel_line(&plan, &point, text, sizeof(text)),
			    "case=rand order=10 threads=1 mib=64 rounds=7 allocator=both region=shared node=0 ops=5 "
			    "cpus=0-1,3");
}

static void the_table_shows_both_allocators_and_their_ratio(void **state)
{
	(void)state;
	char text[160];
	const qvm_kernel_point point = { "bulk", 3, 2 };
	qvm_kernel_table_line(&point, "get", 50, 200, text, sizeof(text));
	assert_string_equal(text, "bulk         3       2 get           50.0        200.0    0.25");
	qvm_kernel_table_line(&point, "get", 0, 200, text, sizeof(text));
	assert_string_equal(text, "bulk         3       2 get              -        200.0       -");
}

/* llfree-guest bench with one more argument; its output in text. @return its exit code */
static int bench(const char *argument, char *text, size_t text_bytes)
{
	int ends[2], status = -1;
	assert_int_equal(pipe(ends), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], 1);
		dup2(ends[1], 2);
		execl(T_LLFREE_GUEST, T_LLFREE_GUEST, "bench", argument, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	size_t used = 0;
	for (ssize_t bytes = 1; bytes > 0 && used + 1 < text_bytes; used += bytes > 0 ? (size_t)bytes : 0)
		bytes = read(ends[0], text + used, text_bytes - 1 - used);
	text[used] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void what_makes_no_sense_is_refused_with_what_is_allowed(void **state)
{
	(void)state;
	static const char *const wrong[][2] = {
		{ "--orders=", "0 to 10" },          { "--orders=11", "0 to 10" },  { "--orders=3-1", "0 to 10" },
		{ "--orders=1,", "0 to 10" },        { "--orders=1-", "0 to 10" },  { "--orders=a", "0 to 10" },
		{ "--threads=0", "1 to 64" },        { "--threads=65", "1 to 64" }, { "--threads=1-2-3", "1 to 64" },
		{ "--case=", "bulk, repeat, rand" }, { "--case=bulk,", "bulk" },    { "--case=bul", "bulk" },
		{ "--bind=one", "such as 0-3" },     { "--node=x", "0 to 1023" },   { "--rounds=33", "1 to 32" },
		{ "--mib=0", "1 to 1048576" },       { "--allocator=no", "both" },  { "--region=mine", "own" },
		{ "more", "not an option" },
	};
	char text[4096];
	for (size_t at = 0; at < sizeof(wrong) / sizeof(wrong[0]); at++) {
		assert_int_equal(bench(wrong[at][0], text, sizeof(text)), 2);
		if (strstr(text, wrong[at][1]) == NULL)
			fail_msg("%s: %s", wrong[at][0], text);
	}
}

static void without_the_driver_it_says_what_to_do(void **state)
{
	(void)state;
	char text[4096];
	assert_int_equal(bench("--device=/no/such/device", text, sizeof(text)), 1);
	assert_non_null(strstr(text, "insmod llfree_guest.ko"));
	assert_int_equal(bench("--device=/dev/null", text, sizeof(text)), 1);
	assert_non_null(strstr(text, "/dev/null"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_order_and_number_of_threads_comes_once),
		cmocka_unit_test(the_line_says_what_was_asked_and_leaves_the_rest_to_the_driver),
		cmocka_unit_test(the_table_shows_both_allocators_and_their_ratio),
		cmocka_unit_test(what_makes_no_sense_is_refused_with_what_is_allowed),
		cmocka_unit_test(without_the_driver_it_says_what_to_do),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
