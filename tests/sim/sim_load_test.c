/* SPDX-License-Identifier: MIT
 *
 * Loads: lists over held runs, the page cache, programs, and trials by every technique. */
#include "t_sim.h"

#include "rig/trial.h"

#include <stdlib.h>

enum { HUGE = 64 };

static hv_program program_make(const char *kind, uint32_t n_vcpus, uint64_t seed)
{
	hv_program program;
	hv_program_config config = { .seed = seed, .memory_bytes = HUGE * (uint64_t)HV_HUGE_BYTES, .n_vcpus = n_vcpus };
	assert_int_equal(hv_program_make(&program, hv_program_kind_find(kind), &config), HV_OK);
	return program;
}

/* Against plain counters: frees at random from both ends of random lists. */
static void lists_keep_order_and_count_whatever_is_freed(void **state)
{
	(void)state;
	enum { LISTS = 5, STEPS = 20000 };
	static hv_rig rig;
	static hv_holding holding;
	uint64_t random = 42, frames[LISTS] = { 0 }, sum = 0;
	t_rig_open(&rig, "none", "anon-thp", HUGE, 1);
	assert_int_equal(hv_holding_open(&holding, &rig.vm.vcpus[0], LISTS), HV_OK);
	for (unsigned step = 0; step < STEPS; step++) {
		uint32_t idx = (uint32_t)(hv_random(&random) % LISTS);
		unsigned order = hv_random(&random) % 8 == 0 ? 3 : 0;
		if (hv_random(&random) % 5 < 3 && hv_holding_get(&holding, idx, order) == LLFREE_OK) {
			frames[idx] += UINT64_C(1) << order;
			continue;
		}
		uint64_t freed = hv_holding_put(&holding, idx, hv_random(&random) % 2 == 0);
		assert_true(freed <= frames[idx] && (freed > 0) == (frames[idx] > 0));
		frames[idx] -= freed;
	}
	for (uint32_t idx = 0; idx < LISTS; idx++) {
		assert_int_equal(holding.lists[idx].frames, frames[idx]);
		sum += frames[idx];
	}
	assert_int_equal(holding.frames, sum);
	for (uint32_t idx = 0; idx < LISTS; idx++)
		while (hv_holding_put(&holding, idx, true) > 0)
			;
	assert_int_equal(rig.vm.vcpus[0].n_held, 0);
	assert_int_equal(holding.frames, 0);
	t_assert_sound(&rig);
	hv_holding_close(&holding);
	hv_rig_destroy(&rig);
}

static void page_cache_counts_what_is_read_again(void **state)
{
	(void)state;
	static hv_rig rig;
	static hv_holding holding;
	hv_page_cache cache;
	t_rig_open(&rig, "none", "anon-thp", HUGE, 1);
	assert_int_equal(hv_page_cache_open(&cache, 3), HV_OK);
	assert_int_equal(hv_holding_open(&holding, &rig.vm.vcpus[0], 4), HV_OK);
	hv_cache_part part = { .cache = &cache, .holding = &holding, .first_list = 1 };
	assert_int_equal(hv_cache_part_read(&part, 0, 100), HV_CACHE_ALL);
	assert_int_equal(hv_cache_part_read(&part, 1, 50), HV_CACHE_ALL);
	assert_int_equal(hv_cache_part_read(&part, 0, 100), HV_CACHE_ALL);
	assert_int_equal(part.frames, 150);
	assert_int_equal(part.refaults, 0);
	/* file 1 was used least recently */
	assert_int_equal(hv_cache_part_shrink(&part, 60), 60);
	assert_int_equal(holding.lists[2].frames, 0);
	assert_int_equal(holding.lists[1].frames, 90);
	assert_int_equal(hv_cache_part_read(&part, 0, 120), HV_CACHE_ALL);
	assert_int_equal(part.refaults, 10);
	assert_int_equal(hv_cache_part_read(&part, 1, 50), HV_CACHE_ALL);
	assert_int_equal(part.refaults, 60);
	/* a deleted file is new when it is made again */
	hv_cache_part_delete(&part, 0);
	assert_int_equal(hv_cache_part_read(&part, 0, 120), HV_CACHE_ALL);
	assert_int_equal(part.refaults, 60);
	assert_int_equal(hv_cache_part_shrink(&part, UINT64_MAX), 170);
	assert_int_equal(part.frames, 0);
	assert_int_equal(part.dropped, 230);
	t_assert_sound(&rig);
	hv_holding_close(&holding);
	hv_page_cache_close(&cache);
	hv_rig_destroy(&rig);
}

