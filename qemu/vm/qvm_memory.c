/* SPDX-License-Identifier: MIT
 *
 * Memory files; see qvm_memory.h. */
#define _GNU_SOURCE
#include "vm/qvm_memory.h"
#include "base/hv_socket.h"
#include "memory/hv_memory.h"
#include "memory/private_tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char tmpfs_huge[] = "tmpfs-huge", memfd[] = "memfd";

hv_err qvm_memory_open(qvm_memory *self, uint64_t bytes, const char *backing)
{
	const char *failed_call = "";
	*self = (qvm_memory){ .fd = -1, .bytes = bytes };
	if (backing != NULL && strcmp(backing, tmpfs_huge) != 0 && strcmp(backing, memfd) != 0) {
		snprintf(self->why, sizeof(self->why), "unknown backing '%s'; known: %s, %s", backing, tmpfs_huge,
			 memfd);
		return HV_ERR_UNAVAILABLE;
	}
	if (backing == NULL || strcmp(backing, tmpfs_huge) == 0) {
		/* the probe of hvsim's backing also knows of a kernel that overrides every mount */
		if (hv_backing_available(hv_backing_find(tmpfs_huge), self->why, sizeof(self->why))) {
			self->backing = tmpfs_huge;
			self->fd = hv_private_tmpfs_file(bytes, &failed_call);
			if (self->fd >= 0)
				return HV_OK;
			snprintf(self->why, sizeof(self->why), "%s: %s", failed_call, strerror(errno));
		}
		if (backing != NULL)
			return HV_ERR_UNAVAILABLE;
	}
	self->backing = memfd;
	self->fd = hv_shared_file("llfree-qemu", bytes);
	if (self->fd >= 0)
		return HV_OK;
	snprintf(self->why, sizeof(self->why), "a memory file: %s", strerror(errno));
	qvm_memory_close(self);
	return HV_ERR_SYSTEM;
}

void qvm_memory_close(qvm_memory *self)
{
	if (self->bytes != 0 && self->fd >= 0)
		close(self->fd);
	self->fd = -1;
	self->bytes = 0;
}

uint64_t qvm_file_resident(int fd)
{
	struct stat status;
	return fd >= 0 && fstat(fd, &status) == 0 ? (uint64_t)status.st_blocks * 512 : 0;
}

hv_err qvm_memory_punch(const qvm_memory *self, uint64_t offset, uint64_t bytes)
{
	if (offset > self->bytes || bytes > self->bytes - offset)
		return HV_ERR_DISCARD;
	return fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes) == 0
		       ? HV_OK
		       : HV_ERR_DISCARD;
}
