/* SPDX-License-Identifier: MIT
 *
 * The agent of the guest and its client, over a socket pair and without a VM: what it tells, that jobs hold, check and
 * give back memory, that a job's end answers what it was asked, and that no line of either side harms the other. */
#define _GNU_SOURCE
#include "tests/qemu/t_agent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

static uint64_t memory_job(fixture *self)
{
	uint64_t job;
	assert_int_equal(qvm_agent_spawn(&self->agent, "memory", &job, LONG_NS), HV_OK);
	return job;
}

static void the_agent_tells_what_the_guest_is(void **state)
{
	fixture *self = *state;
	cJSON *answer = call(self, "hello", NULL);
	assert_int_equal(qvm_answer_count(answer, "protocol"), 1);
	assert_true(qvm_answer_count(answer, "cpus") >= 1);
	assert_int_equal(qvm_answer_count(answer, "pid"), self->pid);
	assert_string_not_equal(qvm_answer_text(answer, "kernel"), "");
	assert_true(cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(answer, "own-machine")));
	cJSON_Delete(answer);
	answer = call(self, "meminfo", NULL);
	assert_int_equal(qvm_answer_count(answer, "MemTotal"), hv_meminfo_bytes("MemTotal"));
	assert_true(qvm_answer_count(answer, "MemAvailable") > 0);
	cJSON_Delete(answer);
	uint64_t before_ns = hv_now_ns();
	answer = call(self, "clock", NULL);
	uint64_t told_ns = qvm_answer_count(answer, "ns");
	assert_true(told_ns >= before_ns && told_ns <= hv_now_ns());
	cJSON_Delete(answer);
	answer = call(self, "read", with_text(NULL, "path", "/proc/self/comm"));
	assert_string_equal(qvm_answer_text(answer, "text"), "llfree-guest\n");
	cJSON_Delete(answer);
}

static void an_agent_that_shares_its_machine_leaves_it_alone(void **state)
{
	fixture *self = *state;
	static const char *const verbs[] = { "write", "drop-caches", "insmod", "modprobe", "rmmod", "poweroff" };
	for (size_t at = 0; at < T_COUNT(verbs); at++)
		refused(self, verbs[at], with_text(with_text(NULL, "path", "/proc/self/comm"), "text", "x"),
			"shares it with others");
}

static void bad_requests_are_refused_with_a_reason(void **state)
{
	fixture *self = *state;
	refused(self, "no-such-verb", NULL, "unknown verb no-such-verb");
	refused(self, "read", NULL, "\"path\" must be a text");
	refused(self, "read", with_text(NULL, "path", "/no/such/file"), "No such file");
	refused(self, "spawn", with_text(NULL, "kind", "cook"), "unknown kind of job cook");
	refused(self, "end", with_number(NULL, "job", 77), "there is no such job");
	refused(self, "fill", with_number(NULL, "job", 77), "there is no such job");
	refused(self, "run", NULL, "\"argv\" must be a list");
	uint64_t job = memory_job(self);
	refused(self, "fill", with_number(with_number(NULL, "job", (double)job), "bytes", -1),
		"\"bytes\" must be a whole");
	refused(self, "work", with_number(NULL, "job", (double)job), "fill first");
	refused(self, "fill",
		with_text(with_number(with_number(NULL, "job", (double)job), "bytes", 4 * MIB), "huge", "maybe"),
		"\"huge\" must be default, always or never");
}

