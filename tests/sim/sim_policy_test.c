/* SPDX-License-Identifier: MIT
 *
 * Policies as pure functions: input and outcome, row by row. */
#include "t_sim.h"

#define MIB     (UINT64_C(1) << 20)
#define MS      UINT64_C(1000000)
#define UNKNOWN HV_POLICY_UNKNOWN

/* A VM of 1 GiB, period 500 ms; all that a row leaves out is zero. */
typedef struct decision_row {
	const char *policy, *what;
	uint64_t now_ms, last_ms, limit, resident, used, wanted, low, high, slack, target; /**< MiB */
	double avg10, threshold;
	bool limits, no_psi;
	hv_policy_action action;
	uint64_t limit_wanted; /**< MiB, of LIMIT */
	uint64_t wait_ms_max;  /**< of WAIT; 0 = any */
} decision_row;

/* clang-format off */
static const decision_row rows[] = {
	{ "period", "inside of a period", .now_ms = 1400, .last_ms = 1000, .action = HV_POLICY_WAIT, .wait_ms_max = 100 },
	{ "period", "at its end", .now_ms = 1500, .last_ms = 1000, .action = HV_POLICY_PASS },
	{ "period", "limit: used and slack, whole huge frames", .now_ms = 1500, .last_ms = 1000, .limit = 1024, .used = 101,
	  .slack = 64, .limits = true, .action = HV_POLICY_LIMIT, .limit_wanted = 166 },
	{ "period", "limit: never above the memory", .now_ms = 1500, .last_ms = 1000, .limit = 512, .used = 1000,
	  .slack = 64, .limits = true, .action = HV_POLICY_LIMIT, .limit_wanted = 1024 },
	{ "period", "limit: not before the period is over", .now_ms = 1499, .last_ms = 1000, .limit = 1024, .used = 101,
	  .limits = true, .action = HV_POLICY_WAIT, .wait_ms_max = 1 },
	{ "period", "limit: whoever waits is served at once", .now_ms = 1001, .last_ms = 1000, .limit = 512, .used = 510,
	  .wanted = 2, .slack = 64, .limits = true, .action = HV_POLICY_LIMIT, .limit_wanted = 576 },
	{ "period", "limit: by a huge frame without slack", .now_ms = 1001, .last_ms = 1000, .limit = 512, .used = 510,
	  .wanted = 2, .limits = true, .action = HV_POLICY_LIMIT, .limit_wanted = 514 },
	{ "period", "limit: nobody can be served beyond the memory", .now_ms = 1001, .last_ms = 1000, .limit = 1024,
	  .used = 1024, .wanted = 2, .limits = true, .action = HV_POLICY_WAIT, .wait_ms_max = 1 },
	{ "period", "limit: a silent guest keeps what it has", .now_ms = 1500, .last_ms = 1000, .limit = 512,
	  .used = UNKNOWN, .wanted = UNKNOWN, .limits = true, .action = HV_POLICY_WAIT },

	{ "watermark", "between the marks", .now_ms = 9000, .limit = 512, .used = 400, .low = 64, .high = 128, .limits = true,
	  .action = HV_POLICY_WAIT, .wait_ms_max = 1 },
	{ "watermark", "below low: up to the middle, at once", .now_ms = 1, .limit = 512, .used = 460, .low = 64, .high = 128,
	  .limits = true, .action = HV_POLICY_LIMIT, .limit_wanted = 556 },
	{ "watermark", "above high: down to the middle", .now_ms = 9000, .limit = 512, .used = 300, .low = 64, .high = 128,
	  .limits = true, .action = HV_POLICY_LIMIT, .limit_wanted = 396 },
	{ "watermark", "above high, but a period has not passed", .now_ms = 499, .limit = 512, .used = 300, .low = 64,
	  .high = 128, .limits = true, .action = HV_POLICY_WAIT },
	{ "watermark", "at the marks nothing moves", .now_ms = 9000, .limit = 512, .used = 384, .low = 64, .high = 128,
	  .limits = true, .action = HV_POLICY_WAIT },
	{ "watermark", "equal marks, less than a huge frame too much", .now_ms = 9000, .limit = 512, .used = 447, .low = 64,
	  .high = 64, .limits = true, .action = HV_POLICY_WAIT },
	{ "watermark", "below low with all of the memory", .now_ms = 9000, .limit = 1024, .used = 1000, .low = 64,
	  .high = 128, .limits = true, .action = HV_POLICY_WAIT },
	{ "watermark", "enough is free, and not for whoever waits", .now_ms = 1, .limit = 512, .used = 400, .wanted = 2,
	  .low = 64, .high = 128, .limits = true, .action = HV_POLICY_LIMIT, .limit_wanted = 608 },
	{ "watermark", "used more than the limit", .now_ms = 1, .limit = 512, .used = 600, .low = 64, .high = 128,
	  .limits = true, .action = HV_POLICY_LIMIT, .limit_wanted = 696 },
	{ "watermark", "pass: much is resident and unused", .now_ms = 9000, .limit = 1024, .resident = 800, .used = 600,
	  .low = 64, .high = 128, .action = HV_POLICY_PASS },
	{ "watermark", "pass: little is", .now_ms = 9000, .limit = 1024, .resident = 700, .used = 600, .low = 64, .high = 128,
	  .action = HV_POLICY_WAIT },
	{ "watermark", "pass: not twice in a period", .now_ms = 499, .limit = 1024, .resident = 800, .used = 600, .low = 64,
	  .high = 128, .action = HV_POLICY_WAIT },
	{ "watermark", "pass: less is resident than used", .now_ms = 9000, .limit = 1024, .resident = 500, .used = 600,
	  .low = 64, .high = 128, .action = HV_POLICY_WAIT },
	{ "watermark", "no marks", .now_ms = 9000, .limit = 512, .used = 1, .low = UNKNOWN, .high = UNKNOWN, .limits = true,
	  .action = HV_POLICY_WAIT },

	{ "pressure", "none: nothing", .now_ms = 9000, .limit = 1024, .used = 100, .threshold = 10, .limits = true,
	  .action = HV_POLICY_WAIT },
	{ "pressure", "limit: used and slack", .now_ms = 9000, .limit = 1024, .used = 100, .slack = 20, .avg10 = 10,
	  .threshold = 10, .limits = true, .action = HV_POLICY_LIMIT, .limit_wanted = 120 },
	{ "pressure", "limit: once a period", .now_ms = 499, .limit = 1024, .used = 100, .avg10 = 50, .threshold = 10,
	  .limits = true, .action = HV_POLICY_WAIT },
	{ "pressure", "over: all is given again", .now_ms = 1, .limit = 120, .used = 100, .avg10 = 9.9, .threshold = 10,
	  .limits = true, .action = HV_POLICY_LIMIT, .limit_wanted = 1024 },
	{ "pressure", "whoever waits is served under it too", .now_ms = 1, .limit = 120, .used = 118, .wanted = 2,
	  .slack = 20, .avg10 = 50, .threshold = 10, .limits = true, .action = HV_POLICY_LIMIT, .limit_wanted = 140 },
	{ "pressure", "pass", .now_ms = 9000, .limit = 1024, .used = UNKNOWN, .avg10 = 10, .threshold = 10,
	  .action = HV_POLICY_PASS },
	{ "pressure", "pass: none without pressure", .now_ms = 9000, .limit = 1024, .avg10 = 9.9, .threshold = 10,
	  .action = HV_POLICY_WAIT },
	{ "pressure", "unreadable: all stays as it is", .now_ms = 9000, .limit = 120, .used = 100, .threshold = 10,
	  .limits = true, .no_psi = true, .action = HV_POLICY_WAIT },

	{ "target", "no figure yet", .now_ms = 9000, .limit = 512, .target = UNKNOWN, .limits = true,
	  .action = HV_POLICY_WAIT, .wait_ms_max = 1 },
	{ "target", "limit: down, rounded down, at once", .now_ms = 1, .limit = 512, .target = 301, .limits = true,
	  .action = HV_POLICY_LIMIT, .limit_wanted = 300 },
	{ "target", "limit: up", .now_ms = 1, .limit = 512, .target = 700, .limits = true, .action = HV_POLICY_LIMIT,
	  .limit_wanted = 700 },
	{ "target", "limit: more than there is", .now_ms = 1, .limit = 512, .target = 4096, .limits = true,
	  .action = HV_POLICY_LIMIT, .limit_wanted = 1024 },
	{ "target", "limit: less than a huge frame", .now_ms = 1, .limit = 512, .target = 1, .limits = true,
	  .action = HV_POLICY_LIMIT, .limit_wanted = 2 },
	{ "target", "limit: there already", .now_ms = 9000, .limit = 512, .target = 513, .limits = true,
	  .action = HV_POLICY_WAIT },
	{ "target", "pass: more is resident", .now_ms = 9000, .limit = 1024, .resident = 400, .target = 300,
	  .action = HV_POLICY_PASS },
	{ "target", "pass: less is resident", .now_ms = 9000, .limit = 1024, .resident = 300, .target = 300,
	  .action = HV_POLICY_WAIT },
	{ "target", "pass: once a period", .now_ms = 499, .limit = 1024, .resident = 400, .target = 300,
	  .action = HV_POLICY_WAIT },
};
/* clang-format on */