static void programs_depend_on_nothing_but_their_seed(void **state)
{
	(void)state;
	static const char *const kinds[] = { "compile", "bursts" };
	for (size_t at = 0; at < 2; at++) {
		hv_program one = program_make(kinds[at], 3, 5), two = program_make(kinds[at], 3, 5),
			   other = program_make(kinds[at], 3, 6);
		bool differs = false;
		for (uint32_t idx = 0; idx < 3; idx++) {
			assert_int_equal(one.steps[idx].n_all, two.steps[idx].n_all);
			for (size_t step = 0; step < one.steps[idx].n_all; step++) {
				const hv_step *left = &one.steps[idx].all[step], *right = &two.steps[idx].all[step];
				assert_true(left->kind == right->kind && left->object == right->object &&
					    left->amount == right->amount);
				bool process = left->kind < HV_STEP_READ;
				if (left->kind != HV_STEP_THINK && left->kind != HV_STEP_SYNC)
					assert_true(left->object < (process ? one.n_processes : one.n_files));
				differs = differs || step >= other.steps[idx].n_all ||
					  other.steps[idx].all[step].amount != left->amount;
			}
		}
		assert_true(differs);
		hv_program_destroy(&one);
		hv_program_destroy(&two);
		hv_program_destroy(&other);
	}
}

static void histogram_is_off_by_a_sixteenth_at_most(void **state)
{
	(void)state;
	static hv_histogram histogram, other;
	for (uint64_t value = 1; value <= 100000; value++)
		hv_histogram_add(&histogram, value);
	for (unsigned percent = 1; percent <= 100; percent++) {
		double exact = 1000.0 * percent, told = (double)hv_histogram_at(&histogram, percent / 100.0);
		assert_true(told >= exact - 1 && told <= exact * 17 / 16 + 1);
	}
	hv_histogram_add(&other, UINT64_MAX);
	hv_histogram_merge(&histogram, &other);
	assert_int_equal(histogram.n_values, 100001);
	assert_true(hv_histogram_at(&histogram, 1) == UINT64_MAX);
	assert_int_equal(hv_histogram_at(&(hv_histogram){ 0 }, 0.5), 0);
}

static hv_trial_config trial_config(const char *technique, const hv_program *program)
{
	hv_trial_config config = { .rig = { .vm = t_vm_config("anon-thp", HUGE, program->n_vcpus),
					    .technique = hv_technique_find(technique),
					    .period_ns = 5000000,
					    .discard = HV_DISCARD_VECTORED,
					    .batch_huge = 64,
					    .one_mapping = T_THREAD_SANITIZER },
				   .program = program,
				   .speed = 200,
				   .ask_bytes = UINT64_MAX };
	static const hv_policy_setup setup = { .slack_bytes = 8u * (uint64_t)HV_HUGE_BYTES };
	config.rig.policy = hv_policy_find("period");
	config.rig.policy_setup = &setup;
	config.rig.vm.allocator = hv_guest_allocator_find(config.rig.technique->allocator);
	config.rig.vm.tuning = (hv_tuning){ .report_order = 9, .report_delay_ns = 2000000, .report_batch = 32 };
	return config;
}

/* The guest's memory is what it wrote, and the oracle never saw less than the guest used at the time, give or take
 * what moved between the two looks: so the sums are held against each other. */