/* Lines that no client would send; each is answered, and the next request is served as ever. */
static void no_line_harms_the_agent(void **state)
{
	fixture *self = *state;
	static const char *const lines[] = {
		"",
		"{",
		"[]",
		"null",
		"{\"do\":\"hello\"}",
		"{\"id\":\"x\",\"do\":\"hello\"}",
		"{\"id\":-5}",
		"{\"id\":9,\"id\":9,\"do\":\"hello\"}",
		"{\"id\":1e99,\"do\":3}",
		"\xff\xfe\x01",
		"{\"id\":8,\"do\":\"run\",\"argv\":[1]}",
		"{\"id\":8,\"do\":\"end\",\"job\":\"x\"}",
		"{\"id\":8,\"do\":\"fill\",\"job\":-1}",
		"{\"id\":8,\"do\":\"spawn\",\"kind\":7}",
	};
	for (size_t at = 0; at < T_COUNT(lines); at++)
		assert_true(qvm_line_write(self->agent.fd, lines[at], LONG_NS));
	char *deep = malloc(100001);
	assert_non_null(deep);
	memset(deep, '[', 100000);
	deep[100000] = '\0';
	assert_true(qvm_line_write(self->agent.fd, deep, LONG_NS));
	free(deep);
	self->agent.n_sent = 100; /* the answers to those lines belong to nobody */
	cJSON_Delete(call(self, "hello", NULL));
}

static void programs_run_and_are_stopped_in_time(void **state)
{
	fixture *self = *state;
	cJSON *arguments = cJSON_Parse(
		"{\"argv\":[\"sh\",\"-c\",\"echo $WORD; echo bad >&2; exit 3\"],\"env\":{\"WORD\":\"good\"}}");
	cJSON *answer = call(self, "run", arguments);
	assert_int_equal(qvm_answer_count(answer, "status"), 3);
	assert_string_equal(qvm_answer_text(answer, "output"), "good\nbad\n");
	cJSON_Delete(answer);
	answer = call(self, "run", cJSON_Parse("{\"argv\":[\"sh\",\"-c\",\"echo begun; sleep 1000\"],\"timeout\":1}"));
	assert_int_equal(qvm_answer_count(answer, "signal"), SIGKILL);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "timed-out")));
	assert_string_equal(qvm_answer_text(answer, "output"), "begun\n");
	cJSON_Delete(answer);
	answer = call(self, "run", cJSON_Parse("{\"argv\":[\"/no/such/program\"]}"));
	assert_int_equal(qvm_answer_count(answer, "status"), 127);
	cJSON_Delete(answer);
	answer = call(self, "run",
		      cJSON_Parse("{\"argv\":[\"head\",\"-c\",\"100000\",\"/dev/zero\"],\"output_bytes\":10}"));
	assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(answer, "cut")));
	assert_string_equal(qvm_answer_text(answer, "output"), "??????????");
	cJSON_Delete(answer);
}

static void answers_come_in_any_order(void **state)
{
	fixture *self = *state;
	cJSON *answer,
		*slow = cJSON_Parse("{\"argv\":[\"sh\",\"-c\",\"read line < /dev/null; sleep 0.3; echo late\"]}");
	uint64_t late = qvm_agent_send(&self->agent, "run", slow);
	for (int at = 0; at < 20; at++)
		cJSON_Delete(call(self, "clock", NULL));
	assert_int_equal(qvm_agent_wait(&self->agent, late, LONG_NS, &answer), HV_OK);
	assert_string_equal(qvm_answer_text(answer, "output"), "late\n");
	cJSON_Delete(answer);
	uint64_t never = qvm_agent_send(&self->agent, "run", cJSON_Parse("{\"argv\":[\"sleep\",\"1000\"]}"));
	assert_int_equal(qvm_agent_wait(&self->agent, never, 10000000, &answer), HV_ERR_TIMEOUT);
	assert_null(answer);
}

