/* SPDX-License-Identifier: MIT
 *
 * Rates over time: work divided over steps, the worst window, quantiles, on series whose figures are known; and the
 * whole of an impact run, by facts that hold on a machine of any speed. */
#include "t_sim.h"

#include "host/policy_registry.h"
#include "rig/impact.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>

enum { HUGE_COUNT = 32, N_STEPS = 10 };

static void assert_near(double value, double expected)
{
	if (fabs(value - expected) > 1e-9)
		print_error("%g is not %g\n", value, expected);
	assert_true(fabs(value - expected) <= 1e-9);
}

static void work_goes_to_its_steps_by_time(void **state)
{
	(void)state;
	hv_tape tape = { 0 };
	double steps[N_STEPS] = { 0 };
	hv_tape_add(&tape, 900, 1100, 8);  /* half of it before the first step */
	hv_tape_add(&tape, 1100, 1200, 1); /* exactly one step */
	hv_tape_add(&tape, 1250, 1550, 6); /* a half, two whole ones, a half */
	hv_tape_add(&tape, 1950, 2150, 4); /* a quarter inside */
	hv_tape_add(&tape, 2100, 2200, 9); /* behind */
	hv_tape_add(&tape, 1700, 1700, 5); /* no time at all */
	hv_tape_steps(&tape, 1000, 100, steps, N_STEPS);
	static const double expected[N_STEPS] = { 4, 1, 1, 2, 2, 1, 0, 0, 0, 1 };
	for (size_t at = 0; at < N_STEPS; at++)
		assert_near(steps[at], expected[at]);
	hv_tape_steps(&tape, 1000, 100, steps, N_STEPS);
	assert_near(steps[0], 8); /* added to what is there, as for several threads */
	hv_tape_rewind(&tape);
	hv_tape_steps(&tape, 1000, 100, steps, N_STEPS);
	assert_near(steps[0], 8);
	hv_tape_clear(&tape);
}

static void no_work_is_lost_between_steps(void **state)
{
	(void)state;
	hv_tape tape = { 0 };
	static double steps[1000];
	uint64_t random = 42, at_ns = 5000;
	double sum = 0, told = 0;
	for (unsigned entry = 0; entry < 5000; entry++) {
		uint64_t end_ns = at_ns + 1 + hv_random(&random) % 3000;
		double work = (double)(hv_random(&random) % 100);
		hv_tape_add(&tape, at_ns, end_ns, work);
		at_ns = end_ns + hv_random(&random) % 50;
		told += work;
	}
	uint64_t step_ns = (at_ns - 5000) / 1000 + 1;
	hv_tape_steps(&tape, 5000, step_ns, steps, 1000);
	for (size_t at = 0; at < 1000; at++)
		sum += steps[at];
	assert_true(fabs(sum - told) < 1e-6 * told);
	assert_int_equal(tape.n_entries, 5000);
	assert_false(tape.cut);
	hv_tape_clear(&tape);
}

static void worst_mean_finds_the_window_wherever_it_is(void **state)
{
	(void)state;
	for (size_t dip = 0; dip + 3 <= N_STEPS; dip++) {
		double values[N_STEPS];
		for (size_t at = 0; at < N_STEPS; at++)
			values[at] = at >= dip && at < dip + 3 ? 4 : 10;
		assert_near(hv_worst_mean(values, N_STEPS, 3), 4);
		assert_near(hv_worst_mean(values, N_STEPS, 1), 4);
		assert_near(hv_worst_mean(values, N_STEPS, N_STEPS), 8.2);
		assert_near(hv_worst_mean(values, N_STEPS, N_STEPS + 1), 8.2); /* shorter than a window: all of it */
	}
	static const double apart[] = { 1, 9, 9, 1, 5, 5 };
	assert_near(hv_worst_mean(apart, 6, 2), 3);
	assert_near(hv_worst_mean(apart, 0, 2), 0);
	assert_near(hv_worst_mean(apart, 6, 0), 0);
}

static void quantiles_are_values_that_were_measured(void **state)
{
	(void)state;
	double values[200];
	for (size_t at = 0; at < 200; at++)
		values[at] = (double)((at * 77) % 200 + 1); /* 1..200 in another order */
	assert_near(hv_quantile(values, 200, 0.01), 2);
	assert_near(hv_quantile(values, 200, 0.5), 100);
	assert_near(hv_quantile(values, 200, 0), 1);
	assert_near(hv_quantile(values, 200, 1), 200);
	assert_near(values[1], 78); /* left as it was */
	assert_near(hv_quantile(values, 50, 0.01), hv_quantile(values, 50, 0));
	assert_near(hv_quantile(values, 1, 0.5), 1);
	assert_near(hv_quantile(values, 0, 0.5), 0);
}

/* A kernel that keeps a number in each frame of its buffers, and the time of each round. */
static void mark_all(hv_impact_task *task)
{
	for (size_t at = 0; at < task->n_runs; at++) {
		hv_held *held = &task->vcpu->held[at];
		hv_run run = hv_held_lock(held);
		for (uint64_t frame = 0; frame < HV_HUGE_FRAMES; frame++)
			*(uint64_t *)(void *)(task->vcpu->vm->memory.base + (run.frame + frame) * HV_FRAME_BYTES) =
				task->n_done;
		hv_held_unlock(held, run);
	}
}

