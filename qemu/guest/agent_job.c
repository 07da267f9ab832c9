/* SPDX-License-Identifier: MIT
 *
 * Jobs of the agent; see agent_job.h. The agent has one thread, so a forked child may do anything. */
#define _GNU_SOURCE
#include "agent_job.h"

#include "agent/qvm_lines.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const uint64_t PASS_TIMEOUT_NS = UINT64_C(5000000000);

const agent_job_kind *agent_job_kind_find(const char *name)
{
	for (const agent_job_kind *const *kind = agent_job_kinds; *kind != NULL; kind++)
		if (strcmp((*kind)->name, name) == 0)
			return *kind;
	return NULL;
}

int agent_job_serve(const agent_job_kind *kind, int fd)
{
	qvm_lines lines = { .line_bytes_max = AGENT_LINE_BYTES_MAX };
	void *context = calloc(1, kind->context_bytes);
	if (context == NULL)
		return 1;
	for (;;) {
		ssize_t bytes = qvm_lines_read(&lines, fd);
		if (bytes == 0)
			break;
		if (bytes < 0 && errno != EINTR)
			return 1;
		for (char *line; (line = qvm_lines_next(&lines)) != NULL;)
			if (!agent_serve(kind->verbs, context, false, fd, line))
				return 1;
	}
	qvm_lines_free(&lines);
	free(context);
	return 0;
}

/* The first to go when memory runs out. */
static void score_raise(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1000", 4) < 0)
		fprintf(stderr, "oom_score_adj: %s\n", strerror(errno));
	close(fd);
}

_Noreturn static void child_run(const agent_job_kind *kind, int fd, pid_t agent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != agent)
		_exit(1);
	score_raise();
	/* of the agent's descriptors it keeps its own: others would look alive when their owner is gone */
	if (fd != 3 && dup3(fd, 3, O_CLOEXEC) < 0)
		_exit(1);
	if (close_range(4, ~0u, 0) != 0)
		_exit(1);
	_exit(agent_job_serve(kind, 3));
}

bool agent_job_start(agent_job *job, const agent_job_kind *kind)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return false;
	pid_t agent = getpid(), pid = fork();
	if (pid == 0)
		child_run(kind, ends[1], agent);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return false;
	}
	*job = (agent_job){ .pid = pid, .fd = ends[0], .number = job->number };
	return true;
}

bool agent_job_pass(agent_job *job, json_int_t id, const char *line, agent_reply *reply)
{
	if (job->n_pending == AGENT_PENDING_MAX)
		return agent_refuse(reply, "job %u has %d requests waiting already", (unsigned)job->number,
				    AGENT_PENDING_MAX);
	job->pending[job->n_pending++] = id;
	/* when it is gone its end is seen by the agent's loop, which answers */
	if (!qvm_line_write(job->fd, line, PASS_TIMEOUT_NS) && errno == ETIMEDOUT) {
		job->n_pending--;
		return agent_refuse(reply, "job %u reads no more requests", (unsigned)job->number);
	}
	return true;
}

void agent_job_reap(agent_job *job, char *how, size_t how_bytes)
{
	int status = 0;
	kill(job->pid, SIGKILL); /* it closed its socket, or is gone already: its state tells which */
	while (waitpid(job->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFSIGNALED(status))
		snprintf(how, how_bytes, "job %u ended: killed by signal %d (%s)", (unsigned)job->number,
			 WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		snprintf(how, how_bytes, "job %u ended with %d", (unsigned)job->number, WEXITSTATUS(status));
	close(job->fd);
	*job = (agent_job){ .number = job->number };
}
