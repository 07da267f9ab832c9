/* SPDX-License-Identifier: MIT
 *
 * Channels; see channel.h. */
#define _GNU_SOURCE
#include "transport/channel.h"

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

static int *bell_at(hv_channel *self, size_t at)
{
	int *bells[] = { &self->to_host[0],  &self->to_host[1],       &self->to_guest[0],
			 &self->to_guest[1], &self->changed_by_guest, &self->changed_by_host };
	return at < sizeof(bells) / sizeof(bells[0]) ? bells[at] : NULL;
}

hv_err hv_channel_create(hv_channel *self)
{
	memset(self, 0, sizeof(*self));
	void *page = mmap(NULL, sizeof(*self->registers), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return HV_ERR_SYSTEM;
	self->registers = page;
	bool ok = true;
	for (size_t at = 0; bell_at(self, at) != NULL; at++) {
		*bell_at(self, at) = hv_bell_create();
		ok = ok && *bell_at(self, at) >= 0;
	}
	if (ok)
		return HV_OK;
	hv_channel_destroy(self);
	return HV_ERR_SYSTEM;
}

void hv_channel_destroy(hv_channel *self)
{
	if (self->registers == NULL)
		return;
	munmap(self->registers, sizeof(*self->registers));
	self->registers = NULL;
	for (size_t at = 0; bell_at(self, at) != NULL; at++)
		if (*bell_at(self, at) >= 0)
			close(*bell_at(self, at));
}
