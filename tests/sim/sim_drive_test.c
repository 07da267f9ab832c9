/* SPDX-License-Identifier: MIT
 *
 * What drives a policy: the files it reads, plug-ins, the numbers it is told, and VMs that do what it decides. Waits
 * for moves and reports, never for a time. */
#define _GNU_SOURCE
#include "t_sim.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MIB        (UINT64_C(1) << 20)
#define MS         UINT64_C(1000000)
#define WAIT_S     60
#define UNKNOWN    HV_POLICY_UNKNOWN
#define PLUGIN(of) T_PLUGIN_DIR "/" of ".so"

static char dir[] = "/tmp/sim_policy_XXXXXX";

static const char *file_path(const char *name)
{
	static char path[200];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* As a careful controller does: no moment shows half of it. */
static void file_write(const char *name, const char *text)
{
	char part[220];
	snprintf(part, sizeof(part), "%s.part", file_path(name));
	FILE *file = fopen(part, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(rename(part, file_path(name)), 0);
}

static void figures_of_files_are_read_or_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool good;
		uint64_t bytes;
	} cases[] = { { "512M\n", true, 512 * MIB },
		      { "1073741824", true, 1024 * MIB },
		      { "2GiB \n", true, 2048 * MIB },
		      { "max\n", true, UNKNOWN - 1 },
		      { "", false, 0 },
		      { "\n512M\n", false, 0 },
		      { "0\n", false, 0 },
		      { "-5M\n", false, 0 },
		      { "5 M\n", true, 5 },
		      { "lots\n", false, 0 },
		      { "5Q\n", false, 0 } };
	char why[300];
	uint64_t bytes;
	for (size_t at = 0; at < sizeof(cases) / sizeof(cases[0]); at++) {
		file_write("figure", cases[at].text);
		bytes = 77;
		bool good = hv_target_read(file_path("figure"), &bytes, why, sizeof(why));
		if (good != cases[at].good)
			print_error("'%s'\n", cases[at].text);
		assert_int_equal(good, cases[at].good);
		assert_true(bytes == (good ? cases[at].bytes : 77));
	}
	assert_false(hv_target_read(file_path("none"), &bytes, why, sizeof(why)));
	assert_non_null(strstr(why, "No such file"));
}

static void pressure_files_are_read_or_refused(void **state)
{
	(void)state;
	hv_psi psi;
	char why[300];
	file_write("psi", "some avg10=12.34 avg60=1.00 avg300=0.00 total=5678\n"
			  "full avg10=0.50 avg60=0.00 avg300=0.00 total=90\n");
	assert_true(hv_psi_read(file_path("psi"), &psi, why, sizeof(why)));
	assert_true(psi.some_avg10 > 12.33 && psi.some_avg10 < 12.35 && psi.full_avg10 > 0.49 && psi.full_avg10 < 0.51);
	assert_true(psi.some_us == 5678 && psi.full_us == 90);
	file_write("psi", "some avg10=12.34 avg60=1.00 avg300=0.00 total=5678\n");
	assert_false(hv_psi_read(file_path("psi"), &psi, why, sizeof(why)));
	assert_non_null(strstr(why, "not pressure stall information"));
	assert_false(hv_psi_read(file_path("none"), &psi, why, sizeof(why)));
	assert_non_null(strstr(why, "No such file"));
}

/* What the monitor tells a policy against what is known otherwise. */
static void numbers_are_exact_and_unknown_when_not_needed(void **state)
{
	(void)state;
	static hv_rig rig;
	hv_policy_source source;
	hv_policy_input input = { 0 };
	static const char *const backings[] = { "anon-thp", "memfd" };
	for (size_t at = 0; at < 2; at++) {
		t_rig_open(&rig, "llfree-auto", backings[at], 32, 1);
		hv_policy_source_open(&source, &rig.host, true, NULL);
		t_touch(&rig.vm.memory, 3);
		t_touch(&rig.vm.memory, 9);
		assert_int_equal(hv_residency_look(&rig.residency, &rig.vm.memory, &rig.after), HV_OK);
		hv_policy_source_look(&source, HV_POLICY_NEEDS_RESIDENT | HV_POLICY_NEEDS_FREE | HV_POLICY_NEEDS_HOST,
				      &input);
		assert_true(input.resident_bytes == rig.after.resident_bytes &&
			    input.resident_bytes >= 2u * HV_HUGE_BYTES);
		assert_int_equal(input.free_huge, 32);
		assert_true(input.host_available_bytes > 0 && input.host_available_bytes != UNKNOWN);
		assert_true(input.used_bytes == UNKNOWN && input.some_us == UNKNOWN && input.target_bytes == UNKNOWN &&
			    input.low_bytes == UNKNOWN);
		hv_policy_source_look(&source, 0, &input);
		assert_true(input.resident_bytes == UNKNOWN && input.free_huge == UNKNOWN &&
			    input.host_available_bytes == UNKNOWN);
		hv_policy_source_close(&source);
		hv_rig_destroy(&rig);
	}
}

