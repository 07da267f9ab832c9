/* SPDX-License-Identifier: MIT
 *
 * CPU time of a QEMU: how sums split into guest and host, and looks at a process that is there and at one that is not.
 */
#include "vm/qvm_cpu_time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static void ticks_give_the_proportion_and_run_time_the_amount(void **state)
{
	const qvm_cpu_time before = { 100 * MS, 50 * MS, 40 * MS, 10 * MS };
	const qvm_cpu_time after = { 190 * MS, 110 * MS, 70 * MS, 20 * MS };
	qvm_cpu_time spent = { 0 };
	(void)state;
	qvm_cpu_time_add(&spent, &before, &after);
	/* 60 ms of vCPUs, three quarters of it in user mode */
	assert_true(qvm_cpu_time_guest(&spent) == 45 * MS);
	assert_true(qvm_cpu_time_host(&spent) == 45 * MS);
	qvm_cpu_time_add(&spent, &before, &after);
	assert_true(qvm_cpu_time_guest(&spent) == 90 * MS && qvm_cpu_time_host(&spent) == 90 * MS);
}

static void moves_shorter_than_a_tick_are_not_rounded_to_one(void **state)
{
	(void)state;
	const qvm_cpu_time without_tick = { 3 * MS, MS, 0, 0 }, with_tick = { 3 * MS, MS, 10 * MS, 0 };
	assert_true(qvm_cpu_time_guest(&without_tick) == MS && qvm_cpu_time_host(&without_tick) == 2 * MS);
	assert_true(qvm_cpu_time_guest(&with_tick) == MS && qvm_cpu_time_host(&with_tick) == 2 * MS);
	/* all of it in system mode, as ticks say */
	const qvm_cpu_time system = { 3 * MS, MS, 0, 10 * MS };
	assert_true(qvm_cpu_time_guest(&system) == 0 && qvm_cpu_time_host(&system) == 3 * MS);
}

static void what_went_backwards_or_is_unknown_is_nothing(void **state)
{
	const qvm_cpu_time before = { 100 * MS, 50 * MS, 40 * MS, 10 * MS }, gone = { 0 };
	qvm_cpu_time spent = { 0 };
	(void)state;
	qvm_cpu_time_add(&spent, &before, &gone);
	assert_true(qvm_cpu_time_guest(&spent) == 0 && qvm_cpu_time_host(&spent) == 0);
	const qvm_cpu_time ticks_only = { 30 * MS, 0, 20 * MS, 0 };
	assert_true(qvm_cpu_time_guest(&ticks_only) == 20 * MS && qvm_cpu_time_host(&ticks_only) == 10 * MS);
}

static void own_time_is_seen_and_that_of_nobody_is_zero(void **state)
{
	qvm_cpu_clock clock = { .pid = getpid(), .n_threads = 1, .threads = { getpid() } };
	(void)state;
	qvm_cpu_time before = qvm_cpu_clock_look(&clock), now = before;
	while (now.run_ns < before.run_ns + 30 * MS)
		now = qvm_cpu_clock_look(&clock);
	assert_true(now.run_ns > 0 && now.vcpu_run_ns >= before.vcpu_run_ns);
	clock = (qvm_cpu_clock){ 0 };
	now = qvm_cpu_clock_look(&clock);
	assert_true(now.run_ns == 0 && now.vcpu_run_ns == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_give_the_proportion_and_run_time_the_amount),
		cmocka_unit_test(moves_shorter_than_a_tick_are_not_rounded_to_one),
		cmocka_unit_test(what_went_backwards_or_is_unknown_is_nothing),
		cmocka_unit_test(own_time_is_seen_and_that_of_nobody_is_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
