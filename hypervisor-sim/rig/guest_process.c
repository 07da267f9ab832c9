/* SPDX-License-Identifier: MIT
 *
 * Starting, asking and ending the process of a guest; see guest_process.h. A request that timed out may be answered
 * later: answers with another number are passed over. */
#define _GNU_SOURCE
#include "rig/guest_process.h"
#include "base/hv_socket.h"
#include "rig/guest_main.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_NS UINT64_C(30000000000)
enum { REAP_TRIES = 1000 };

extern char **environ;

/* This program once more: nothing but the control socket and the standard streams goes along. Keyboard signals are
 * held back until the guest ignores them: one that comes in between must not end it. */
static hv_err process_spawn(hv_guest_process *self)
{
	int ends[2];
	if (!hv_socket_pair(ends))
		return HV_ERR_SYSTEM;
	/* without a name the guest would see no command either, and be one more host; some argp for musl leave it empty
	 */
	const char *name = program_invocation_name != NULL ? program_invocation_name : "hvsim";
	char *const arguments[] = { (char *)(uintptr_t)name, (char *)(uintptr_t)HV_GUEST_COMMAND, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t held;
	hv_guest_signals(&held);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], HV_CONTROL_FD);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, &held);
	int why = posix_spawn(&self->pid, "/proc/self/exe", &actions, &attributes, arguments, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	self->control = ends[0];
	if (why == 0)
		return HV_OK;
	self->pid = 0;
	errno = why;
	return HV_ERR_SYSTEM;
}

static hv_err failure(void)
{
	switch (errno) {
	case ECONNRESET:
	case EPIPE:
		return HV_ERR_GONE;
	case ETIMEDOUT:
	case EAGAIN: /* no room for one more request: it reads none */
		return HV_ERR_TIMEOUT;
	default:
		return HV_ERR_SYSTEM;
	}
}

static hv_err answer_receive(hv_guest_process *self, hv_control_answer *answer, int *fds, size_t *n_fds)
{
	uint64_t until_ns = hv_now_ns() + self->patience_ns;
	size_t room = *n_fds;
	for (;;) {
		uint64_t now_ns = hv_now_ns();
		*n_fds = room;
		if (!hv_socket_receive(self->control, answer, sizeof(*answer), fds, n_fds,
				       now_ns < until_ns ? until_ns - now_ns : 0))
			return failure();
		if (answer->number == self->number)
			break;
		for (size_t at = 0; at < *n_fds; at++)
			close(fds[at]);
		*n_fds = 0;
		if (now_ns > until_ns)
			return HV_ERR_TIMEOUT; /* answers enough, but none to this */
	}
	answer->text[sizeof(answer->text) - 1] = '\0';
	errno = answer->error_number;
	return (unsigned)answer->err < HV_ERR_COUNT ? answer->err : HV_ERR_GUEST;
}

/* Ask and wait for the answer; n_fds: descriptors that come with it. */
static hv_err ask(hv_guest_process *self, hv_control_request *request, const int *send_fds, size_t n_send,
		  hv_control_answer *answer, int *fds, size_t *n_fds)
{
	request->number = ++self->number;
	if (!hv_socket_send(self->control, request, sizeof(*request), send_fds, n_send))
		return failure();
	return answer_receive(self, answer, fds, n_fds);
}

static hv_err ask_plain(hv_guest_process *self, hv_control_request *request, hv_control_answer *answer)
{
	size_t n_fds = 0;
	return ask(self, request, NULL, 0, answer, NULL, &n_fds);
}

static bool name_set(char name[32], const char *text)
{
	return (size_t)snprintf(name, 32, "%s", text) < 32;
}

static hv_err vm_create(hv_guest_process *self, const hv_vm_config *config, const hv_technique *technique,
			const hv_channel *channel)
{
	hv_control_request request = { .kind = HV_CONTROL_CREATE, .config.vm = *config };
	hv_control_answer answer;
	int channel_fds[HV_CHANNEL_FDS];
	size_t n_fds = HV_GUEST_FDS;
	request.config.vm.backing = NULL;
	request.config.vm.allocator = NULL;
	request.config.vm.name = NULL;
	if (!name_set(request.config.technique, technique->name) ||
	    !name_set(request.config.backing, config->backing->name) ||
	    !name_set(request.config.allocator, config->allocator->name))
		return HV_ERR_INVAL;
	if (channel != NULL)
		hv_channel_fds(channel, channel_fds);
	hv_err err = ask(self, &request, channel_fds, channel != NULL ? HV_CHANNEL_FDS : 0, &answer, self->fds, &n_fds);
	for (size_t at = n_fds; at < HV_GUEST_FDS; at++)
		self->fds[at] = -1;
	return err == HV_OK && n_fds != HV_GUEST_FDS ? HV_ERR_GUEST : err;
}

hv_err hv_guest_process_create(hv_guest_process *self, const hv_vm_config *config, const hv_technique *technique,
			       const hv_channel *channel, uint64_t patience_ns)
{
	*self = (hv_guest_process){ .made = true, .control = -1, .stop_bell = -1 };
	self->patience_ns = (patience_ns != 0 ? patience_ns : PATIENCE_NS) + config->install_timeout_ns;
	for (size_t at = 0; at < HV_GUEST_FDS; at++)
		self->fds[at] = -1;
	hv_err err = process_spawn(self);
	if (err == HV_OK)
		err = vm_create(self, config, technique, channel);
	if (err != HV_OK) {
		int why = errno;
		hv_guest_process_destroy(self);
		errno = why;
	}
	return err;
}

