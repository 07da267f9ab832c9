/* SPDX-License-Identifier: MIT
 *
 * Comparison and cost model on given results: the order of pairs, factors that multiply to the change, costs found
 * again from figures that were made of them, and files that are no results. */
#define _GNU_SOURCE
#include "validate/qvm_compare.h"
#include "validate/qvm_cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool close_to(double value, double wanted)
{
	return fabs(value - wanted) <= 1e-6 * fabs(wanted);
}

static qvm_point point(double host_ns, double guest_ns, double emulator_ns, double rest_ns)
{
	return (qvm_point){ .known = true,
			    .parted = true,
			    .time_ns = host_ns + guest_ns + emulator_ns + rest_ns,
			    .parts_ns = { host_ns, guest_ns, emulator_ns, rest_ns } };
}

static double product(const qvm_pair *pair)
{
	double factor = 1;
	for (unsigned part = 0; part < QVM_PARTS; part++)
		factor *= pair->factors[part];
	return factor;
}

static void factors_multiply_to_the_change_and_name_its_cause(void **state)
{
	const qvm_point sim[2] = { point(100, 50, 0, 20), point(40, 10, 0, 5) };
	qvm_point vm[2] = { point(100, 50, 4000, 20), point(40, 10, 0, 5) };
	(void)state;
	qvm_pair pair = qvm_pair_of(sim, vm);
	assert_true(pair.known && pair.apart && pair.ordered && pair.parted);
	assert_true(close_to(product(&pair), pair.vm_ratio / pair.sim_ratio));
	for (unsigned part = 0; part < QVM_PARTS; part++)
		assert_true(part == QVM_PART_EMULATOR || pair.factors[part] < pair.factors[QVM_PART_EMULATOR]);
	/* a VM that is slower by the same factor in all of its parts changes nothing */
	vm[0] = point(700, 350, 0, 140);
	vm[1] = point(280, 70, 0, 35);
	pair = qvm_pair_of(sim, vm);
	for (unsigned part = 0; part < QVM_PARTS; part++)
		assert_true(close_to(pair.factors[part], 1));
}

static void order_counts_only_where_both_are_apart(void **state)
{
	static const struct {
		double sim, vm;
		bool apart, ordered;
	} cases[] = { { 10, 3, true, true },   { 10, 0.3, true, false },  { 1.9, 0.1, false, false },
		      { 5, 1.5, false, true }, { 0.2, 0.01, true, true }, { 0.4, 2.5, true, false } };
	(void)state;
	for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
		const qvm_point sim[2] = { point(cases[at].sim, 0, 0, 0), point(1, 0, 0, 0) };
		const qvm_point vm[2] = { point(cases[at].vm, 0, 0, 0), point(1, 0, 0, 0) };
		qvm_pair pair = qvm_pair_of(sim, vm);
		assert_int_equal(pair.apart, cases[at].apart);
		assert_int_equal(pair.ordered, cases[at].ordered);
		assert_int_equal(pair.verdict, !cases[at].apart    ? QVM_VERDICT_CLOSE
					       : cases[at].ordered ? QVM_VERDICT_SAME
								   : QVM_VERDICT_OTHER);
		assert_true(close_to(pair.sim_ratio, cases[at].sim) && close_to(pair.vm_ratio, cases[at].vm));
	}
	qvm_point unknown[2] = { point(1, 0, 0, 0), { .known = false } };
	assert_false(qvm_pair_of(unknown, unknown).known);
}

static void given_results_are_read_and_split(void **state)
{
	qvm_figures sim, vm;
	qvm_figure figure;
	(void)state;
	assert_true(qvm_figures_read(&sim, T_DATA "/validate_sim.json", "inflate", NULL));
	assert_true(qvm_figures_read(&vm, T_DATA "/validate_vm.json", "inflate", "tmpfs-huge"));
	assert_string_equal(sim.backing, "tmpfs-huge");
	assert_string_equal(qvm_figures_text(&vm, "parameters", "accel"), "tcg");
	assert_true(qvm_figures_number(&vm, "parameters", "target_bytes") == 512 << 20);
	assert_null(qvm_figures_text(&vm, "parameters", "memory_bytes"));
	assert_true(qvm_figures_find(&sim, "virtio-mem", false, "grow", "time", &figure));
	assert_true(figure.median == 9501 && figure.n_samples == 3 && figure.moved_bytes == 1536 << 20);
	assert_true(qvm_figures_find(&sim, "virtio-mem", true, "grow", "time", &figure) && figure.median == 736000);
	assert_false(qvm_figures_find(&vm, "virtio-mem", true, "grow", "time", &figure));
	qvm_point in_sim = qvm_point_of(&sim, "virtio-mem", "shrink-touched", NULL);
	qvm_point in_vm = qvm_point_of(&vm, "virtio-mem", "shrink-touched", &in_sim);
	assert_true(in_sim.parted && in_vm.parted && in_sim.parts_ns[QVM_PART_EMULATOR] == 0);
	assert_true(close_to(in_vm.parts_ns[QVM_PART_GUEST], in_sim.parts_ns[QVM_PART_GUEST]));
	double sum_ns = 0;
	for (unsigned part = 0; part < QVM_PARTS; part++)
		sum_ns += in_vm.parts_ns[part];
	assert_true(close_to(sum_ns, in_vm.time_ns) && in_vm.parts_ns[QVM_PART_EMULATOR] > 0);
	assert_false(qvm_point_of(&vm, "huge-auto", "shrink-touched", &in_sim).known);
	qvm_figures_close(&sim);
	qvm_figures_close(&vm);
}

