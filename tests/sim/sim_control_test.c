/* SPDX-License-Identifier: MIT
 *
 * A guest's process that misuses its control socket: answers to nothing, for ever, and answers that say nothing. */
#include "t_sim.h"
#include "base/hv_socket.h"
#include "rig/guest_control.h"
#include "rig/guest_process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

typedef struct flood {
	int socket;
	_Atomic bool stop;
} flood;

static void *flood_send(void *context)
{
	flood *self = context;
	hv_control_answer answer;
	memset(&answer, 0, sizeof(answer));
	answer.number = 77;
	while (!atomic_load(&self->stop))
		if (!hv_socket_send(self->socket, &answer, sizeof(answer), NULL, 0))
			hv_sleep_ns(1000); /* no room for one more */
	return NULL;
}

static void answers_to_nothing_end_in_a_timeout(void **state)
{
	(void)state;
	int ends[2];
	pthread_t thread;
	hv_vm_outcome outcome;
	assert_true(hv_socket_pair(ends));
	hv_guest_process guest = { .control = ends[0], .patience_ns = 200000000 };
	flood guest_end = { .socket = ends[1] };
	assert_int_equal(pthread_create(&thread, NULL, flood_send, &guest_end), 0);
	assert_int_equal(hv_guest_process_result(&guest, &outcome, NULL), HV_ERR_TIMEOUT);
	atomic_store(&guest_end.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	close(ends[0]);
	close(ends[1]);
}

static void answer_without_meaning_is_the_guests_fault(void **state)
{
	(void)state;
	int ends[2];
	bool sound = true;
	char detail[300];
	hv_control_answer answer;
	assert_true(hv_socket_pair(ends));
	hv_guest_process guest = { .control = ends[0], .patience_ns = UINT64_C(10000000000) };
	memset(&answer, 'x', sizeof(answer)); /* no error of that number, and a text without an end */
	answer.number = 1;
	answer.yes = true;
	assert_true(hv_socket_send(ends[1], &answer, sizeof(answer), NULL, 0));
	assert_int_equal(hv_guest_process_audit(&guest, true, &sound, detail, sizeof(detail)), HV_ERR_GUEST);
	assert_false(sound);
	assert_int_equal(strlen(detail), sizeof(answer.text) - 1);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_to_nothing_end_in_a_timeout),
		cmocka_unit_test(answer_without_meaning_is_the_guests_fault),
	};
	return T_RUN(tests);
}