static uint64_t bytes_of(uint64_t mib)
{
	return mib == UNKNOWN ? UNKNOWN : mib * MIB;
}

static hv_policy_input input_of(const decision_row *row)
{
	return (hv_policy_input){ .now_ns = row->now_ms * MS,
				  .last_ns = row->last_ms * MS,
				  .period_ns = 500 * MS,
				  .memory_bytes = 1024 * MIB,
				  .limit_bytes = bytes_of(row->limit),
				  .resident_bytes = bytes_of(row->resident),
				  .used_bytes = bytes_of(row->used),
				  .wanted_bytes = bytes_of(row->wanted),
				  .some_avg10 = row->avg10,
				  .some_us = row->no_psi ? UNKNOWN : 1,
				  .target_bytes = bytes_of(row->target),
				  .low_bytes = bytes_of(row->low),
				  .high_bytes = bytes_of(row->high),
				  .slack_bytes = bytes_of(row->slack),
				  .threshold_percent = row->threshold,
				  .takes_limits = row->limits };
}

static void each_policy_decides_as_its_table_says(void **state)
{
	(void)state;
	unsigned n_wrong = 0;
	for (size_t at = 0; at < sizeof(rows) / sizeof(rows[0]); at++) {
		const decision_row *row = &rows[at];
		hv_policy_input input = input_of(row);
		hv_policy_state own = { { 0 } };
		hv_policy_decision got = hv_policy_find(row->policy)->decide(&input, &own);
		bool right = got.action == row->action;
		if (right && row->action == HV_POLICY_LIMIT)
			right = got.limit_bytes == row->limit_wanted * MIB;
		if (right && row->action == HV_POLICY_WAIT)
			right = got.wait_ns > 0 && (row->wait_ms_max == 0 || got.wait_ns <= row->wait_ms_max * MS);
		if (!right)
			print_error("%s, %s: action %d, limit %llu MiB, wait %llu ns\n", row->policy, row->what,
				    (int)got.action, (unsigned long long)(got.limit_bytes >> 20),
				    (unsigned long long)got.wait_ns);
		n_wrong += !right;
	}
	assert_int_equal(n_wrong, 0);
}

