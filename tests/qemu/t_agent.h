/* SPDX-License-Identifier: MIT
 *
 * The agent of the guest over a socket pair, without a VM, and what tests ask it with. */
#ifndef T_AGENT_H
#define T_AGENT_H

#include "agent/qvm_agent.h"
#include "tests/support/t_cmocka.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint64_t LONG_NS = UINT64_C(60000000000);
#define MIB (UINT64_C(1) << 20)

typedef struct fixture {
	qvm_agent agent;
	pid_t pid;
} fixture;

static inline int start(void **state)
{
	static fixture self;
	int ends[2];
	char number[16];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return -1;
	snprintf(number, sizeof(number), "%d", ends[1]);
	self.pid = fork();
	if (self.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fcntl(ends[1], F_SETFD, 0);
		execl(T_LLFREE_GUEST, T_LLFREE_GUEST, "agent", "--fd", number, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	qvm_agent_open(&self.agent, ends[0]);
	*state = &self;
	return self.pid > 0 ? 0 : -1;
}

/* The agent leaves by itself when its line is gone. */
static inline int stop(void **state)
{
	fixture *self = *state;
	int status = -1;
	qvm_agent_close(&self->agent);
	if (waitpid(self->pid, &status, 0) != self->pid)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static inline cJSON *call(fixture *self, const char *verb, cJSON *arguments)
{
	cJSON *answer;
	hv_err err = qvm_agent_call(&self->agent, verb, arguments, LONG_NS, &answer);
	if (err != HV_OK)
		print_error("%s: %s\n", verb, self->agent.why);
	assert_int_equal(err, HV_OK);
	return answer;
}

static inline cJSON *job_call(fixture *self, uint64_t job, const char *verb, cJSON *arguments)
{
	cJSON *answer;
	hv_err err = qvm_agent_job_call(&self->agent, job, verb, arguments, LONG_NS, &answer);
	if (err != HV_OK)
		print_error("%s: %s\n", verb, self->agent.why);
	assert_int_equal(err, HV_OK);
	return answer;
}

static inline cJSON *with_number(cJSON *arguments, const char *key, double value)
{
	arguments = arguments != NULL ? arguments : cJSON_CreateObject();
	cJSON_AddNumberToObject(arguments, key, value);
	return arguments;
}

static inline cJSON *with_text(cJSON *arguments, const char *key, const char *value)
{
	arguments = arguments != NULL ? arguments : cJSON_CreateObject();
	cJSON_AddStringToObject(arguments, key, value);
	return arguments;
}

static inline void refused(fixture *self, const char *verb, cJSON *arguments, const char *why)
{
	assert_int_equal(qvm_agent_call(&self->agent, verb, arguments, LONG_NS, NULL), HV_ERR_REFUSED);
	if (strstr(self->agent.why, why) == NULL)
		fail_msg("%s was refused with: %s", verb, self->agent.why);
}

#endif