static void memory_holds_its_pattern_until_it_is_given_back(void **state)
{
	fixture *self = *state;
	uint64_t job = memory_job(self);
	cJSON *answer = job_call(self, job, "fill", with_number(NULL, "bytes", 32 * MIB));
	assert_int_equal(qvm_answer_count(answer, "held"), 32 * MIB);
	assert_int_equal(qvm_answer_count(answer, "written"), 32 * MIB / 4096);
	cJSON_Delete(answer);
	answer = job_call(self, job, "free", with_number(NULL, "bytes", 8 * MIB));
	assert_int_equal(qvm_answer_count(answer, "held"), 24 * MIB);
	cJSON_Delete(answer);
	cJSON_Delete(job_call(self, job, "work", with_number(NULL, "threads", 3)));
	for (uint64_t turns = 0; turns < 3000;) {
		answer = job_call(self, job, "progress", NULL);
		turns = qvm_answer_count(answer, "turns");
		cJSON_Delete(answer);
	}
	answer = job_call(self, job, "rest", NULL);
	assert_true(qvm_answer_count(answer, "taken") > 0);
	assert_true(qvm_answer_count(answer, "checked") > 3000);
	assert_int_equal(qvm_answer_count(answer, "wrong") + qvm_answer_count(answer, "unzeroed"), 0);
	cJSON_Delete(answer);
	answer = job_call(self, job, "verify", NULL);
	assert_int_equal(qvm_answer_count(answer, "checked"), qvm_answer_count(answer, "held") / 4096);
	assert_int_equal(qvm_answer_count(answer, "wrong"), 0);
	cJSON_Delete(answer);
	cJSON_Delete(call(self, "end", with_number(NULL, "job", (double)job)));
	refused(self, "verify", with_number(NULL, "job", (double)job), "there is no such job");
}

/* Much at once, and back again: all of it checked when it goes, zero when it comes. Threads that got no CPU in one
 * round give theirs in a later one. */
static void memory_that_goes_for_a_while_comes_back_zeroed(void **state)
{
	fixture *self = *state;
	uint64_t job = memory_job(self), dropped = 0, taken = 0;
	cJSON_Delete(job_call(self, job, "fill", with_number(NULL, "bytes", 32 * MIB)));
	for (unsigned round = 0; round < 200 && (dropped < 16 || taken == 0); round++) {
		cJSON_Delete(job_call(self, job, "work",
				      with_number(with_number(with_number(NULL, "threads", 2), "away_bytes", 16 * MIB),
						  "away_ms", 1)));
		for (uint64_t turns = 0; turns < 20000;) {
			cJSON *answer = job_call(self, job, "progress", NULL);
			turns = qvm_answer_count(answer, "turns");
			cJSON_Delete(answer);
		}
		cJSON *answer = job_call(self, job, "rest", NULL);
		dropped += qvm_answer_count(answer, "dropped");
		taken += qvm_answer_count(answer, "taken");
		assert_int_equal(qvm_answer_count(answer, "wrong") + qvm_answer_count(answer, "unzeroed"), 0);
		cJSON_Delete(answer);
	}
	assert_true(dropped >= 16);
	assert_true(taken > 0);
}

/* A file stands for the device. One that is changed behind the job's back, one that is not zeroed when it is given
 * again, and one that is too small. */
static void wrong_bytes_are_seen_and_missing_memory_is_told(void **state)
{
	fixture *self = *state;
	char path[64];
	int fd = memfd_create("device", MFD_CLOEXEC);
	assert_int_equal(ftruncate(fd, 8 * (off_t)MIB), 0);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", getpid(), fd);
	uint64_t job = memory_job(self);
	cJSON *answer = job_call(self, job, "fill", with_text(with_number(NULL, "bytes", 6 * MIB), "device", path));
	assert_int_equal(qvm_answer_count(answer, "held"), 6 * MIB);
	cJSON_Delete(answer);
	unsigned char byte, at = 5;
	off_t where = 2 * (off_t)MIB + 7 * 4096 + at;
	assert_int_equal(pread(fd, &byte, 1, where), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, where), 1);
	answer = job_call(self, job, "verify", NULL);
	assert_int_equal(qvm_answer_count(answer, "wrong"), 1);
	assert_non_null(strstr(qvm_answer_text(answer, "first"), "block 1, page 7, word 0"));
	cJSON_Delete(answer);
	cJSON_Delete(job_call(self, job, "free", NULL));
	answer = job_call(self, job, "fill", with_number(NULL, "bytes", 2 * MIB));
	assert_int_equal(qvm_answer_count(answer, "unzeroed"), 512);
	cJSON_Delete(answer);
	answer = job_call(self, job, "fill", with_number(NULL, "bytes", 16 * MIB));
	assert_int_equal(qvm_answer_count(answer, "short"), 1);
	assert_int_equal(qvm_answer_count(answer, "held"), 8 * MIB);
	cJSON_Delete(answer);
	close(fd);
}

