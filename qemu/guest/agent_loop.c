/* SPDX-License-Identifier: MIT
 *
 * The agent's loop; see agent_loop.h. A port of virtio-serial reads as ended while nobody listens on the host's side:
 * it is opened again until somebody does. */
#define _GNU_SOURCE
#include "agent_loop.h"

#include "agent/qvm_lines.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

static const uint64_t PORT_PAUSE_NS = 20000000;

static agent_job *place_find(agent *self)
{
	for (size_t at = 0; at < AGENT_JOBS_MAX; at++)
		if (self->jobs[at].pid == 0)
			return &self->jobs[at];
	return NULL;
}

agent_job *agent_job_begin(agent *self, const char *name, agent_reply *reply)
{
	const agent_job_kind *kind = agent_job_kind_find(name);
	agent_job *job = place_find(self);
	if (kind == NULL)
		(void)agent_refuse(reply, "unknown kind of job %.60s", name);
	else if (job == NULL)
		(void)agent_refuse(reply, "%d jobs run already", AGENT_JOBS_MAX);
	else if (!agent_job_start(job, kind))
		(void)agent_refuse(reply, "a process for a job: %s", strerror(errno));
	else
		job->number = ++self->n_started;
	return job != NULL && job->pid != 0 && kind != NULL ? job : NULL;
}

static agent_job *job_find(agent *self, const json_t *number, agent_reply *reply)
{
	for (size_t at = 0; at < AGENT_JOBS_MAX; at++)
		if (self->jobs[at].pid != 0 && json_is_integer(number) &&
		    (uint64_t)json_integer_value(number) == self->jobs[at].number)
			return &self->jobs[at];
	(void)agent_refuse(reply, "there is no such job");
	return NULL;
}

/* For a job: one that runs, or one that is made for this request alone. */
static bool pass(agent *self, bool once, const json_t *request, const char *line)
{
	agent_reply reply = { 0 };
	json_int_t id = json_integer_value(json_object_get(request, "id"));
	agent_job *job =
		once ? agent_job_begin(self, "run", &reply) : job_find(self, json_object_get(request, "job"), &reply);
	if (job != NULL)
		job->once = once;
	return (job != NULL && agent_job_pass(job, id, line, &reply)) || agent_answer(self->fd, id, NULL, reply.error);
}

/* A request with a "job" goes to that job, but for those that are about the job itself. */
static bool serve(agent *self, const char *line)
{
	json_t *request = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	const char *verb = json_string_value(json_object_get(request, "do"));
	bool sound = verb != NULL && json_is_integer(json_object_get(request, "id"));
	bool once = sound && strcmp(verb, "run") == 0;
	bool about = sound && (strcmp(verb, "kill") == 0 || strcmp(verb, "end") == 0);
	bool passes = once || (sound && !about && json_object_get(request, "job") != NULL);
	bool ok = passes ? pass(self, once, request, line)
			 : agent_serve(agent_verbs, self, self->own_machine, self->fd, line);
	json_decref(request);
	return ok;
}

static bool serve_all(agent *self, qvm_lines *lines)
{
	for (char *line; (line = qvm_lines_next(lines)) != NULL;)
		if (*line != '\0' && !serve(self, line))
			return false;
	if (self->power_off != 0) {
		sync();
		reboot(self->power_off);
	}
	return true;
}

static void answered(agent_job *job, const char *line)
{
	json_t *answer = json_loads(line, 0, NULL);
	json_int_t id = json_integer_value(json_object_get(answer, "id"));
	for (size_t at = 0; at < job->n_pending; at++)
		if (job->pending[at] == id) {
			job->pending[at] = job->pending[--job->n_pending];
			break;
		}
	json_decref(answer);
}

static bool job_ended(agent *self, agent_job *job)
{
	char how[160];
	json_int_t pending[AGENT_PENDING_MAX];
	size_t n_pending = job->n_pending;
	bool ok = true;
	memcpy(pending, job->pending, sizeof(pending));
	agent_job_reap(job, how, sizeof(how));
	for (size_t at = 0; at < n_pending && ok; at++)
		ok = agent_answer(self->fd, pending[at], NULL, how);
	return ok;
}

