/* SPDX-License-Identifier: MIT
 *
 * A link to a guest driver without a VM: the monitor's files and host halves as a technique makes them, and the end of
 * the ivshmem socket that QEMU would have, heard to the end. Who holds it is the guest: memory, both ways of bells. */
#ifndef T_LINK_H
#define T_LINK_H

#include "monitor/qvm_link.h"
#include "protocol/qvm_protocol.h"
#include "techniques/qvm_technique.h"
#include "transport/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { T_LINK_RAM_MIB = 16 };

typedef struct t_link {
	qvm_options options;
	qvm_rig rig;
	int memory_fd; /**< behind BAR 2 of the memory's device */
	int page_fd;   /**< of the doorbells' */
	int monitors[QVM_VECTORS], guests[QVM_VECTORS];
	uint8_t *bar; /**< the guest's mapping */
	size_t bar_bytes;
	qvm_header header; /**< as the guest read it */
	bool frames;
} t_link;

/** One message as QEMU reads it: a little-endian number, and a descriptor or none (-1). @return false: it is none */
static inline bool t_link_hear(int client, int64_t *number, int *fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	unsigned char word[8];
	struct iovec iov = { word, sizeof(word) };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	uint64_t value = 0;
	*fd = -1;
	if (recvmsg(client, &message, 0) != (ssize_t)sizeof(word))
		return false;
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	if (header != NULL)
		memcpy(fd, CMSG_DATA(header), sizeof(*fd));
	for (size_t at = sizeof(word); at-- > 0;)
		value = value << 8 | word[at];
	*number = (int64_t)value;
	return true;
}

/** All that the server says, as QEMU takes it. @return false: it is not as the protocol says */
static inline bool t_link_hear_all(int client, int *memory_fd, int monitors[QVM_VECTORS], int guests[QVM_VECTORS])
{
	int64_t number, id;
	int none;
	bool ok = t_link_hear(client, &number, &none) && number == 0 && none == -1 && t_link_hear(client, &id, &none) &&
		  id > 0 && none == -1 && t_link_hear(client, &number, memory_fd) && number == -1 && *memory_fd >= 0;
	for (unsigned at = 0; ok && at < 2 * QVM_VECTORS; at++) {
		int *fd = at < QVM_VECTORS ? &monitors[at] : &guests[at - QVM_VECTORS];
		ok = t_link_hear(client, &number, fd) && number == (at < QVM_VECTORS ? QVM_PEER_MONITOR : id) &&
		     *fd >= 0;
	}
	return ok;
}

/** QEMU's arguments say which descriptor something is. @param begin  of the argument  @param key  before the number */
static inline int t_link_argument(const qvm_rig *rig, const char *begin, const char *key)
{
	for (size_t at = 0; at < rig->vm.args.n_args; at++) {
		const char *found = strncmp(rig->vm.args.argv[at], begin, strlen(begin)) == 0
					    ? strstr(rig->vm.args.argv[at], key)
					    : NULL;
		if (found != NULL)
			return atoi(found + strlen(key));
	}
	return -1;
}

/** Make it by the steps of the technique. @param frames  LLFree with this much memory; false: the balloon, with RAM at
 *  the addresses 0 to T_LINK_RAM_MIB  @return what failed; NULL */
static inline const char *t_link_open(t_link *self, bool frames, uint64_t memory_bytes, const char *backing)
{
	qvm_rig *rig = &self->rig;
	struct stat file;
	*self = (t_link){ .options = qvm_options_default(), .frames = frames };
	self->options.backing = backing;
	rig->options = &self->options;
	rig->config.memory_bytes = memory_bytes;
	rig->image.driver = true;
	rig->vm.ram.fd = -1;
	if (!frames) {
		if (qvm_memory_open(&rig->vm.ram, (uint64_t)T_LINK_RAM_MIB << 20, backing) != HV_OK)
			return "the RAM file";
		rig->vm.gpa =
			(qvm_gpa_map){ .ranges = { { .last = ((uint64_t)T_LINK_RAM_MIB << 20) - 1, .name = "ram0" } },
				       .n_ranges = 1 };
	}
	hv_err err = frames ? qvm_link_frames_prepare(rig) : qvm_link_balloon_prepare(rig);
	if (err == HV_OK)
		err = frames ? qvm_link_frames_serve(rig) : qvm_link_balloon_serve(rig);
	if (err != HV_OK)
		return rig->why;
	if (!t_link_hear_all(t_link_argument(rig, "socket,id=ivshmem,", "fd="), &self->page_fd, self->monitors,
			     self->guests))
		return "what the ivshmem server says";
	self->memory_fd = dup(t_link_argument(rig, "memory-backend-file,id=llfree,", "mem-path=/proc/self/fd/"));
	if (self->memory_fd < 0 || fstat(self->memory_fd, &file) != 0)
		return "the memory's file";
	self->bar_bytes = (size_t)file.st_size;
	self->bar = mmap(NULL, self->bar_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, self->memory_fd, 0);
	if (self->bar == MAP_FAILED)
		return "the guest's mapping";
	if (pread(self->page_fd, &self->header, sizeof(self->header), 0) != (ssize_t)sizeof(self->header) ||
	    memcmp(&self->header, self->bar, sizeof(self->header)) != 0)
		return "the header on the doorbells' page";
	return NULL;
}

static inline void t_link_close(t_link *self)
{
	qvm_link_leave(&self->rig);
	qvm_link_detach(&self->rig);
	munmap(self->bar, self->bar_bytes);
	close(self->memory_fd);
	close(self->page_fd);
	for (unsigned vector = 0; vector < QVM_VECTORS; vector++) {
		close(self->monitors[vector]);
		close(self->guests[vector]);
	}
	qvm_memory_close(&self->rig.vm.ram);
	qvm_args_clear(&self->rig.vm.args);
}

#endif
