/* SPDX-License-Identifier: MIT
 *
 * What the agent does itself: tells about the guest, reads and writes its files, loads modules, starts and ends jobs.
 * Sizes are bytes. */
#define _GNU_SOURCE
#include "agent_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROTOCOL = 1, FILE_BYTES_MAX = 256 * 1024 };

static bool hello(void *context, const json_t *request, agent_reply *reply)
{
	(void)request;
	struct utsname names;
	uname(&names);
	agent_tell_count(reply, "protocol", PROTOCOL);
	agent_tell_text(reply, "kernel", names.release);
	agent_tell_text(reply, "machine", names.machine);
	agent_tell_count(reply, "cpus", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
	agent_tell_count(reply, "pid", (uint64_t)getpid());
	json_object_set_new(reply->body, "own-machine", json_boolean(((agent *)context)->own_machine));
	return true;
}

static bool clock_tell(void *context, const json_t *request, agent_reply *reply)
{
	(void)context, (void)request;
	agent_tell_count(reply, "ns", hv_now_ns());
	return true;
}

static bool meminfo(void *context, const json_t *request, agent_reply *reply)
{
	(void)context, (void)request;
	char name[64], unit[8], line[160];
	unsigned long long value;
	FILE *file = fopen("/proc/meminfo", "re");
	if (file == NULL)
		return agent_refuse(reply, "/proc/meminfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), file) != NULL) {
		int n_found = sscanf(line, "%63[^:]: %llu %7s", name, &value, unit);
		if (n_found >= 2)
			agent_tell_count(reply, name, n_found == 3 ? value * 1024 : value);
	}
	fclose(file);
	return true;
}

static bool file_read(void *context, const json_t *request, agent_reply *reply)
{
	(void)context;
	const char *path;
	if (!agent_ask_text(request, "path", &path, reply))
		return false;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = malloc(FILE_BYTES_MAX);
	size_t used = 0;
	ssize_t bytes = fd < 0 || text == NULL ? -1 : 1;
	while (bytes > 0 && used < FILE_BYTES_MAX) {
		bytes = read(fd, text + used, FILE_BYTES_MAX - used);
		used += bytes > 0 ? (size_t)bytes : 0;
	}
	bool ok = bytes >= 0 || agent_refuse(reply, "%.150s: %s", path, strerror(errno));
	if (ok && json_object_set_new(reply->body, "text", json_stringn(text, used)) != 0)
		ok = agent_refuse(reply, "%.150s: not a text", path); /* what is not UTF-8 makes no JSON */
	free(text);
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool text_write(const char *path, const char *text, agent_reply *reply)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	size_t bytes = strlen(text);
	bool ok = fd >= 0 && write(fd, text, bytes) == (ssize_t)bytes;
	if (!ok)
		(void)agent_refuse(reply, "%.150s: %s", path, strerror(errno));
	if (fd >= 0 && close(fd) != 0 && ok)
		ok = agent_refuse(reply, "%.150s: %s", path, strerror(errno));
	return ok;
}

static bool file_write(void *context, const json_t *request, agent_reply *reply)
{
	(void)context;
	const char *path, *text;
	return agent_ask_text(request, "path", &path, reply) && agent_ask_text(request, "text", &text, reply) &&
	       text_write(path, text, reply);
}

static bool drop_caches(void *context, const json_t *request, agent_reply *reply)
{
	(void)context;
	uint64_t what;
	char text[24];
	if (!agent_ask_count_or(request, "what", 3, 1, 3, &what, reply))
		return false;
	snprintf(text, sizeof(text), "%u", (unsigned)what);
	sync();
	return text_write("/proc/sys/vm/drop_caches", text, reply);
}

static bool module_load(const char *path, const char *parameters, agent_reply *reply)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return agent_refuse(reply, "%.150s: %s", path, strerror(errno));
	bool loaded = syscall(SYS_finit_module, fd, parameters, 0) == 0;
	if (!loaded && errno == EEXIST)
		json_object_set_new(reply->body, "already", json_true());
	else if (!loaded)
		(void)agent_refuse(reply, "%.150s: %s", path, strerror(errno));
	loaded = loaded || errno == EEXIST;
	close(fd);
	return loaded;
}

