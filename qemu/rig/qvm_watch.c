/* SPDX-License-Identifier: MIT
 *
 * The watch; see qvm_watch.h. It waits on a descriptor of the process, never on its number, so it can't take another
 * process for it, and leaves the waiting for its status to whoever started it. */
#define _GNU_SOURCE
#include "rig/qvm_watch.h"
#include "scenario/qvm_scenario.h"
#include "transport/channel.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

enum { LOOK_MS = 200 /* at what a signal handler wrote */ };

static const char ended[] = "its process has ended";

static void *watch(void *context)
{
	qvm_watch *self = context;
	struct pollfd wanted[2] = { { .fd = self->process_fd, .events = POLLIN },
				    { .fd = self->stop_bell, .events = POLLIN } };
	void (*interrupted)(void *context) = self->interrupted;
	int n_ready;
	while ((n_ready = poll(wanted, 2, interrupted != NULL ? LOOK_MS : -1)) <= 0) {
		if (n_ready < 0 && errno != EINTR)
			return NULL;
		if (interrupted != NULL && hv_interrupted()) {
			interrupted(self->context);
			interrupted = NULL;
		}
	}
	if (wanted[0].revents != 0)
		hv_host_guest_gone(self->host, ended);
	return NULL;
}

static void fds_close(qvm_watch *self)
{
	if (self->process_fd >= 0)
		close(self->process_fd);
	if (self->stop_bell >= 0)
		close(self->stop_bell);
}

hv_err qvm_watch_start(qvm_watch *self, pid_t pid, hv_host *host, void (*interrupted)(void *context), void *context)
{
	*self = (qvm_watch){
		.host = host, .process_fd = -1, .stop_bell = -1, .interrupted = interrupted, .context = context
	};
	self->process_fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0u) : -1;
	if (self->process_fd < 0 && (pid <= 0 || errno == ESRCH)) {
		hv_host_guest_gone(host, ended);
		return HV_OK;
	}
	self->stop_bell = hv_bell_create();
	self->running =
		self->process_fd >= 0 && self->stop_bell >= 0 && pthread_create(&self->thread, NULL, watch, self) == 0;
	if (self->running)
		return HV_OK;
	fds_close(self);
	return HV_ERR_SYSTEM;
}

bool qvm_watch_kill(const qvm_watch *self)
{
	return self->running && syscall(SYS_pidfd_send_signal, self->process_fd, SIGKILL, NULL, 0u) == 0;
}

void qvm_watch_stop(qvm_watch *self)
{
	if (!self->running)
		return;
	hv_bell_ring(self->stop_bell);
	pthread_join(self->thread, NULL);
	fds_close(self);
	self->running = false;
}
