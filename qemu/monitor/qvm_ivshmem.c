/* SPDX-License-Identifier: MIT
 *
 * ivshmem; see qvm_ivshmem.h. */
#define _GNU_SOURCE
#include "monitor/qvm_ivshmem.h"
#include "base/hv_socket.h"
#include "transport/channel.h"

#include <endian.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PROTOCOL_VERSION = 0, GUEST_ID = 1, MEMORY_FOLLOWS = -1 };

static bool say(const qvm_ivshmem *self, int64_t number, int fd)
{
	int64_t word = (int64_t)htole64((uint64_t)number);
	return hv_socket_send(self->server, &word, sizeof(word), &fd, fd >= 0);
}

static bool say_all(const qvm_ivshmem *self, int memory_fd)
{
	bool ok = say(self, PROTOCOL_VERSION, -1) && say(self, GUEST_ID, -1) && say(self, MEMORY_FOLLOWS, memory_fd);
	for (unsigned vector = 0; vector < QVM_VECTORS; vector++)
		ok = ok && say(self, QVM_PEER_MONITOR, self->to_monitor[vector]);
	for (unsigned vector = 0; vector < QVM_VECTORS; vector++)
		ok = ok && say(self, GUEST_ID, self->to_guest[vector]);
	return ok;
}

hv_err qvm_ivshmem_open(qvm_ivshmem *self, int memory_fd)
{
	int ends[2] = { -1, -1 };
	bool ok = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0;
	self->server = ends[0];
	self->client = ends[1];
	for (unsigned vector = 0; vector < QVM_VECTORS; vector++) {
		self->to_monitor[vector] = hv_bell_create();
		self->to_guest[vector] = hv_bell_create();
		ok = ok && self->to_monitor[vector] >= 0 && self->to_guest[vector] >= 0;
	}
	if (ok && say_all(self, memory_fd))
		return HV_OK;
	int why = errno;
	qvm_ivshmem_close(self);
	errno = why;
	return HV_ERR_SYSTEM;
}

static void end_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void qvm_ivshmem_close(qvm_ivshmem *self)
{
	end_close(&self->server);
	end_close(&self->client);
	for (unsigned vector = 0; vector < QVM_VECTORS; vector++) {
		end_close(&self->to_monitor[vector]);
		end_close(&self->to_guest[vector]);
	}
}