static void a_killed_job_answers_what_it_was_asked(void **state)
{
	fixture *self = *state;
	uint64_t job = memory_job(self);
	cJSON_Delete(job_call(self, job, "fill", with_number(NULL, "bytes", 4 * MIB)));
	uint64_t asked = 0;
	for (int at = 0; at < 4; at++) /* more than it can have done when the kill comes */
		asked = qvm_agent_job_send(&self->agent, job, "fill", with_number(NULL, "bytes", 256 * MIB));
	cJSON_Delete(call(self, "kill", with_number(NULL, "job", (double)job)));
	assert_int_equal(qvm_agent_wait(&self->agent, asked, LONG_NS, NULL), HV_ERR_REFUSED);
	assert_non_null(strstr(self->agent.why, "killed by signal 9"));
	refused(self, "verify", with_number(NULL, "job", (double)job), "there is no such job");
	cJSON_Delete(call(self, "hello", NULL));
}

static void jobs_end_with_the_agent(void **state)
{
	fixture *self = *state;
	cJSON *answer = call(self, "spawn", with_text(NULL, "kind", "memory"));
	pid_t job = (pid_t)qvm_answer_count(answer, "pid");
	int watched = (int)qvm_answer_count(answer, "job");
	cJSON_Delete(answer);
	cJSON_Delete(job_call(self, (uint64_t)watched, "fill", with_number(NULL, "bytes", 4 * MIB)));
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	kill(self->pid, SIGKILL);
	assert_int_equal(waitpid(self->pid, NULL, 0), self->pid);
	assert_int_equal(waitpid(job, NULL, 0), job); /* ours now, and gone */
	assert_int_equal(qvm_agent_call(&self->agent, "hello", NULL, LONG_NS, NULL), HV_ERR_GONE);
	qvm_agent_close(&self->agent);
	assert_int_equal(start(state), 0);
}

/* The other side is the test itself: what a guest may send. */
static void no_line_of_the_guest_harms_the_client(void **state)
{
	(void)state;
	static const char *const lines[] = { "x", "[1]", "{\"id\":1", "5" };
	int ends[2];
	qvm_agent agent;
	for (size_t at = 0; at < T_COUNT(lines); at++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
		qvm_agent_open(&agent, ends[0]);
		assert_true(qvm_line_write(ends[1], "{\"id\":0,\"ok\":true}", LONG_NS));
		assert_true(qvm_line_write(ends[1], "{\"id\":77,\"ok\":true}", LONG_NS));
		assert_true(qvm_line_write(ends[1], lines[at], LONG_NS));
		assert_int_equal(qvm_agent_call(&agent, "hello", NULL, LONG_NS, NULL), HV_ERR_GONE);
		assert_int_equal(qvm_agent_send(&agent, "hello", NULL), 0);
		qvm_agent_close(&agent);
		close(ends[1]);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	qvm_agent_open(&agent, ends[0]);
	for (int at = 0; at < QVM_ANSWERS_MAX + 2; at++)
		assert_true(qvm_line_write(ends[1], "{\"id\":1,\"ok\":\"yes\",\"n\":-1e400}", LONG_NS));
	assert_int_equal(qvm_agent_call(&agent, "hello", NULL, LONG_NS, NULL), HV_ERR_GONE);
	qvm_agent_close(&agent);
	close(ends[1]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		CASE(the_agent_tells_what_the_guest_is),
		CASE(an_agent_that_shares_its_machine_leaves_it_alone),
		CASE(bad_requests_are_refused_with_a_reason),
		CASE(no_line_harms_the_agent),
		CASE(programs_run_and_are_stopped_in_time),
		CASE(answers_come_in_any_order),
		CASE(memory_holds_its_pattern_until_it_is_given_back),
		CASE(memory_that_goes_for_a_while_comes_back_zeroed),
		CASE(wrong_bytes_are_seen_and_missing_memory_is_told),
		CASE(a_killed_job_answers_what_it_was_asked),
		CASE(jobs_end_with_the_agent),
		cmocka_unit_test(no_line_of_the_guest_harms_the_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