static void trials_of_every_technique_end_sound(void **state)
{
	(void)state;
	static hv_trial trial;
	static hv_trial_outcome outcome;
	hv_program program = program_make("bursts", 2, 42);
	for (const hv_technique *const *each = hv_techniques; *each != NULL; each++) {
		const char *failed_step;
		hv_trial_config config = trial_config((*each)->name, &program);
		config.ask_bytes = 16u * (uint64_t)HV_HUGE_BYTES;
		assert_int_equal(hv_trial_begin(&trial, &config, &failed_step), HV_OK);
		while (hv_trial_sample(&trial))
			hv_sleep_ns(2000000);
		hv_trial_end(&trial, &outcome);
		if (!outcome.sound)
			print_error("%s: %s\n", (*each)->name, outcome.detail);
		assert_true(outcome.sound);
		print_message("%-14s %.3f GiB*min, %u gets, %u killed\n", (*each)->name, outcome.gib_min,
			      (unsigned)outcome.load.get_ns.n_values, (unsigned)outcome.load.n_killed);
		assert_true(outcome.gib_min > 0 && outcome.resident_peak <= (double)HUGE * HV_HUGE_BYTES);
		assert_true(outcome.load.get_ns.n_values > 10000);
		assert_true(trial.resident.n_values == trial.used.n_values && trial.resident.n_values > 1);
		hv_trial_clear(&trial);
	}
	hv_program_destroy(&program);
}

/* A program that wants more than there is: its processes are killed, counted, and the rest goes on. */
static void want_of_memory_kills_a_process_and_nothing_else(void **state)
{
	(void)state;
	static hv_rig rig;
	static hv_load load;
	static hv_load_outcome outcome;
	hv_program program = program_make("bursts", 2, 42);
	t_rig_open(&rig, "none", "anon-thp", HUGE / 2, 2);
	assert_int_equal(hv_load_open(&load, &rig.vm, &program, 1000, NULL), HV_OK);
	load.wait_max_ns = 20000000;
	hv_load_begin(&load);
	while (!hv_load_over(&load))
		hv_sleep_ns(1000000);
	hv_load_stop(&load);
	hv_load_result(&load, &outcome);
	assert_true(outcome.n_killed > 0 && outcome.n_stalls > 0);
	hv_load_close(&load);
	t_rest(&rig);
	t_assert_sound(&rig);
	hv_rig_destroy(&rig);
	hv_program_destroy(&program);
}

/* As a budget does with a VM: in the middle of everything. */
static void trial_can_be_ended_at_any_moment(void **state)
{
	(void)state;
	static hv_trial trial;
	static hv_trial_outcome outcome;
	hv_program program = program_make("compile", 2, 42);
	static const char *const techniques[] = { "llfree-auto", "llfree-manual", "base-auto", "virtio-mem" };
	for (unsigned at = 0; at < 12; at++) {
		const char *failed_step;
		hv_trial_config config = trial_config(techniques[at % 4], &program);
		config.speed = 50;
		assert_int_equal(hv_trial_begin(&trial, &config, &failed_step), HV_OK);
		hv_sleep_ns(100000000 + at * 17000000);
		assert_true(hv_trial_sample(&trial));
		hv_trial_end(&trial, &outcome);
		if (!outcome.sound)
			print_error("%s: %s\n", techniques[at % 4], outcome.detail);
		assert_true(outcome.sound);
		hv_trial_clear(&trial);
	}
	hv_program_destroy(&program);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_keep_order_and_count_whatever_is_freed),
		cmocka_unit_test(page_cache_counts_what_is_read_again),
		cmocka_unit_test(programs_depend_on_nothing_but_their_seed),
		cmocka_unit_test(histogram_is_off_by_a_sixteenth_at_most),
		cmocka_unit_test(trials_of_every_technique_end_sound),
		cmocka_unit_test(want_of_memory_kills_a_process_and_nothing_else),
		cmocka_unit_test(trial_can_be_ended_at_any_moment),
	};
	return T_RUN(tests);
}
