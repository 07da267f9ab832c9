/* SPDX-License-Identifier: MIT
 *
 * Job: run a program of the guest to its end, or for as long as it may; answers with how it ended, what it wrote (both
 * streams, the first part of it) and what CPU it took. It has a process group of its own, which ends with it. */
#define _GNU_SOURCE
#include "agent_job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 128, OUTPUT_BYTES_MAX = 1 << 20, LOOK_MS = 20 };

typedef struct running {
	pid_t pid;
	int output_fd;
	char *output;
	size_t n_output, room_bytes;
	bool cut, ended, timed_out;
	int status;
	struct rusage usage;
} running;

static bool words_get(const json_t *request, char **words, agent_reply *reply)
{
	const json_t *list = json_object_get(request, "argv");
	size_t n_words = json_array_size(list);
	if (n_words == 0 || n_words >= WORDS_MAX)
		return agent_refuse(reply, "\"argv\" must be a list of 1 to %d texts", WORDS_MAX - 1);
	for (size_t at = 0; at < n_words; at++) {
		const char *word = json_string_value(json_array_get(list, at));
		if (word == NULL)
			return agent_refuse(reply, "\"argv\" must be a list of texts");
		words[at] = (char *)(uintptr_t)word;
	}
	words[n_words] = NULL;
	return true;
}

_Noreturn static void program_become(const json_t *request, char **words, int output_fd)
{
	const char *key, *folder = agent_text_or(request, "cwd", NULL);
	json_t *value, *environment = json_object_get(request, "env");
	setpgid(0, 0);
	json_object_foreach(environment, key, value)
	{
		if (json_string_value(value) != NULL)
			setenv(key, json_string_value(value), 1);
	}
	int input_fd = open("/dev/null", O_RDONLY);
	if (input_fd < 0 || dup2(input_fd, 0) < 0 || dup2(output_fd, 1) < 0 || dup2(output_fd, 2) < 0)
		_exit(126);
	if (folder != NULL && chdir(folder) != 0) {
		fprintf(stderr, "%s: %s\n", folder, strerror(errno));
		_exit(126);
	}
	signal(SIGPIPE, SIG_DFL);
	execvp(words[0], words);
	fprintf(stderr, "%s: %s\n", words[0], strerror(errno));
	_exit(127);
}

static void output_take(running *self)
{
	char rest[4096];
	bool full = self->n_output == self->room_bytes;
	ssize_t bytes = full ? read(self->output_fd, rest, sizeof(rest))
			     : read(self->output_fd, self->output + self->n_output, self->room_bytes - self->n_output);
	if (bytes > 0 && full)
		self->cut = true;
	else if (bytes > 0)
		self->n_output += (size_t)bytes;
	else if (bytes == 0 || (errno != EINTR && errno != EAGAIN)) {
		close(self->output_fd);
		self->output_fd = -1;
	}
}

/* It may close its output early, and what it started may hold the output for longer. */
static void watch(running *self, uint64_t end_ns)
{
	while (!self->ended) {
		struct pollfd wanted = { .fd = self->output_fd, .events = POLLIN };
		poll(&wanted, 1, LOOK_MS);
		if (wanted.revents != 0)
			output_take(self);
		self->ended = wait4(self->pid, &self->status, WNOHANG, &self->usage) == self->pid;
		if (!self->ended && !self->timed_out && hv_now_ns() > end_ns) {
			self->timed_out = true;
			kill(-self->pid, SIGKILL);
			kill(self->pid, SIGKILL);
		}
	}
	kill(-self->pid, SIGKILL);
	for (struct pollfd wanted = { .fd = self->output_fd, .events = POLLIN };
	     self->output_fd >= 0 && poll(&wanted, 1, LOOK_MS) > 0;)
		output_take(self);
	if (self->output_fd >= 0)
		close(self->output_fd);
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* Bytes that are no ASCII are shown as a question mark: a program may write anything. */
static void outcome_tell(running *self, uint64_t elapsed_ns, agent_reply *reply)
{
	for (size_t at = 0; at < self->n_output; at++)
		if ((unsigned char)self->output[at] >= 0x80 || self->output[at] == '\0')
			self->output[at] = '?';
	json_object_set_new(reply->body, "output", json_stringn(self->output, self->n_output));
	json_object_set_new(reply->body, "cut", json_boolean(self->cut));
	json_object_set_new(reply->body, "timed-out", json_boolean(self->timed_out));
	if (WIFSIGNALED(self->status))
		agent_tell_count(reply, "signal", (uint64_t)WTERMSIG(self->status));
	else
		agent_tell_count(reply, "status", (uint64_t)WEXITSTATUS(self->status));
	agent_tell_number(reply, "elapsed_s", (double)elapsed_ns / 1e9);
	agent_tell_number(reply, "user_s", seconds(self->usage.ru_utime));
	agent_tell_number(reply, "system_s", seconds(self->usage.ru_stime));
}

static bool start(running *self, const json_t *request, char **words, agent_reply *reply)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return agent_refuse(reply, "a pipe: %s", strerror(errno));
	self->pid = fork();
	if (self->pid == 0)
		program_become(request, words, ends[1]);
	close(ends[1]);
	self->output_fd = ends[0];
	if (self->pid < 0) {
		close(ends[0]);
		return agent_refuse(reply, "a process: %s", strerror(errno));
	}
	setpgid(self->pid, self->pid); /* also here: a kill of the group may come first */
	return true;
}

static bool run(void *context, const json_t *request, agent_reply *reply)
{
	running *self = context;
	char *words[WORDS_MAX];
	uint64_t timeout_s, room_bytes, begin_ns = hv_now_ns();
	*self = (running){ 0 };
	if (!words_get(request, words, reply) ||
	    !agent_ask_count_or(request, "timeout", 60, 1, 86400, &timeout_s, reply) ||
	    !agent_ask_count_or(request, "output_bytes", 65536, 0, OUTPUT_BYTES_MAX, &room_bytes, reply))
		return false;
	self->room_bytes = room_bytes;
	self->output = malloc(room_bytes + 1);
	if (self->output == NULL)
		return agent_refuse(reply, "no memory for the output");
	bool ok = start(self, request, words, reply);
	if (ok) {
		watch(self, begin_ns + timeout_s * UINT64_C(1000000000));
		outcome_tell(self, hv_now_ns() - begin_ns, reply);
	}
	free(self->output);
	return ok;
}

static const agent_verb verbs[] = { { "run", run, false }, { NULL, NULL, false } };

const agent_job_kind agent_job_kind_run = { .name = "run", .verbs = verbs, .context_bytes = sizeof(running) };