static void mark_step(hv_impact_task *task)
{
	uint64_t begin_ns = hv_now_ns();
	task->n_done++;
	mark_all(task);
	hv_tape_add(&task->tape, begin_ns, hv_now_ns(), 1);
}

static uint64_t mark_check(hv_impact_task *task)
{
	uint64_t wrong = 0;
	for (size_t at = 0; at < task->n_runs; at++) {
		hv_run run = hv_held_lock(&task->vcpu->held[at]);
		for (uint64_t frame = 0; frame < HV_HUGE_FRAMES; frame++)
			wrong += *(uint64_t *)(void *)(task->vcpu->vm->memory.base +
						       (run.frame + frame) * HV_FRAME_BYTES) != task->n_done;
		hv_held_unlock(&task->vcpu->held[at], run);
	}
	return wrong;
}

static const hv_impact_kernel mark_kernel = { .fill = mark_all, .step = mark_step, .check = mark_check };

static hv_impact_config impact_config(const char *technique, const char *backing)
{
	hv_impact_config config = { .rig = { .vm = t_vm_config(backing, HUGE_COUNT, 2),
					     .technique = hv_technique_find(technique),
					     .period_ns = 20000000,
					     .discard = HV_DISCARD_VECTORED,
					     .batch_huge = 16,
					     .one_mapping = T_THREAD_SANITIZER },
				    .kernel = &mark_kernel,
				    .target_bytes = 20 * (uint64_t)HV_HUGE_BYTES,
				    .buffer_bytes = 3 * (uint64_t)HV_HUGE_BYTES,
				    .burst_bytes = 2 * (uint64_t)HV_HUGE_BYTES,
				    .window_ns = 60000000,
				    .quantum_ns = 2000000 };
	config.rig.policy = config.rig.technique->automatic ? hv_policy_find("period") : NULL;
	config.rig.vm.allocator = hv_guest_allocator_find(config.rig.technique->allocator);
	config.rig.vm.tuning = (hv_tuning){ .report_order = 9, .report_delay_ns = 1000000, .report_batch = 32 };
	return config;
}

static void assert_side(const hv_impact_side *side, uint32_t n_vcpus, size_t n_windows)
{
	double sum = 0, single = 0;
	assert_int_equal(side->window_begin_s.n_values, n_windows);
	assert_int_equal(side->vcpu_work.n_values, n_vcpus * side->work.n_values);
	assert_true(side->work.n_values >= 20 * n_windows); /* at least as long as asked, less the first quantum */
	for (size_t at = 0; at < side->work.n_values; at++)
		sum += side->work.values[at];
	for (size_t at = 0; at < side->vcpu_work.n_values; at++)
		single += side->vcpu_work.values[at];
	assert_true(fabs(sum - single) <= 1e-6 * sum);
	assert_true(side->worst_second >= 0 && side->worst_second <= sum);
}

/* Instants lie in the series, one after the other; what was told was seen to go. */
static void assert_resizes(const hv_impact *impact, bool automatic)
{
	double length_s = (double)impact->course.resized.work.n_values * (double)impact->config.quantum_ns / 1e9;
	for (hv_direction at = 0; at < HV_DIRECTIONS; at++) {
		const hv_impact_resizes *resizes = &impact->course.resizes[at];
		size_t n_resizes = resizes->begin_s.n_values;
		assert_true(n_resizes == resizes->end_s.n_values && n_resizes == resizes->bytes.n_values);
		if (!automatic)
			assert_int_equal(n_resizes, 2);
		for (size_t each = 0; each < n_resizes; each++) {
			assert_true(resizes->begin_s.values[each] <= resizes->end_s.values[each]);
			assert_true(resizes->end_s.values[each] <= length_s + 0.003);
			assert_true(each == 0 || resizes->end_s.values[each - 1] <= resizes->begin_s.values[each]);
			assert_true(resizes->bytes.values[each] > 0);
		}
	}
	const hv_impact_resizes *shrinks = &impact->course.resizes[HV_SHRINK];
	assert_true(shrinks->freed_bytes > 0 && shrinks->freed_bytes <= shrinks->moved_bytes);
	if (!automatic && impact->config.rig.technique->grain_bytes >= HV_HUGE_BYTES)
		assert_true(shrinks->freed_bytes == shrinks->moved_bytes);
	assert_int_equal(impact->course.resizes[HV_GROW].moved_bytes, automatic ? 0 : shrinks->moved_bytes);
}