static void text_read(const char *text, const char *expected_why)
{
	char path[] = "/tmp/validate-XXXXXX";
	qvm_figures figures;
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	bool ok = qvm_figures_read(&figures, path, "inflate", "tmpfs-huge");
	unlink(path);
	assert_false(ok);
	if (strstr(figures.why, expected_why) == NULL)
		fail_msg("'%s' does not say '%s'", figures.why, expected_why);
	qvm_figures_close(&figures);
}

static void files_that_are_no_results_are_refused_with_the_reason(void **state)
{
	qvm_figures figures;
	(void)state;
	assert_false(qvm_figures_read(&figures, "/nowhere/result.json", "inflate", NULL));
	assert_non_null(strstr(figures.why, "No such file"));
	text_read("", "not a result file");
	text_read("{\"rows\": 7}", "not a result file");
	text_read("[]", "not a result file");
	text_read("{\"rows\": []}", "no rows");
	text_read("{\"rows\": [3]}", "row 0 is no object");
	text_read("{\"rows\": [{\"scenario\": \"inflate\", \"metric\": \"time\"}]}", "row 0 lacks");
	text_read("{\"rows\": [{\"scenario\": \"inflate\", \"metric\": \"time\", \"unit\": \"s\", \"median\": -1, "
		  "\"low\": 1, "
		  "\"high\": 1, \"samples\": [1]}]}",
		  "below zero");
	text_read("{\"rows\": [{\"scenario\": \"inflate\", \"metric\": \"time\", \"unit\": \"s\", \"median\": 1e999, "
		  "\"low\": 1, \"high\": 1, \"samples\": [1]}]}",
		  "no number");
	text_read("{\"rows\": [{\"scenario\": \"inflate\", \"metric\": \"time\", \"unit\": \"s\", \"median\": 1, "
		  "\"low\": 1, "
		  "\"high\": 1, \"samples\": []}]}",
		  "no samples");
	text_read("{\"rows\": [{\"scenario\": \"stream\", \"metric\": \"time\", \"unit\": \"s\", \"median\": 1, "
		  "\"low\": 1, "
		  "\"high\": 1, \"samples\": [1]}]}",
		  "another scenario");
	text_read("{\"rows\": [{\"scenario\": \"inflate\", \"metric\": \"time\", \"unit\": \"s\", \"median\": 1, "
		  "\"low\": 1, "
		  "\"high\": 1, \"samples\": [1], \"backing\": \"memfd\"}]}",
		  "no rows of backing tmpfs-huge");
}

/* Figures that were made of known costs: each technique is predicted by what the others tell of them. */
static void costs_are_found_again_from_figures_made_of_them(void **state)
{
	static const char *const techniques[] = { "base-manual", "huge-manual", "virtio-mem", "llfree-manual" };
	static const double made_of[QVM_EVENTS] = { 0.5, 4, 2000, 15000, 20000 };
	static qvm_published figures[24];
	static qvm_cost cost;
	double costs[QVM_EVENTS];
	uint64_t seed = 7;
	(void)state;
	memset(&cost, 0, sizeof(cost));
	for (size_t at = 0; at < 24; at++) {
		qvm_case *each = &cost.cases[cost.n_cases++];
		for (unsigned event = 0; event < QVM_EVENTS; event++)
			each->events[event] = exp((double)(hv_random(&seed) % 1000) / 150) * (event < 2 ? 100 : 0.02);
		figures[at] = (qvm_published){ "made", techniques[at % 4], false, "grow",
					       qvm_cost_sum(each->events, made_of) };
		each->published = &figures[at];
		each->known = true;
	}
	for (size_t technique = 0; technique < 4; technique++) {
		qvm_cost_fit(&cost, techniques[technique], costs);
		for (size_t at = technique; at < 24; at += 4) {
			double ratio = qvm_cost_sum(cost.cases[at].events, costs) / figures[at].time_ns;
			assert_true(ratio > 0.67 && ratio < 1.5);
		}
	}
	/* the figures left out do not count: nonsense among them changes nothing */
	double again[QVM_EVENTS];
	figures[3].time_ns *= 1000;
	qvm_cost_fit(&cost, techniques[3], again);
	assert_memory_equal(costs, again, sizeof(costs));
}

static void model_takes_events_from_given_results(void **state)
{
	qvm_figures sim;
	static qvm_cost cost;
	(void)state;
	assert_true(qvm_figures_read(&sim, T_DATA "/validate_sim.json", "inflate", NULL));
	assert_true(qvm_cost_open(&cost, &sim, 1));
	assert_int_equal(cost.n_known, qvm_published_count);
	for (size_t at = 0; at < cost.n_cases; at++) {
		const qvm_case *each = &cost.cases[at];
		assert_true(isfinite(each->predicted_ns) && each->predicted_ns > 0);
		assert_true(close_to(each->fitted_ns, qvm_cost_sum(each->events, cost.costs)));
		bool balloon_grows = strcmp(each->published->phase, "grow") == 0 &&
				     strcmp(each->published->technique, "huge-manual") == 0;
		if (balloon_grows) /* one advice for each frame that is given back */
			assert_true(close_to(each->events[QVM_EVENT_CALL], 1));
	}
	assert_false(qvm_cost_open(&cost, &sim, 0));
	qvm_figures_close(&sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(factors_multiply_to_the_change_and_name_its_cause),
		cmocka_unit_test(order_counts_only_where_both_are_apart),
		cmocka_unit_test(given_results_are_read_and_split),
		cmocka_unit_test(files_that_are_no_results_are_refused_with_the_reason),
		cmocka_unit_test(costs_are_found_again_from_figures_made_of_them),
		cmocka_unit_test(model_takes_events_from_given_results),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
