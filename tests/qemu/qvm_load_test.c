/* SPDX-License-Identifier: MIT
 *
 * The guest's job of stream and ftq, without a VM: what its threads did is told step by step and sums up, buffers are
 * checked, bursts are taken and given back, what makes no sense is refused. */
#define _GNU_SOURCE
#include "tests/qemu/t_agent.h"

#define QUANTUM_NS UINT64_C(2000000)
#define EARLY_NS   UINT64_C(1000000000000)
#define WHOLE_NS   UINT64_C(10000000000000) /* as long as a step may be */

static uint64_t load_open(fixture *self, const char *kernel, unsigned threads, uint64_t bytes, uint64_t burst)
{
	uint64_t job;
	assert_int_equal(qvm_agent_spawn(&self->agent, "load", &job, LONG_NS), HV_OK);
	cJSON *arguments = with_text(NULL, "kernel", kernel);
	with_number(arguments, "threads", threads);
	with_number(arguments, "bytes", (double)bytes);
	with_number(arguments, "quantum_ns", (double)QUANTUM_NS);
	cJSON_Delete(job_call(self, job, "open", with_number(arguments, "burst", (double)burst)));
	return job;
}

static cJSON *steps_wanted(uint64_t begin_ns, uint64_t step_ns, unsigned n_steps)
{
	cJSON *arguments = with_number(NULL, "begin_ns", (double)begin_ns);
	with_number(arguments, "step_ns", (double)step_ns);
	return with_number(arguments, "n_steps", n_steps);
}

static double sum(const cJSON *answer, unsigned n_steps)
{
	const cJSON *each, *list = cJSON_GetObjectItemCaseSensitive(answer, "steps");
	double all = 0;
	assert_int_equal(cJSON_GetArraySize(list), n_steps);
	cJSON_ArrayForEach(each, list)
	{
		assert_true(cJSON_IsNumber(each) && each->valuedouble >= 0);
		all += each->valuedouble;
	}
	return all;
}

static uint64_t checked(fixture *self, uint64_t job)
{
	cJSON *answer = job_call(self, job, "check", NULL);
	assert_int_equal(qvm_answer_count(answer, "wrong"), 0);
	uint64_t n_done = qvm_answer_count(answer, "done");
	cJSON_Delete(answer);
	return n_done;
}

/* One step that is longer than the whole: all that was done is in it. @return iterations or units of this window */
static uint64_t window(fixture *self, uint64_t job, double work_per_done, uint64_t n_before)
{
	cJSON *answer = job_call(self, job, "work", NULL);
	uint64_t begin_ns = qvm_answer_count(answer, "ns");
	cJSON_Delete(answer);
	assert_true(begin_ns > 0 && begin_ns <= hv_now_ns());
	refused(self, "work", with_number(NULL, "job", (double)job), "works already");
	refused(self, "check", with_number(NULL, "job", (double)job), "rest first");
	hv_sleep_ns(5 * QUANTUM_NS);
	/* threads may begin before the answer, and the last quantum ends after the question */
	uint64_t from_ns = begin_ns > EARLY_NS ? begin_ns - EARLY_NS : 0;
	answer = job_call(self, job, "rest", steps_wanted(from_ns, WHOLE_NS, 1));
	double all = sum(answer, 2);
	cJSON_Delete(answer);
	uint64_t n_now = checked(self, job);
	double wanted = work_per_done * (double)(n_now - n_before);
	assert_true(all >= wanted * 0.999999 && all <= wanted * 1.000001);
	return n_now - n_before;
}

/* On a busy machine a window may pass without a turn of any thread: until two had some. */
static void kernel_run(fixture *self, const char *kernel, double work_per_done)
{
	uint64_t job = load_open(self, kernel, 2, 4 * MIB, 0), n_done = 0;
	unsigned n_busy = 0;
	assert_int_equal(checked(self, job), 0);
	for (unsigned turn = 0; turn < 1000 && n_busy < 2; turn++) {
		uint64_t n_more = window(self, job, work_per_done, n_done);
		n_busy += n_more > 0;
		n_done += n_more;
	}
	assert_int_equal(n_busy, 2);
}

static void what_was_done_is_told_and_buffers_hold_it(void **state)
{
	kernel_run(*state, "ftq", 1);
	kernel_run(*state, "stream", 4.0 * MIB); /* 2 MiB read, 2 MiB written */
}