static void pressure_ends_below_half_of_what_begins_it(void **state)
{
	(void)state;
	static const struct {
		double avg10;
		bool pass;
	} steps[] = {
		{ 9, false }, { 10, true }, { 6, true }, { 5, true }, { 4.9, false }, { 9, false }, { 11, true }
	};
	hv_policy_state own = { { 0 } };
	for (size_t at = 0; at < sizeof(steps) / sizeof(steps[0]); at++) {
		decision_row row = { .now_ms = 9000, .limit = 1024, .avg10 = steps[at].avg10, .threshold = 10 };
		hv_policy_input input = input_of(&row);
		assert_int_equal(hv_policy_find("pressure")->decide(&input, &own).action,
				 steps[at].pass ? HV_POLICY_PASS : HV_POLICY_WAIT);
	}
}

static void target_out_of_reach_is_tried_again_once_a_period(void **state)
{
	(void)state;
	hv_policy_state own = { { 0 } };
	decision_row row = { .now_ms = 1000, .last_ms = 1000, .limit = 512, .target = 300, .limits = true };
	const hv_policy *target = hv_policy_find("target");
	hv_policy_input input = input_of(&row);
	assert_int_equal(target->decide(&input, &own).action, HV_POLICY_LIMIT);
	input.limit_bytes = 400 * MIB; /* the guest had no more */
	assert_int_equal(target->decide(&input, &own).action, HV_POLICY_WAIT);
	input.now_ns += 500 * MS;
	assert_int_equal(target->decide(&input, &own).action, HV_POLICY_LIMIT);
	input.last_ns = input.now_ns;
	assert_int_equal(target->decide(&input, &own).action, HV_POLICY_WAIT);
	input.target_bytes = 298 * MIB; /* a new figure does not wait */
	assert_int_equal(target->decide(&input, &own).action, HV_POLICY_LIMIT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_policy_decides_as_its_table_says),
		cmocka_unit_test(pressure_ends_below_half_of_what_begins_it),
		cmocka_unit_test(target_out_of_reach_is_tried_again_once_a_period),
	};
	return T_RUN(tests);
}