static void plugin_is_loaded_or_refused_with_a_reason(void **state)
{
	(void)state;
	char why[300] = "";
	const hv_policy *policy = hv_policy_load(PLUGIN("hv_example_policy"), why, sizeof(why));
	if (policy == NULL)
		print_error("%s\n", why);
	assert_non_null(policy);
	assert_string_equal(policy->name, "nightly");
	static const char *const bad[][2] = { { PLUGIN("hv_policy_of_abi_99"), "version 99" },
					      { PLUGIN("hv_policy_without_decide"), "must be set" },
					      { PLUGIN("hv_policy_without_symbol"), "no symbol hv_policy_plugin" },
					      { PLUGIN("hv_policy_with_needs"), "does not know" },
					      { PLUGIN("hv_policy_with_name"), "its name" },
					      { "/dev/null", "" },
					      { "/tmp/there/is/no/such.so", "No such file" } };
	for (size_t at = 0; at < sizeof(bad) / sizeof(bad[0]); at++) {
		assert_null(hv_policy_load(bad[at][0], why, sizeof(why)));
		if (strstr(why, bad[at][1]) == NULL)
			print_error("%s: '%s'\n", bad[at][0], why);
		assert_non_null(strstr(why, bad[at][1]));
	}
}

/* What a monitor did and said, for whoever waits for it. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t limit_bytes, n_passes, n_reports;
	char report[400];
} seen = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

static void seen_move(void *context, hv_command command, const hv_move *move, uint64_t limit_bytes)
{
	(void)context;
	(void)move;
	pthread_mutex_lock(&seen.lock);
	seen.limit_bytes = limit_bytes;
	seen.n_passes += command == HV_COMMAND_PASS;
	pthread_cond_broadcast(&seen.changed);
	pthread_mutex_unlock(&seen.lock);
}

static void seen_report(void *context, const char *text)
{
	(void)context;
	pthread_mutex_lock(&seen.lock);
	seen.n_reports++;
	snprintf(seen.report, sizeof(seen.report), "%s", text);
	pthread_cond_broadcast(&seen.changed);
	pthread_mutex_unlock(&seen.lock);
}

/* Until a number that is watched is what it shall be, or at least that. @return what it is in the end */
static uint64_t seen_wait(const uint64_t *number, uint64_t value, bool at_least)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	pthread_mutex_lock(&seen.lock);
	while (*number != value && !(at_least && *number > value))
		if (pthread_cond_timedwait(&seen.changed, &seen.lock, &until) != 0)
			break;
	uint64_t is = *number;
	pthread_mutex_unlock(&seen.lock);
	return is;
}

static void driven_open(hv_rig *rig, const char *technique, const char *policy, const hv_policy_setup *setup)
{
	const char *failed_step;
	hv_rig_config config = { .vm = t_vm_config("anon-thp", 64, 1),
				 .technique = hv_technique_find(technique),
				 .policy = hv_policy_find(policy),
				 .policy_setup = setup,
				 .period_ns = 5 * MS,
				 .discard = HV_DISCARD_VECTORED,
				 .batch_huge = 16,
				 .one_mapping = T_THREAD_SANITIZER };
	config.vm.allocator = hv_guest_allocator_find(config.technique->allocator);
	seen.limit_bytes = seen.n_passes = seen.n_reports = 0;
	assert_int_equal(hv_rig_create(rig, &config, &failed_step), HV_OK);
	hv_monitor_watch(&rig->monitor, seen_move, NULL);
}

