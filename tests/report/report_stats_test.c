/* SPDX-License-Identifier: MIT
 *
 * Statistics and numbers of the page against values worked out by hand. */
#include "rep_stats.h"
#include "rep_value.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define assert_near(left, right) assert_true(fabs((left) - (right)) < 1e-9)

static void separated_sides_have_the_least_p(void **unused)
{
	(void)unused;
	double left[] = { 1, 2, 3, 4 }, right[] = { 5, 6, 7, 8 };
	assert_near(rep_mann_whitney(left, 4, right, 4), 2.0 / 70);
	assert_near(rep_mann_whitney_least(4, 4), 2.0 / 70);
	assert_near(rep_mann_whitney(right, 4, left, 4), 2.0 / 70);
}

static void interleaved_sides_do_not_differ(void **unused)
{
	(void)unused;
	double left[] = { 1, 4, 5, 8 }, right[] = { 2, 3, 6, 7 };
	assert_near(rep_mann_whitney(left, 4, right, 4), 1);
}

/* Of the 20 ways to choose 3 of {1, 2, 2, 3, 4, 5}: rank sums 1+2.5+2.5 = 6 and 4+5+6 = 15 lie 4.5 from the mean 10.5.
 */
static void ties_share_their_rank(void **unused)
{
	(void)unused;
	double left[] = { 1, 2, 2 }, right[] = { 3, 4, 5 };
	assert_near(rep_mann_whitney(left, 3, right, 3), 0.1);
}

static void equal_values_say_nothing(void **unused)
{
	(void)unused;
	double left[20], right[20];
	for (size_t at = 0; at < 20; at++)
		left[at] = right[at] = 7;
	assert_near(rep_mann_whitney(left, 20, right, 20), 1);
	assert_near(rep_mann_whitney(left, 3, right, 3), 1);
	assert_near(rep_mann_whitney(left, 0, right, 3), 1);
}

/* Two sides of 30, shifted by a third: U = 30*30/2 - ..., by the normal approximation well below 0.1 %. */
static void many_values_use_the_approximation(void **unused)
{
	(void)unused;
	double left[30], right[30];
	for (size_t at = 0; at < 30; at++) {
		left[at] = (double)at;
		right[at] = (double)at + 15;
	}
	double p = rep_mann_whitney(left, 30, right, 30);
	assert_true(p < 1e-4 && p > 1e-8);
}

static void false_discovery_scales_by_rank(void **unused)
{
	(void)unused;
	double p[] = { 0.04, 0.01, 0.5, 0.02 };
	rep_false_discovery(p, 4);
	assert_near(p[1], 0.04);
	assert_near(p[3], 0.04);
	assert_near(p[0], 0.04 * 4 / 3);
	assert_near(p[2], 0.5);
}

static void summary_leaves_the_order(void **unused)
{
	(void)unused;
	double values[] = { 9, 1, 5 };
	measure_summary summary = rep_summary(values, 3);
	assert_near(summary.median, 5);
	assert_near(summary.low, 1);
	assert_near(summary.high, 9);
	assert_near(values[0], 9);
	assert_near(rep_mean(values, 3), 5);
}

static void numbers_show_three_digits(void **unused)
{
	(void)unused;
	static const struct {
		double number;
		const char *text;
	} table[] = { { 0, "0" },        { 3, "3" },         { 0.0284, "0.0284" }, { 0.1234, "0.123" },
		      { 1.005, "1.00" }, { 9.9961, "10.0" }, { 12.345, "12.3" },   { 99.94, "99.9" },
		      { 99.96, "100" },  { 1234.5, "1234" }, { 21463, "21463" },   { -1.25, "-1.25" },
		      { 2e-9, "2e-09" }, { 0.99961, "1.00" } };
	for (size_t at = 0; at < sizeof(table) / sizeof(table[0]); at++) {
		char text[REP_VALUE_TEXT_BYTES];
		assert_string_equal(rep_number_text(table[at].number, text), table[at].text);
	}
}

static void sources_follow_the_arithmetic(void **unused)
{
	(void)unused;
	rep_value get = rep_value_at(6, "a.json", "/rows/0/median"), put = rep_value_at(4, "a.json", "/rows/1/median");
	rep_value ratio = rep_value_ratio(rep_value_sum(get, put), rep_value_scaled(put, 0.5));
	assert_near(ratio.number, 5);
	assert_string_equal(ratio.source,
			    "a.json#/rows/0/median a.json#/rows/1/median + a.json#/rows/1/median 0.5 * /");
	assert_false(rep_value_is(rep_value_sum(get, (rep_value){ 0 })));
	assert_false(rep_value_is(rep_value_ratio(get, rep_value_at(0, "a.json", "/rows/2/median"))));
}

static int release(void **unused)
{
	(void)unused;
	rep_release();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(separated_sides_have_the_least_p),
		cmocka_unit_test(interleaved_sides_do_not_differ),
		cmocka_unit_test(ties_share_their_rank),
		cmocka_unit_test(equal_values_say_nothing),
		cmocka_unit_test(many_values_use_the_approximation),
		cmocka_unit_test(false_discovery_scales_by_rank),
		cmocka_unit_test(summary_leaves_the_order),
		cmocka_unit_test(numbers_show_three_digits),
		cmocka_unit_test(sources_follow_the_arithmetic),
	};
	return cmocka_run_group_tests(tests, NULL, release);
}
