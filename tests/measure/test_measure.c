/* SPDX-License-Identifier: MIT
 *
 * measure/: the interval of the median against tables of order statistics, and what is said about machines that are
 * made up as folders. */
#define _GNU_SOURCE
#include "measure.h"
#include "t_cmocka.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 512 };

/* --- intervals ---------------------------------------------------------------------------------------------------- */

/* Ends counted from 1, as the tables of the sign test have them. */
static void interval_check(size_t n_values, size_t low, size_t high, double confidence)
{
	size_t low_idx, high_idx;
	double got = measure_interval(n_values, &low_idx, &high_idx);

	assert_int_equal(low_idx + 1, low);
	assert_int_equal(high_idx + 1, high);
	assert_true(fabs(got - confidence) < 5e-5);
}

static void interval_is_that_of_the_sign_test(void **state)
{
	(void)state;
	interval_check(6, 1, 6, 0.96875);
	interval_check(7, 1, 7, 0.984375);
	interval_check(8, 1, 8, 0.9921875);
	interval_check(9, 2, 8, 0.9609375);
	interval_check(10, 2, 9, 0.978516);
	interval_check(12, 3, 10, 0.961426);
	interval_check(20, 6, 15, 0.958611);
	interval_check(25, 8, 18, 0.956715);
	interval_check(50, 18, 33, 0.967161);
	interval_check(100, 40, 61, 0.964800);
}

static void few_samples_give_the_extremes_and_what_they_are_worth(void **state)
{
	(void)state;
	interval_check(2, 1, 2, 0.5);
	interval_check(3, 1, 3, 0.75);
	interval_check(4, 1, 4, 0.875);
	interval_check(5, 1, 5, 0.9375);
	interval_check(1, 1, 1, 0);
}

/* The sum of the binomial tail stays exact where 2^-n underflows; the normal approximation is close by then. */
static void long_series_have_an_interval_too(void **state)
{
	(void)state;
	for (size_t n_values = 2000; n_values <= 20000; n_values += 1234) {
		size_t low_idx, high_idx;
		double confidence = measure_interval(n_values, &low_idx, &high_idx);
		double half_width = 0.98 * sqrt((double)n_values);

		assert_true(confidence >= 0.95 && confidence < 0.96);
		assert_int_equal(low_idx + high_idx, n_values - 1);
		assert_true(fabs((double)n_values / 2 - half_width - (double)low_idx) < 3);
	}
}

static void summary_does_not_depend_on_the_order_of_samples(void **state)
{
	double values[] = { 9, 1, 8, 2, 7, 3, 6, 4, 5 };
	double even[] = { 4, 1, 3, 2 };
	measure_summary summary = measure_summarise(values, T_COUNT(values));

	(void)state;
	assert_true(summary.median == 5 && summary.low == 2 && summary.high == 8);
	summary = measure_summarise(even, T_COUNT(even));
	assert_true(summary.median == 2.5 && summary.low == 1 && summary.high == 4 && summary.confidence == 0.875);
	summary = measure_summarise(even, 1);
	assert_true(summary.median == 1 && summary.low == 1 && summary.high == 1 && summary.confidence == 0);
	summary = measure_summarise(NULL, 0);
	assert_true(summary.median == 0 && summary.confidence == 0);
}

static void spread_is_an_interval_wider_than_half_of_the_median(void **state)
{
	(void)state;
	assert_false(measure_spread(&(measure_summary){ .median = 10, .low = 8, .high = 13 }));
	assert_true(measure_spread(&(measure_summary){ .median = 10, .low = 8, .high = 13.1 }));
	assert_false(measure_spread(&(measure_summary){ 0 }));
}

/* --- machines ----------------------------------------------------------------------------------------------------- */

typedef struct machine_folder {
	char root[PATH_BYTES / 4];
} machine_folder;