static bool insmod(void *context, const json_t *request, agent_reply *reply)
{
	(void)context;
	const char *path;
	return agent_ask_text(request, "path", &path, reply) &&
	       module_load(path, agent_text_or(request, "parameters", ""), reply);
}

/* Files of modules are written with - or _ in their names; the kernel takes both for one. */
static bool modprobe(void *context, const json_t *request, agent_reply *reply)
{
	(void)context;
	const char *name;
	char path[160];
	if (!agent_ask_text(request, "name", &name, reply))
		return false;
	for (unsigned way = 0; way < 3; way++) {
		size_t begin = (size_t)snprintf(path, sizeof(path), "/mod/");
		snprintf(path + begin, sizeof(path) - begin, "%.100s.ko", name);
		for (char *at = path + begin; way > 0 && *at != '\0'; at++)
			if (*at == '-' || *at == '_')
				*at = way == 1 ? '_' : '-';
		if (access(path, R_OK) == 0)
			return module_load(path, agent_text_or(request, "parameters", ""), reply);
	}
	return agent_refuse(reply, "/mod has no module %.100s", name);
}

static bool rmmod(void *context, const json_t *request, agent_reply *reply)
{
	(void)context;
	const char *name;
	if (!agent_ask_text(request, "name", &name, reply))
		return false;
	return syscall(SYS_delete_module, name, O_NONBLOCK) == 0 ||
	       agent_refuse(reply, "%.100s: %s", name, strerror(errno));
}

static bool power_off(void *context, const json_t *request, agent_reply *reply)
{
	(void)request, (void)reply;
	((agent *)context)->power_off = RB_POWER_OFF;
	return true;
}

static bool spawn(void *context, const json_t *request, agent_reply *reply)
{
	const char *name;
	if (!agent_ask_text(request, "kind", &name, reply))
		return false;
	const agent_job *job = agent_job_begin(context, name, reply);
	if (job == NULL)
		return false;
	agent_tell_count(reply, "job", job->number);
	agent_tell_count(reply, "pid", (uint64_t)job->pid);
	return true;
}

static agent_job *job_named(agent *self, const json_t *request, agent_reply *reply)
{
	uint64_t number;
	if (!agent_ask_count(request, "job", 1, UINT32_MAX, &number, reply))
		return NULL;
	for (size_t at = 0; at < AGENT_JOBS_MAX; at++)
		if (self->jobs[at].pid != 0 && self->jobs[at].number == number)
			return &self->jobs[at];
	(void)agent_refuse(reply, "there is no such job");
	return NULL;
}

/* The loop sees its end, and answers what the job was asked before. */
static bool job_kill(void *context, const json_t *request, agent_reply *reply)
{
	uint64_t number;
	agent_job *job = job_named(context, request, reply);
	if (job == NULL || !agent_ask_count_or(request, "signal", SIGKILL, 1, 64, &number, reply))
		return false;
	return kill(job->pid, (int)number) == 0 || agent_refuse(reply, "kill: %s", strerror(errno));
}

/* Answered when it is gone and its memory is free. */
static bool job_end(void *context, const json_t *request, agent_reply *reply)
{
	char how[160];
	agent_job *job = job_named(context, request, reply);
	if (job == NULL)
		return false;
	if (job->n_pending > 0)
		return agent_refuse(reply, "job %u is busy: let it rest, or kill it", (unsigned)job->number);
	agent_job_reap(job, how, sizeof(how));
	return true;
}

const agent_verb agent_verbs[] = {
	{ "hello", hello, false },       { "clock", clock_tell, false }, { "meminfo", meminfo, false },
	{ "read", file_read, false },    { "write", file_write, true },  { "drop-caches", drop_caches, true },
	{ "insmod", insmod, true },      { "modprobe", modprobe, true }, { "rmmod", rmmod, true },
	{ "poweroff", power_off, true }, { "spawn", spawn, false },      { "kill", job_kill, false },
	{ "end", job_end, false },       { NULL, NULL, false },
};