/* Quanta begin where steps do, so each step holds whole units. @return units in all of them */
static double quanta(fixture *self, uint64_t job)
{
	cJSON *answer = job_call(self, job, "work", NULL);
	uint64_t begin_ns = (qvm_answer_count(answer, "ns") / QUANTUM_NS + 2) * QUANTUM_NS;
	cJSON_Delete(answer);
	hv_sleep_ns(10 * QUANTUM_NS);
	answer = job_call(self, job, "rest", steps_wanted(begin_ns, QUANTUM_NS, 5));
	const cJSON *each, *list = cJSON_GetObjectItemCaseSensitive(answer, "steps");
	double all = sum(answer, 5);
	cJSON_ArrayForEach(each, list) assert_true(each->valuedouble == (double)(uint64_t)each->valuedouble);
	cJSON_Delete(answer);
	return all;
}

static void steps_are_in_the_guests_time(void **state)
{
	fixture *self = *state;
	uint64_t job = load_open(self, "ftq", 1, 2 * MIB, 0);
	double all = 0;
	for (unsigned turn = 0; turn < 1000 && all == 0; turn++) /* a busy machine may need a while */
		all = quanta(self, job);
	assert_true(all > 0);
}

static void bursts_are_taken_and_given_back(void **state)
{
	fixture *self = *state;
	uint64_t job = load_open(self, "ftq", 2, 2 * MIB, 8 * MIB), taken = 0;
	refused(self, "burst", with_number(NULL, "job", (double)job), "does not work");
	cJSON_Delete(job_call(self, job, "work", NULL));
	cJSON_Delete(job_call(self, job, "burst", NULL));
	hv_sleep_ns(20 * QUANTUM_NS);
	for (unsigned turn = 0; turn < 1000 && taken < 4; turn++) { /* a busy machine may need a while */
		cJSON *answer = job_call(self, job, "rest", NULL);
		taken = qvm_answer_count(answer, "taken");
		assert_int_equal(qvm_answer_count(answer, "short") + qvm_answer_count(answer, "unzeroed"), 0);
		cJSON_Delete(answer);
		if (taken < 4)
			cJSON_Delete(job_call(self, job, "work", NULL));
	}
	assert_int_equal(taken, 4);
	assert_true(checked(self, job) > 0);
}

static void what_makes_no_sense_is_refused(void **state)
{
	fixture *self = *state;
	uint64_t job;
	assert_int_equal(qvm_agent_spawn(&self->agent, "load", &job, LONG_NS), HV_OK);
	static const struct {
		const char *kernel;
		double threads, bytes;
		const char *why;
	} wrong[] = { { "cook", 1, 2 * MIB, "known: stream, ftq" },
		      { "ftq", 0, 2 * MIB, "threads" },
		      { "ftq", 65, 2 * MIB, "threads" },
		      { "ftq", 1, 2 * MIB + 4096, "multiple of 2097152" },
		      { "stream", 1, 2 * MIB, "multiple of 4194304" } };
	refused(self, "work", with_number(NULL, "job", (double)job), "open it first");
	for (size_t at = 0; at < sizeof(wrong) / sizeof(wrong[0]); at++) {
		cJSON *arguments =
			with_number(with_text(NULL, "kernel", wrong[at].kernel), "threads", wrong[at].threads);
		with_number(with_number(arguments, "bytes", wrong[at].bytes), "quantum_ns", (double)QUANTUM_NS);
		refused(self, "open", with_number(arguments, "job", (double)job), wrong[at].why);
	}
	cJSON *arguments = with_number(with_text(NULL, "kernel", "ftq"), "threads", 1);
	with_number(with_number(arguments, "bytes", 2 * MIB), "quantum_ns", (double)QUANTUM_NS);
	with_text(arguments, "device", "/no/such/device");
	refused(self, "open", with_number(arguments, "job", (double)job), "/no/such/device");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_done_is_told_and_buffers_hold_it, start, stop),
		cmocka_unit_test_setup_teardown(steps_are_in_the_guests_time, start, stop),
		cmocka_unit_test_setup_teardown(bursts_are_taken_and_given_back, start, stop),
		cmocka_unit_test_setup_teardown(what_makes_no_sense_is_refused, start, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
