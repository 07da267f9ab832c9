/* SPDX-License-Identifier: MIT
 *
 * The pass clock: work in rounds and pauses between them are told apart, by looks at given times. */
#include "techniques/shared/qvm_pass_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MS  UINT64_C(1000000)
#define MIB (UINT64_C(1) << 20)

/* 2 MiB each ms, after a look at which none had gone. @return when the last went */
static uint64_t round_run(qvm_pass_clock *clock, uint64_t now_ns, uint64_t *bytes, unsigned n_looks)
{
	qvm_pass_clock_look(clock, now_ns, *bytes);
	for (unsigned at = 0; at < n_looks; at++) {
		now_ns += MS;
		*bytes -= HV_HUGE_BYTES;
		qvm_pass_clock_look(clock, now_ns, *bytes);
	}
	return now_ns;
}

static void rounds_are_work_and_what_is_between_them_is_none(void **state)
{
	qvm_pass_clock clock;
	uint64_t bytes = 1024 * MIB;
	(void)state;
	qvm_pass_clock_begin(&clock, 500 * MS, bytes);
	assert_true(clock.work_ns == 0 && clock.wait_ns == 0);
	uint64_t now_ns = round_run(&clock, 2500 * MS, &bytes, 64);
	assert_true(clock.wait_ns == 2000 * MS && clock.work_ns == 64 * MS && clock.n_rounds == 1);
	now_ns = round_run(&clock, now_ns + 2100 * MS, &bytes, 32);
	assert_true(clock.wait_ns == 4100 * MS && clock.work_ns == 96 * MS && clock.n_rounds == 2);
	/* looks that see nothing move neither */
	qvm_pass_clock_look(&clock, now_ns + 7000 * MS, bytes);
	assert_true(clock.wait_ns == 4100 * MS && clock.work_ns == 96 * MS && clock.last_ns == now_ns);
	assert_true(clock.begin_bytes - clock.least_bytes == 96 * HV_HUGE_BYTES);
}

/* Who looks may be late, and see a whole round at once: it took no time only if no time passed. */
static void round_seen_by_one_look_is_work_since_the_look_before(void **state)
{
	qvm_pass_clock clock;
	(void)state;
	qvm_pass_clock_begin(&clock, 0, 512 * MIB);
	qvm_pass_clock_look(&clock, 1990 * MS, 512 * MIB);
	qvm_pass_clock_look(&clock, 2000 * MS, 256 * MIB);
	assert_true(clock.wait_ns == 1990 * MS && clock.work_ns == 10 * MS && clock.n_rounds == 1);
}

static void short_pauses_are_part_of_a_round(void **state)
{
	qvm_pass_clock clock;
	(void)state;
	qvm_pass_clock_begin(&clock, 0, 64 * MIB);
	qvm_pass_clock_look(&clock, 8 * MS, 64 * MIB);
	qvm_pass_clock_look(&clock, 10 * MS, 32 * MIB); /* early, but the first: nobody saw it work before */
	qvm_pass_clock_look(&clock, 500 * MS, 32 * MIB);
	qvm_pass_clock_look(&clock, 910 * MS, 16 * MIB);
	assert_true(clock.wait_ns == 8 * MS && clock.work_ns == 902 * MS && clock.n_rounds == 1);
}

static void little_that_comes_and_goes_is_the_guests_own(void **state)
{
	qvm_pass_clock clock;
	(void)state;
	qvm_pass_clock_begin(&clock, 0, 64 * MIB);
	qvm_pass_clock_look(&clock, 10 * MS, 63 * MIB);
	qvm_pass_clock_look(&clock, 20 * MS, 80 * MIB);
	assert_true(clock.last_ns == 0 && clock.n_rounds == 0 && clock.least_bytes == 64 * MIB);
	qvm_pass_clock_look(&clock, 30 * MS, 62 * MIB);
	assert_true(clock.last_ns == 30 * MS && clock.n_rounds == 1 && clock.work_ns == 10 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds_are_work_and_what_is_between_them_is_none),
		cmocka_unit_test(round_seen_by_one_look_is_work_since_the_look_before),
		cmocka_unit_test(short_pauses_are_part_of_a_round),
		cmocka_unit_test(little_that_comes_and_goes_is_the_guests_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
