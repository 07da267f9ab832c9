/* SPDX-License-Identifier: MIT
 *
 * Channels; see channel.h. */
#define _GNU_SOURCE
#include "transport/channel.h"
#include "base/hv_socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

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

bool hv_bell_wait(int bell, int stop, uint64_t timeout_ns)
{
	uint64_t deadline_ns = hv_now_ns() + timeout_ns;
	for (;;) {
		uint64_t now_ns = hv_now_ns();
		uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
		struct timespec left = { (time_t)(left_ns / 1000000000u), (long)(left_ns % 1000000000u) };
		struct pollfd wanted[2] = { { .fd = bell, .events = POLLIN }, { .fd = stop, .events = POLLIN } };
		int n_ready = ppoll(wanted, 2, &left, NULL);
		if (n_ready < 0 && errno == EINTR)
			continue;
		if (n_ready <= 0 || wanted[1].revents != 0)
			return false;
		hv_bell_clear(bell);
		return true;
	}
}

static int *fd_at(hv_channel *self, size_t at)
{
	int *fds[HV_CHANNEL_FDS] = { &self->registers_fd,   &self->to_host[0],  &self->to_host[1],
				     &self->to_guest[0],    &self->to_guest[1], &self->changed_by_guest,
				     &self->changed_by_host };
	return fds[at];
}

hv_err hv_channel_create(hv_channel *self)
{
	int fds[HV_CHANNEL_FDS];
	fds[0] = hv_shared_file("hv-registers", sizeof(*self->registers));
	for (size_t at = 1; at < HV_CHANNEL_FDS; at++)
		fds[at] = hv_bell_create();
	return hv_channel_open(self, fds);
}

hv_err hv_channel_open(hv_channel *self, const int fds[HV_CHANNEL_FDS])
{
	bool ok = true;
	memset(self, 0, sizeof(*self));
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
}