/* Up and down while the guest works; what is no figure changes nothing and is told once. */
static void file_drives_the_limit_of_a_vm_that_runs(void **state)
{
	(void)state;
	static hv_rig rig;
	static const struct {
		const char *text;
		uint64_t mib;
	} steps[] = { { "64M\n", 64 }, { "100M\n", 100 }, { "33M\n", 32 }, { "max\n", 128 }, { "48M\n", 48 } };
	static const char *const techniques[] = { "llfree-manual", "huge-manual" };
	hv_policy_setup setup = { .target_path = strdup(file_path("target")), .report = seen_report };
	for (size_t technique = 0; technique < 2; technique++) {
		file_write("target", "128M");
		driven_open(&rig, techniques[technique], "target", &setup);
		hv_vm_fill_base(&rig.vm, 16 * MIB);
		hv_vm_begin(&rig.vm, HV_JOB_WORK, 0);
		hv_monitor_policy(&rig.monitor, true);
		for (size_t at = 0; at < sizeof(steps) / sizeof(steps[0]); at++) {
			file_write("target", steps[at].text);
			assert_int_equal(seen_wait(&seen.limit_bytes, steps[at].mib * MIB, false) / MIB, steps[at].mib);
		}
		assert_int_equal(seen.n_reports, 0);
		file_write("target", "nonsense\n");
		assert_int_equal(seen_wait(&seen.n_reports, 1, true), 1);
		assert_non_null(strstr(seen.report, "nonsense"));
		assert_non_null(strstr(seen.report, "the last good figure stays"));
		unlink(file_path("target"));
		file_write("target", "80M\n");
		assert_int_equal(seen_wait(&seen.limit_bytes, 80 * MIB, false) / MIB, 80);
		unlink(file_path("target"));
		assert_int_equal(seen_wait(&seen.n_reports, 2, true), 2);
		hv_monitor_policy(&rig.monitor, false);
		assert_int_equal(hv_monitor_limit(&rig.monitor), 80 * MIB);
		uint64_t taken = rig.host.channel != NULL
					 ? hv_ledger_out_bytes(&rig.host.channel->ledger)
					 : hv_frames_count(&rig.host.frames, HV_R_HARD) << HV_HUGE_SHIFT;
		assert_int_equal(taken, 48 * MIB);
		assert_int_equal(hv_monitor_move_err(&rig.monitor), HV_OK);
		t_rest(&rig);
		t_assert_sound(&rig);
		hv_rig_destroy(&rig);
	}
	free((char *)(uintptr_t)setup.target_path);
}

/* A technique without limits, driven by what is resident. */
static void file_makes_an_automatic_technique_pass(void **state)
{
	(void)state;
	static hv_rig rig;
	hv_policy_setup setup = { .target_path = strdup(file_path("target")), .report = seen_report };
	file_write("target", "max");
	driven_open(&rig, "llfree-auto", "target", &setup);
	hv_vm_fill_all(&rig.vm);
	t_rest(&rig);
	hv_monitor_policy(&rig.monitor, true);
	assert_int_equal(seen.n_passes, 0);
	file_write("target", "32M");
	assert_true(seen_wait(&seen.n_passes, 1, true) >= 1);
	hv_monitor_policy(&rig.monitor, false);
	assert_int_equal(hv_residency_look(&rig.residency, &rig.vm.memory, &rig.after), HV_OK);
	assert_true(rig.after.resident_bytes < 64 * (uint64_t)HV_HUGE_BYTES);
	t_assert_sound(&rig);
	hv_rig_destroy(&rig);
	free((char *)(uintptr_t)setup.target_path);
}

static hv_policy_decision wrong_decide(const hv_policy_input *input, hv_policy_state *own)
{
	(void)own;
	return input->takes_limits ? hv_policy_pass() : hv_policy_limit(HV_HUGE_BYTES);
}

static void policy_that_wants_the_impossible_is_told_once(void **state)
{
	(void)state;
	static hv_rig rig;
	static const hv_policy wrong = { HV_POLICY_ABI, 0, "wrong", "", wrong_decide };
	static const char *const techniques[][2] = { { "llfree-manual", "wants a pass of" },
						     { "llfree-auto", "wants to limit" } };
	hv_policy_setup setup = { .report = seen_report };
	for (size_t at = 0; at < 2; at++) {
		driven_open(&rig, techniques[at][0], "period", &setup);
		rig.monitor.policy = &wrong;
		hv_monitor_policy(&rig.monitor, true);
		assert_int_equal(seen_wait(&seen.n_reports, 1, true), 1);
		assert_non_null(strstr(seen.report, techniques[at][1]));
		/* commands are served beside it */
		hv_command command = at == 0 ? HV_COMMAND_SHRINK : HV_COMMAND_PASS;
		assert_int_equal(hv_monitor_do(&rig.monitor, command, 64 * MIB).err, HV_OK);
		hv_monitor_policy(&rig.monitor, false);
		assert_int_equal(seen.n_reports, 1);
		hv_rig_destroy(&rig);
	}
}

static int files_make(void **state)
{
	(void)state;
	return mkdtemp(dir) == NULL;
}

static int files_remove(void **state)
{
	(void)state;
	static const char *const names[] = { "figure", "psi", "target" };
	for (size_t at = 0; at < 3; at++)
		unlink(file_path(names[at]));
	return rmdir(dir);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_of_files_are_read_or_refused),
		cmocka_unit_test(pressure_files_are_read_or_refused),
		cmocka_unit_test(numbers_are_exact_and_unknown_when_not_needed),
		cmocka_unit_test(plugin_is_loaded_or_refused_with_a_reason),
		cmocka_unit_test(file_drives_the_limit_of_a_vm_that_runs),
		cmocka_unit_test(file_makes_an_automatic_technique_pass),
		cmocka_unit_test(policy_that_wants_the_impossible_is_told_once),
	};
	return cmocka_run_group_tests(tests, files_make, files_remove);
}
