/* SPDX-License-Identifier: MIT
 *
 * QMP against a QEMU that is played by the test: what it answers is there before it is asked, so nothing has to be
 * waited for. Events between answers, late answers, refusals, nonsense, and an end in the middle. */
#define _GNU_SOURCE
#include "tests/support/t_cmocka.h"
#include "vm/qvm_qmp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONG_NS  UINT64_C(60000000000)
#define SHORT_NS UINT64_C(20000000)

static const char greeting[] =
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"\"}, "
	"\"capabilities\": [\"oob\"]}}\r\n";
static const char ready[] = "{\"return\": {}, \"id\": 1}\r\n";

typedef struct fixture {
	qvm_qmp qmp;
	int qemu;
} fixture;

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static int open_with(fixture *self, const char *first, const char *second, uint64_t timeout_ns)
{
	int ends[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	self->qemu = ends[1];
	say(self->qemu, first);
	say(self->qemu, second);
	hv_err err = qvm_qmp_open(&self->qmp, ends[0], timeout_ns);
	if (err != HV_OK) {
		close(ends[0]);
		close(ends[1]);
	}
	return (int)err;
}

static int set_up(void **state)
{
	fixture *self = calloc(1, sizeof(*self));
	*state = self;
	return open_with(self, greeting, ready, LONG_NS);
}

static int tear_down(void **state)
{
	fixture *self = *state;
	qvm_qmp_close(&self->qmp);
	if (self->qemu >= 0)
		close(self->qemu);
	free(self);
	return 0;
}

static void commands_get_their_own_answers(void **state)
{
	fixture *self = *state;
	cJSON *answer, *event;
	double actual;
	assert_int_equal(self->qmp.version[0], 7);
	assert_int_equal(self->qmp.version[2], 22);
	say(self->qemu, "{\"event\": \"BALLOON_CHANGE\", \"data\": {\"actual\": 5}}\r\n{\"return\": {\"actual\": 17}, "
			"\"id\": 2}\r\n{\"event\": \"SHUTDOWN\"}\r\n");
	assert_int_equal(qvm_qmp_execute(&self->qmp, "query-balloon", NULL, &answer, LONG_NS), HV_OK);
	assert_true(qvm_json_number(answer, "actual", &actual) && actual == 17);
	cJSON_Delete(answer);
	assert_int_equal(qvm_qmp_event(&self->qmp, "SHUTDOWN", &event, LONG_NS), HV_OK);
	cJSON_Delete(event);
	assert_int_equal(qvm_qmp_event(&self->qmp, NULL, &event, LONG_NS), HV_OK);
	assert_string_equal(qvm_json_text(event, "event"), "BALLOON_CHANGE");
	assert_true(qvm_json_number(event, "data.actual", &actual) && actual == 5);
	assert_false(qvm_json_number(event, "data.other", &actual));
	cJSON_Delete(event);
	assert_int_equal(qvm_qmp_event(&self->qmp, NULL, &event, 0), HV_ERR_TIMEOUT);
}

static void a_refusal_says_why(void **state)
{
	fixture *self = *state;
	cJSON *answer;
	say(self->qemu, "{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"no such device\"}}\r\n");
	assert_int_equal(qvm_qmp_execute(&self->qmp, "balloon", cJSON_CreateObject(), &answer, LONG_NS), HV_ERR_INVAL);
	assert_null(answer);
	assert_string_equal(self->qmp.error, "no such device");
}

static void a_late_answer_is_not_taken_for_the_next(void **state)
{
	fixture *self = *state;
	cJSON *answer;
	assert_int_equal(qvm_qmp_execute(&self->qmp, "first", NULL, NULL, SHORT_NS), HV_ERR_TIMEOUT);
	say(self->qemu, "{\"return\": \"late\", \"id\": 2}\r\n{\"return\": \"right\", \"id\": 3}\r\n");
	assert_int_equal(qvm_qmp_execute(&self->qmp, "second", NULL, &answer, LONG_NS), HV_OK);
	assert_string_equal(answer->valuestring, "right");
	cJSON_Delete(answer);
}

static void a_flood_of_events_keeps_the_latest(void **state)
{
	fixture *self = *state;
	cJSON *event;
	char line[64];
	for (unsigned at = 0; at < 3 * QVM_QMP_EVENTS_MAX; at++) {
		snprintf(line, sizeof(line), "{\"event\": \"E%u\"}\r\n", at);
		say(self->qemu, line);
	}
	say(self->qemu, "{\"return\": {}, \"id\": 2}\r\n");
	assert_int_equal(qvm_qmp_execute(&self->qmp, "any", NULL, NULL, LONG_NS), HV_OK);
	for (unsigned at = 2 * QVM_QMP_EVENTS_MAX; at < 3 * QVM_QMP_EVENTS_MAX; at++) {
		snprintf(line, sizeof(line), "E%u", at);
		assert_int_equal(qvm_qmp_event(&self->qmp, NULL, &event, 0), HV_OK);
		assert_string_equal(qvm_json_text(event, "event"), line);
		cJSON_Delete(event);
	}
	assert_int_equal(qvm_qmp_event(&self->qmp, NULL, &event, 0), HV_ERR_TIMEOUT);
}

static void nonsense_ends_the_connection(void **state)
{
	fixture *self = *state;
	say(self->qemu, "[1, 2]\r\n{\"return\": {}, \"id\": 2}\r\n");
	assert_int_equal(qvm_qmp_execute(&self->qmp, "any", NULL, NULL, LONG_NS), HV_ERR_GONE);
	assert_int_equal(qvm_qmp_execute(&self->qmp, "any", NULL, NULL, LONG_NS), HV_ERR_GONE);
}

static void the_end_of_qemu_ends_a_command(void **state)
{
	fixture *self = *state;
	cJSON *event;
	say(self->qemu, "{\"ret");
	close(self->qemu);
	self->qemu = -1;
	assert_int_equal(qvm_qmp_execute(&self->qmp, "any", NULL, NULL, LONG_NS), HV_ERR_GONE);
	assert_int_equal(qvm_qmp_event(&self->qmp, NULL, &event, LONG_NS), HV_ERR_GONE);
}

static void another_greeting_is_refused(void **state)
{
	fixture self;
	(void)state;
	assert_int_equal(open_with(&self, "{\"hello\": 1}\r\n", "", LONG_NS), HV_ERR_GONE);
	assert_int_equal(
		open_with(&self, "{\"QMP\": {\"version\": {\"qemu\": {\"major\": \"7\"}}}}\r\n", ready, LONG_NS),
		HV_ERR_GONE);
	assert_int_equal(open_with(&self, "", "", SHORT_NS), HV_ERR_TIMEOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(commands_get_their_own_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refusal_says_why, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_late_answer_is_not_taken_for_the_next, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_flood_of_events_keeps_the_latest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nonsense_ends_the_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_of_qemu_ends_a_command, set_up, tear_down),
		cmocka_unit_test(another_greeting_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