static void impact_check(const char *technique, const char *backing)
{
	static hv_impact impact;
	const char *failed_step;
	char detail[200] = "";
	hv_impact_config config = impact_config(technique, backing);
	assert_int_equal(hv_impact_open(&impact, &config, &failed_step), HV_OK);
	for (unsigned window = 0; window < 4; window++) {
		bool fine = hv_impact_window(&impact, window % 2 == 0);
		if (!fine)
			print_error("%s on %s: %s\n", technique, backing, impact.course.detail);
		assert_true(fine);
	}
	assert_int_equal(impact.course.n_proven, 2);
	assert_side(&impact.course.resized, 2, 2);
	assert_side(&impact.course.baseline, 2, 2);
	assert_resizes(&impact, config.rig.technique->automatic);
	bool sound = hv_impact_sound(&impact, detail, sizeof(detail));
	if (!sound)
		print_error("%s on %s: %s\n", technique, backing, detail);
	assert_true(sound);
	hv_impact_close(&impact);
}

static void every_technique_is_measured_marked_and_proven(void **state)
{
	(void)state;
	for (const hv_technique *const *each = hv_techniques; *each != NULL; each++)
		if ((*each)->grain_bytes != 0)
			impact_check((*each)->name, "anon-thp");
	impact_check("llfree-manual", "memfd");
	impact_check("virtio-mem", "memfd");
}

/* The checks can fail: a word of a buffer that changes, memory that comes back without being asked for. */
static void damage_is_seen(void **state)
{
	(void)state;
	static hv_impact impact;
	const char *failed_step;
	char detail[200] = "";
	hv_impact_config config = impact_config("llfree-manual", "anon-thp");
	assert_int_equal(hv_impact_open(&impact, &config, &failed_step), HV_OK);
	assert_true(hv_impact_window(&impact, true));
	assert_true(hv_impact_sound(&impact, detail, sizeof(detail)));
	hv_run run = hv_held_lock(&impact.tasks[1].vcpu->held[2]);
	impact.rig.vm.memory.base[(run.frame + 7) * HV_FRAME_BYTES] ^= 1;
	hv_held_unlock(&impact.tasks[1].vcpu->held[2], run);
	assert_false(hv_impact_sound(&impact, detail, sizeof(detail)));
	assert_non_null(strstr(detail, "1 frames lost what was written"));
	hv_impact_close(&impact);
}

static _Atomic bool interrupt;

static bool interrupted(void)
{
	return atomic_load(&interrupt);
}

static void an_interruption_ends_the_window_and_leaves_a_sound_guest(void **state)
{
	(void)state;
	static hv_impact impact;
	const char *failed_step;
	char detail[200] = "";
	static const char *const techniques[] = { "llfree-auto", "llfree-manual", "huge-manual" };
	for (unsigned at = 0; at < 3; at++) {
		hv_impact_config config = impact_config(techniques[at], "anon-thp");
		config.interrupted = interrupted;
		config.window_ns = UINT64_C(3600000000000);
		assert_int_equal(hv_impact_open(&impact, &config, &failed_step), HV_OK);
		atomic_store(&interrupt, true);
		assert_false(hv_impact_window(&impact, true));
		assert_false(hv_impact_window(&impact, false));
		atomic_store(&interrupt, false);
		assert_false(impact.course.refuted);
		assert_true(hv_impact_sound(&impact, detail, sizeof(detail)));
		hv_impact_close(&impact);
	}
}

/* A technique whose pass takes for longer than the period, as free page reporting does. */
static hv_err slow_pass(hv_host *host, uint64_t *moved_bytes)
{
	(void)host;
	hv_sleep_ns(30000000);
	*moved_bytes = HV_HUGE_BYTES;
	return HV_OK;
}

static void burst_count(void *context)
{
	++*(unsigned *)context;
}

static void a_guest_left_alone_has_as_many_bursts_as_beside_slow_passes(void **state)
{
	(void)state;
	static const hv_host_half half = { .pass = slow_pass };
	static const hv_technique technique = {
		.name = "slow", .grain_bytes = HV_HUGE_BYTES, .automatic = true, .host = &half
	};
	hv_host host = { .memory = { .huge_count = HUGE_COUNT, .fd = -1 } };
	hv_monitor monitor;
	unsigned resized = 0, alone = 0;
	uint64_t end_ns;
	assert_int_equal(hv_monitor_start(&monitor, &host, &technique, hv_policy_find("period"), 1000000, NULL), HV_OK);
	hv_impact_course course = { .plan = { .monitor = &monitor,
					      .window_ns = 100000000,
					      .quantum_ns = 1000000,
					      .period_ns = 1000000,
					      .burst = burst_count,
					      .context = &resized } };
	assert_true(hv_impact_course_window(&course, true, hv_now_ns(), &end_ns));
	course.plan.context = &alone;
	assert_true(hv_impact_course_window(&course, false, hv_now_ns(), &end_ns));
	assert_int_equal(alone, resized);
	hv_monitor_stop(&monitor);
	hv_impact_course_clear(&course);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(work_goes_to_its_steps_by_time),
		cmocka_unit_test(no_work_is_lost_between_steps),
		cmocka_unit_test(worst_mean_finds_the_window_wherever_it_is),
		cmocka_unit_test(quantiles_are_values_that_were_measured),
		cmocka_unit_test(every_technique_is_measured_marked_and_proven),
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(a_guest_left_alone_has_as_many_bursts_as_beside_slow_passes),
		cmocka_unit_test(an_interruption_ends_the_window_and_leaves_a_sound_guest),
	};
	return T_RUN(tests);
}