static void folder_write(const machine_folder *self, const char *path, const char *text)
{
	char full[PATH_BYTES];
	FILE *file;

	snprintf(full, sizeof(full), "%s%s", self->root, path);
	for (char *slash = full + strlen(self->root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	file = fopen(full, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Two cores of two threads each. */
static void folder_make(machine_folder *self)
{
	static const char *const siblings[4] = { "0,2\n", "1,3\n", "0,2\n", "1,3\n" };
	char path[PATH_BYTES];

	snprintf(self->root, sizeof(self->root), "%s/llfree-machine-XXXXXX", P_tmpdir);
	assert_non_null(mkdtemp(self->root));
	for (int cpu = 0; cpu < 4; cpu++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
		folder_write(self, path, siblings[cpu]);
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu);
		folder_write(self, path, "performance\n");
	}
	folder_write(self, "/sys/devices/system/cpu/cpufreq/boost", "0\n");
	folder_write(self, "/sys/devices/system/node/node0/cpulist", "0-3\n");
	folder_write(self, "/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	folder_write(self, "/sys/kernel/mm/transparent_hugepage/shmem_enabled",
		     "always within_size [advise] never deny force\n");
	folder_write(self, "/proc/sys/kernel/numa_balancing", "0\n");
	folder_write(self, "/proc/cpuinfo", "processor\t: 0\nmodel name\t: Test CPU\nflags\t\t: fpu sse2\n");
	folder_write(self, "/proc/meminfo", "MemTotal:        1024 kB\nMemFree: 1 kB\n");
	folder_write(self, "/proc/loadavg", "0.25 0.50 0.75 1/100 4242\n");
	folder_write(self, "/proc/stat", "cpu  10 0 10 1000 0 0 0 0 0 0\n");
}

static void folder_remove(const machine_folder *self)
{
	char command[PATH_BYTES];

	snprintf(command, sizeof(command), "rm -r '%s'", self->root);
	assert_int_equal(system(command), 0);
}

static bool warns(const measure_machine *machine, bool asks_numa, const char *name)
{
	measure_warning warnings[MEASURE_WARNINGS];
	size_t n_warnings = measure_warnings(machine, asks_numa, warnings);

	assert_true(n_warnings <= MEASURE_WARNINGS);
	for (size_t at = 0; at < n_warnings; at++)
		if (strcmp(warnings[at].name, name) == 0)
			return true;
	return false;
}

static void quiet_machine_is_read_and_not_warned_about(void **state)
{
	static const char *const names[] = { "emulated",           "virtualised", "noisy-machine", "thp-off",
					     "powersave-governor", "turbo-on",    "no-numa",       "numa-balancing" };
	machine_folder folder;
	measure_machine machine;

	(void)state;
	folder_make(&folder);
	measure_machine_read(&machine, folder.root);
	assert_string_equal(machine.cpu, "Test CPU");
	assert_string_equal(machine.governor, "performance");
	assert_string_equal(machine.turbo, "off");
	assert_string_equal(machine.thp, "madvise");
	assert_string_equal(machine.shmem_thp, "advise");
	assert_string_equal(machine.numa_balancing, "off");
	assert_string_equal(machine.virtual_by, "none");
	assert_int_equal(machine.cpus, 4);
	assert_int_equal(machine.cores, 2);
	assert_int_equal(machine.numa_nodes, 1);
	assert_int_equal(machine.machine_bytes, 1024 * 1024);
	assert_true(machine.load == 0.25 && machine.busy_cpus == 0);
	for (size_t at = 0; at < T_COUNT(names); at++)
		assert_false(warns(&machine, false, names[at]));
	assert_true(warns(&machine, true, "no-numa"));
	folder_remove(&folder);
}

static void each_trouble_has_its_warning(void **state)
{
	machine_folder folder;
	measure_machine machine;

	(void)state;
	folder_make(&folder);
	folder_write(&folder, "/sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave\n");
	folder_write(&folder, "/sys/devices/system/cpu/intel_pstate/no_turbo", "0\n");
	folder_write(&folder, "/sys/devices/system/node/node1/cpulist", "\n");
	folder_write(&folder, "/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]\n");
	folder_write(&folder, "/proc/sys/kernel/numa_balancing", "1\n");
	folder_write(&folder, "/proc/cpuinfo", "model name\t: Test CPU\nflags\t\t: fpu sse2 hypervisor lahf_lm\n");
	measure_machine_read(&machine, folder.root);
	assert_string_equal(machine.governor, "mixed");
	assert_string_equal(machine.turbo, "on");
	assert_true(warns(&machine, false, "turbo-on"));
	assert_true(warns(&machine, false, "thp-off"));
	assert_true(warns(&machine, false, "numa-balancing"));
	assert_true(warns(&machine, false, "virtualised"));
	assert_false(warns(&machine, true, "no-numa"));
	for (int cpu = 0; cpu < 3; cpu++) {
		char path[PATH_BYTES];
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu);
		folder_write(&folder, path, "powersave\n");
	}
	measure_machine_read(&machine, folder.root);
	assert_true(warns(&machine, false, "powersave-governor"));
	folder_remove(&folder);
}

static void load_counts_while_somebody_works(void **state)
{
	measure_machine machine = { .cpus = 4, .cores = 4, .thp = "madvise", .virtual_by = "none" };

	(void)state;
	machine.load = 3;
	assert_false(warns(&machine, false, "noisy-machine")); /* what an earlier run has left behind */
	machine.busy_cpus = 0.5;
	assert_true(warns(&machine, false, "noisy-machine"));
	machine.load = 1;
	assert_false(warns(&machine, false, "noisy-machine"));
	machine.busy_cpus = 2.5;
	assert_true(warns(&machine, false, "noisy-machine"));
	strcpy(machine.virtual_by, "TCG");
	assert_true(warns(&machine, false, "emulated"));
	assert_false(warns(&machine, false, "virtualised"));
}

static void nothing_at_all_is_absent(void **state)
{
	measure_machine machine;

	(void)state;
	measure_machine_read(&machine, "/nonexistent");
	assert_string_equal(machine.cpu, "absent");
	assert_string_equal(machine.governor, "absent");
	assert_string_equal(machine.thp, "absent");
	assert_string_equal(machine.turbo, "absent");
	assert_int_equal(machine.numa_nodes, 1);
	assert_true(warns(&machine, false, "thp-off"));
}

static void facts_of_this_machine_are_complete(void **state)
{
	measure_machine machine;
	measure_fact facts[MEASURE_FACTS];
	char time_text[32];

	(void)state;
	measure_machine_read(&machine, "");
	assert_int_equal(measure_facts(&machine, time_text, facts), MEASURE_FACTS);
	for (size_t at = 0; at < MEASURE_FACTS; at++) {
		assert_true(facts[at].text == NULL || facts[at].text[0] != '\0');
		for (size_t before = 0; before < at; before++)
			assert_string_not_equal(facts[at].name, facts[before].name);
	}
	assert_true(machine.cpus >= 1 && machine.cores >= 1 && machine.cores <= machine.cpus);
	assert_true(machine.machine_bytes > 0 && machine.busy_cpus >= 0);
}

static void line_of_warnings_fits(void **state)
{
	measure_warning warnings[2] = { { .name = "one", .detail = "first" }, { .name = "two", .detail = "second" } };
	char text[64], small[12];

	(void)state;
	assert_string_equal(measure_warnings_line(warnings, 2, text, sizeof(text)), "one (first), two (second)");
	assert_string_equal(measure_warnings_line(warnings, 2, small, sizeof(small)), "one (fir...");
	assert_string_equal(measure_warnings_line(warnings, 0, text, sizeof(text)), "");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(interval_is_that_of_the_sign_test),
		cmocka_unit_test(few_samples_give_the_extremes_and_what_they_are_worth),
		cmocka_unit_test(long_series_have_an_interval_too),
		cmocka_unit_test(summary_does_not_depend_on_the_order_of_samples),
		cmocka_unit_test(spread_is_an_interval_wider_than_half_of_the_median),
		cmocka_unit_test(quiet_machine_is_read_and_not_warned_about),
		cmocka_unit_test(each_trouble_has_its_warning),
		cmocka_unit_test(load_counts_while_somebody_works),
		cmocka_unit_test(nothing_at_all_is_absent),
		cmocka_unit_test(facts_of_this_machine_are_complete),
		cmocka_unit_test(line_of_warnings_fits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