/* What became of the process; it stays to be waited for. */
static void gone_describe(hv_guest_process *self)
{
	siginfo_t end = { .si_pid = 0 };
	for (unsigned tried = 0; tried < REAP_TRIES && end.si_pid == 0; tried++) {
		if (waitid(P_PID, (id_t)self->pid, &end, WEXITED | WNOWAIT | WNOHANG) != 0)
			break;
		if (end.si_pid == 0)
			hv_sleep_ns(1000000);
	}
	if (end.si_pid == 0)
		snprintf(self->gone, sizeof(self->gone), "the guest is gone: its process let go of its host");
	else if (end.si_code == CLD_EXITED)
		snprintf(self->gone, sizeof(self->gone), "the guest is gone: its process ended with code %d",
			 end.si_status);
	else
		snprintf(self->gone, sizeof(self->gone), "the guest is gone: its process was ended by signal %d",
			 end.si_status);
}

static void *process_watch(void *context)
{
	hv_guest_process *self = context;
	struct pollfd wanted[2] = { { .fd = self->control, .events = POLLRDHUP },
				    { .fd = self->stop_bell, .events = POLLIN } };
	while (poll(wanted, 2, -1) < 0 && errno == EINTR)
		;
	if (wanted[1].revents == 0) {
		gone_describe(self);
		hv_host_guest_gone(self->host, self->gone);
	}
	return NULL;
}

hv_err hv_guest_process_start(hv_guest_process *self, hv_host *host, const hv_dma_queue_files *device,
			      uint64_t window_huge)
{
	hv_control_request request = { .kind = HV_CONTROL_START, .window_huge = window_huge };
	size_t n_fds = 0;
	hv_control_answer answer;
	self->host = host;
	self->stop_bell = hv_bell_create();
	if (self->stop_bell < 0 || pthread_create(&self->watcher, NULL, process_watch, self) != 0)
		return HV_ERR_SYSTEM;
	self->watched = true;
	return ask(self, &request, device->fds, device->n_fds, &answer, NULL, &n_fds);
}

static void watch_end(hv_guest_process *self)
{
	if (self->watched) {
		hv_bell_ring(self->stop_bell);
		pthread_join(self->watcher, NULL);
	}
	if (self->stop_bell >= 0)
		close(self->stop_bell);
	self->watched = false;
	self->stop_bell = -1;
}

void hv_guest_process_destroy(hv_guest_process *self)
{
	hv_control_request request = { .kind = HV_CONTROL_QUIT };
	hv_control_answer answer;
	if (!self->made)
		return;
	watch_end(self);
	if (self->pid > 0) {
		bool ended = ask_plain(self, &request, &answer) == HV_ERR_GONE;
		/* the end of the process is the end of its socket */
		uint64_t now_ns = hv_now_ns(), until_ns = now_ns + self->patience_ns;
		while (!ended && now_ns < until_ns) { /* what it says meanwhile does not matter */
			ended = !hv_socket_receive(self->control, &answer, sizeof(answer), NULL, NULL,
						   until_ns - now_ns) &&
				errno == ECONNRESET;
			now_ns = hv_now_ns();
		}
		if (!ended)
			kill(self->pid, SIGKILL);
		while (waitpid(self->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (self->control >= 0)
		close(self->control);
	for (size_t at = 0; at < HV_GUEST_FDS; at++)
		if (self->fds[at] >= 0)
			close(self->fds[at]);
	*self = (hv_guest_process){ .made = false };
}

hv_err hv_guest_process_begin(hv_guest_process *self, hv_job job, uint64_t fill_max_frames)
{
	hv_control_request request = { .kind = HV_CONTROL_BEGIN, .job = job, .fill_max_frames = fill_max_frames };
	hv_control_answer answer;
	return ask_plain(self, &request, &answer);
}

hv_err hv_guest_process_wait(hv_guest_process *self)
{
	hv_control_request request = { .kind = HV_CONTROL_WAIT };
	hv_control_answer answer = { .yes = false };
	hv_err err = HV_OK;
	while (err == HV_OK && !answer.yes)
		err = ask_plain(self, &request, &answer);
	return err;
}

hv_err hv_guest_process_keep_base(hv_guest_process *self)
{
	hv_control_request request = { .kind = HV_CONTROL_KEEP_BASE };
	hv_control_answer answer;
	return ask_plain(self, &request, &answer);
}

hv_err hv_guest_process_result(hv_guest_process *self, hv_vm_outcome *outcome, hv_dma_outcome *dma)
{
	hv_control_request request = { .kind = HV_CONTROL_RESULT };
	hv_control_answer answer = { .err = HV_OK };
	hv_err err = ask_plain(self, &request, &answer);
	if (outcome != NULL)
		*outcome = answer.outcome;
	if (dma != NULL)
		*dma = answer.dma;
	return err;
}

hv_err hv_guest_process_audit(hv_guest_process *self, bool strict, bool *sound, char *detail, size_t detail_bytes)
{
	hv_control_request request = { .kind = HV_CONTROL_AUDIT, .strict = strict };
	hv_control_answer answer = { .yes = false };
	hv_err err = ask_plain(self, &request, &answer);
	*sound = err == HV_OK && answer.yes;
	snprintf(detail, detail_bytes, "%s", answer.text);
	return err;
}
