/* SPDX-License-Identifier: MIT
 *
 * Channels; see channel.h. */
#define _GNU_SOURCE
#include "transport/channel.h"
#include "base/hv_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

enum { HV_CHANNEL_HOST_BELLS = HV_CHANNEL_RINGS_MAX + 1, HV_CHANNEL_EARS_AT = 2 + HV_CHANNEL_RINGS_MAX };

int hv_bell_create(void)
{
	return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

void hv_bell_ring(int bell)
{
	uint64_t one = 1;
	/* it fails only when it has rung 2^64 - 2 times unheard, and then it has rung */
	while (write(bell, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void hv_bell_clear(int bell)
{
	uint64_t rings;
	while (read(bell, &rings, sizeof(rings)) < 0 && errno == EINTR)
		;
}

void hv_bell_empty(int bell)
{
	uint64_t rings;
	struct iovec place = { &rings, sizeof(rings) };
	/* nothing else reads a counter without waiting when somebody took its O_NONBLOCK away: found ready by poll() it
	 * may be empty again, and it can't be opened once more for a flag of our own; by syscall(), since musl has no
	 * function for it before 1.2.5 */
	while (syscall(SYS_preadv2, bell, &place, 1ul, -1l, -1l, RWF_NOWAIT) < 0 && errno == EINTR)
		;
}

/* Edge-triggered: each ring makes it ready again, whatever the counter says, which nobody reads. */
int hv_ear_create(int bell)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int ear = epoll_create1(EPOLL_CLOEXEC);
	if (ear >= 0 && epoll_ctl(ear, EPOLL_CTL_ADD, bell, &event) == 0)
		return ear;
	if (ear >= 0)
		close(ear);
	return -1;
}

void hv_ear_clear(int ear)
{
	struct epoll_event event;
	(void)epoll_wait(ear, &event, 1, 0); /* without time to wait there is nothing that a signal could end */
}

bool hv_ear_wait(int ear, int own_bell, int stop, uint64_t timeout_ns)
{
	uint64_t begin_ns = hv_now_ns();
	struct pollfd wanted[3] = { { .fd = ear, .events = POLLIN },
				    { .fd = own_bell, .events = POLLIN },
				    { .fd = stop, .events = POLLIN } };
	int n_ready;
	do {
		uint64_t gone_ns = hv_now_ns() - begin_ns, left_ns = timeout_ns > gone_ns ? timeout_ns - gone_ns : 0;
		struct timespec left = { (time_t)(left_ns / 1000000000u), (long)(left_ns % 1000000000u) };
		n_ready = ppoll(wanted, 3, timeout_ns != HV_EAR_FOREVER ? &left : NULL, NULL);
	} while (n_ready < 0 && errno == EINTR);
	if (n_ready <= 0 || wanted[2].revents != 0)
		return false;
	if (wanted[0].revents != 0)
		hv_ear_clear(ear);
	if (wanted[1].revents != 0)
		hv_bell_clear(own_bell);
	return true;
}

bool hv_bell_wait(int bell, int stop, uint64_t timeout_ns)
{
	return hv_ear_wait(-1, bell, stop, timeout_ns);
}

/* What the guest has. */
static int *fd_at(hv_channel *self, size_t at)
{
	int *fds[HV_CHANNEL_FDS] = { &self->registers_fd,     &self->to_host[0],   &self->to_host[1],
				     &self->changed_by_guest, &self->from_host[0], &self->from_host[1],
				     &self->changes_from_host };
	return fds[at];
}

/* What it has not. */
static int *host_bell_at(hv_channel *self, size_t at)
{
	int *bells[HV_CHANNEL_HOST_BELLS] = { &self->to_guest[0], &self->to_guest[1], &self->changed_by_host };
	return bells[at];
}

hv_err hv_channel_create(hv_channel *self)
{
	int fds[HV_CHANNEL_FDS], bells[HV_CHANNEL_HOST_BELLS];
	fds[0] = hv_shared_file("hv-registers", sizeof(*self->registers));
	for (size_t at = 1; at < HV_CHANNEL_EARS_AT; at++)
		fds[at] = hv_bell_create();
	for (size_t at = 0; at < HV_CHANNEL_HOST_BELLS; at++) {
		bells[at] = hv_bell_create();
		fds[HV_CHANNEL_EARS_AT + at] = hv_ear_create(bells[at]);
	}
	hv_err err = hv_channel_open(self, fds);
	for (size_t at = 0; at < HV_CHANNEL_HOST_BELLS; at++) {
		*host_bell_at(self, at) = bells[at];
		if (err != HV_OK && bells[at] >= 0)
			close(bells[at]);
	}
	return err;
}

hv_err hv_channel_open(hv_channel *self, const int fds[HV_CHANNEL_FDS])
{
	bool ok = true;
	memset(self, 0, sizeof(*self));
	for (size_t at = 0; at < HV_CHANNEL_HOST_BELLS; at++)
		*host_bell_at(self, at) = -1;
	for (size_t at = 0; at < HV_CHANNEL_FDS; at++) {
		*fd_at(self, at) = fds[at];
		ok = ok && fds[at] >= 0;
	}
	if (ok)
		self->registers = hv_shared_map(self->registers_fd, sizeof(*self->registers));
	if (self->registers != NULL)
		return HV_OK;
	for (size_t at = 0; at < HV_CHANNEL_FDS; at++)
		if (fds[at] >= 0)
			close(fds[at]);
	return HV_ERR_SYSTEM;
}

void hv_channel_fds(const hv_channel *self, int fds[HV_CHANNEL_FDS])
{
	hv_channel copy = *self;
	for (size_t at = 0; at < HV_CHANNEL_FDS; at++)
		fds[at] = *fd_at(&copy, at);
}

void hv_channel_destroy(hv_channel *self)
{
	if (self->registers == NULL)
		return;
	munmap(self->registers, sizeof(*self->registers));
	self->registers = NULL;
	for (size_t at = 0; at < HV_CHANNEL_FDS; at++)
		close(*fd_at(self, at));
	for (size_t at = 0; at < HV_CHANNEL_HOST_BELLS; at++)
		if (*host_bell_at(self, at) >= 0)
			close(*host_bell_at(self, at));
}