static bool job_speaks(agent *self, agent_job *job, qvm_lines *lines)
{
	ssize_t bytes = qvm_lines_read(lines, job->fd);
	if (bytes < 0 && errno == EINTR)
		return true;
	bool over = bytes <= 0;
	for (char *line; bytes > 0 && (line = qvm_lines_next(lines)) != NULL;) {
		answered(job, line);
		if (!qvm_line_write(self->fd, line, UINT64_MAX))
			return false;
		over = over || job->once;
	}
	if (!over)
		return true;
	qvm_lines_clear(lines);
	return job_ended(self, job);
}

/* Until the other end is gone. */
static void connection_serve(agent *self)
{
	static qvm_lines lines[AGENT_JOBS_MAX + 1];
	struct pollfd wanted[AGENT_JOBS_MAX + 1];
	for (size_t at = 0; at <= AGENT_JOBS_MAX; at++)
		lines[at].line_bytes_max = at == 0 ? AGENT_LINE_BYTES_MAX : 16 * (size_t)AGENT_LINE_BYTES_MAX;
	qvm_lines_clear(&lines[0]);
	for (;;) {
		wanted[0] = (struct pollfd){ .fd = self->fd, .events = POLLIN };
		for (size_t at = 0; at < AGENT_JOBS_MAX; at++)
			wanted[at + 1] = (struct pollfd){ .fd = self->jobs[at].pid != 0 ? self->jobs[at].fd : -1,
							  .events = POLLIN };
		if (poll(wanted, AGENT_JOBS_MAX + 1, -1) < 0 && errno != EINTR)
			return;
		for (size_t at = 0; at < AGENT_JOBS_MAX; at++)
			if (wanted[at + 1].revents != 0 && !job_speaks(self, &self->jobs[at], &lines[at + 1]))
				return;
		if (wanted[0].revents == 0)
			continue;
		ssize_t bytes = qvm_lines_read(&lines[0], self->fd);
		if (bytes == 0 || (bytes < 0 && errno != EINTR))
			return;
		if (bytes > 0 && !serve_all(self, &lines[0]))
			return;
	}
}

bool agent_port_find(const char *name, char *path, size_t path_bytes)
{
	static const char folder[] = "/sys/class/virtio-ports";
	DIR *ports = opendir(folder);
	bool found = false;
	if (ports == NULL)
		return false;
	for (struct dirent *entry; !found && (entry = readdir(ports)) != NULL;) {
		char file[300], line[100];
		snprintf(file, sizeof(file), "%s/%.80s/name", folder, entry->d_name);
		found = entry->d_name[0] != '.' && hv_read_line(file, line, sizeof(line)) && strcmp(line, name) == 0;
		if (found)
			snprintf(path, path_bytes, "/dev/%.80s", entry->d_name);
	}
	closedir(ports);
	return found;
}

static int port_open(const char *name)
{
	char path[120];
	int fd = agent_port_find(name, path, sizeof(path)) ? open(path, O_RDWR | O_CLOEXEC) : -1;
	return fd;
}

/* The agent must outlive its jobs when memory runs out. */
static void score_lower(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && write(fd, "-1000", 5) < 0)
		fprintf(stderr, "agent: oom_score_adj: %s\n", strerror(errno));
	if (fd >= 0)
		close(fd);
}

int agent_run(const char *port, int fd)
{
	static agent self;
	self.own_machine = port != NULL;
	signal(SIGPIPE, SIG_IGN);
	if (port == NULL) {
		self.fd = fd;
		connection_serve(&self);
		return 0;
	}
	score_lower();
	for (bool greeted = false;;) {
		self.fd = port_open(port);
		if (self.fd >= 0) {
			greeted =
				greeted || qvm_line_write(self.fd, "{\"id\":0,\"ok\":true,\"ready\":true}", UINT64_MAX);
			connection_serve(&self);
			close(self.fd);
		}
		hv_sleep_ns(PORT_PAUSE_NS);
	}
}
