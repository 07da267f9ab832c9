/* SPDX-License-Identifier: MIT
 *
 * The guest's job that writes memory, without a VM: it tells the time of each step, on anonymous memory and on a
 * device, and refuses what makes no sense. */
#define _GNU_SOURCE
#include "tests/qemu/t_agent.h"

#include <stdlib.h>

static cJSON *wanted(double bytes, unsigned threads, bool huge)
{
	return with_number(with_number(with_number(NULL, "bytes", bytes), "threads", threads), "huge", huge);
}

static void written(fixture *self, cJSON *arguments, uint64_t bytes)
{
	uint64_t job;
	assert_int_equal(qvm_agent_spawn(&self->agent, "write", &job, LONG_NS), HV_OK);
	cJSON *answer = job_call(self, job, "write-all", arguments);
	assert_int_equal(qvm_answer_count(answer, "bytes"), bytes);
	assert_true(qvm_answer_count(answer, "map_ns") > 0);
	assert_true(qvm_answer_count(answer, "touch_ns") > 0);
	assert_true(qvm_answer_count(answer, "free_ns") > 0);
	cJSON_Delete(answer);
	cJSON_Delete(call(self, "end", with_number(NULL, "job", (double)job)));
}

static void every_step_takes_its_time(void **state)
{
	written(*state, wanted(16 * MIB, 2, false), 16 * MIB);
	written(*state, wanted(16 * MIB, 2, true), 16 * MIB);
	written(*state, wanted(16 * MIB, 3, true), 12 * MIB); /* each thread a whole number of 2 MiB */
}

/* Each thread has offsets of its own: a file of just that size holds all of them. */
static void a_device_is_shared_by_offsets(void **state)
{
	char path[] = "/tmp/llfree-write-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0 && ftruncate(fd, 8 * MIB) == 0);
	written(*state, with_text(wanted(8 * MIB, 2, false), "device", path), 8 * MIB);
	uint64_t last = 0;
	assert_int_equal(pread(fd, &last, sizeof(last), 8 * MIB - 4096), sizeof(last));
	assert_int_equal(last, 4 * MIB - 4096);
	close(fd);
	unlink(path);
}

static void what_makes_no_sense_is_refused(void **state)
{
	fixture *self = *state;
	uint64_t job;
	assert_int_equal(qvm_agent_spawn(&self->agent, "write", &job, LONG_NS), HV_OK);
	refused(self, "write-all", with_number(wanted(2 * MIB, 2, false), "job", (double)job), "needs 2 MiB");
	refused(self, "write-all", with_number(wanted(4 * MIB, 0, false), "job", (double)job), "threads");
	refused(self, "write-all", with_number(wanted(4 * MIB, 65, false), "job", (double)job), "threads");
	cJSON *nowhere = with_text(wanted(4 * MIB, 1, false), "device", "/no/such/device");
	refused(self, "write-all", with_number(nowhere, "job", (double)job), "/no/such/device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_step_takes_its_time, start, stop),
		cmocka_unit_test_setup_teardown(a_device_is_shared_by_offsets, start, stop),
		cmocka_unit_test_setup_teardown(what_makes_no_sense_is_refused, start, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
