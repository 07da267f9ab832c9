/* SPDX-License-Identifier: MIT
 *
 * Lines over a descriptor; see qvm_lines.h. System calls and memory, nothing else: host and guest both compile it. */
#define _GNU_SOURCE
#include "agent/qvm_lines.h"

#include "base/hv_base.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { READ_BYTES = 16384 };

static bool room_make(qvm_lines *self)
{
	if (self->taken_bytes > 0) {
		self->used_bytes -= self->taken_bytes;
		memmove(self->text, self->text + self->taken_bytes, self->used_bytes);
		self->taken_bytes = 0;
	}
	if (self->used_bytes > self->line_bytes_max) {
		errno = EMSGSIZE;
		return false;
	}
	if (self->room_bytes - self->used_bytes >= READ_BYTES)
		return true;
	size_t room_bytes = self->room_bytes < READ_BYTES ? 2 * READ_BYTES : 2 * self->room_bytes;
	char *text = realloc(self->text, room_bytes);
	if (text == NULL)
		return false;
	self->text = text;
	self->room_bytes = room_bytes;
	return true;
}

ssize_t qvm_lines_read(qvm_lines *self, int fd)
{
	if (!room_make(self))
		return -1;
	ssize_t bytes = read(fd, self->text + self->used_bytes, READ_BYTES);
	if (bytes > 0)
		self->used_bytes += (size_t)bytes;
	return bytes;
}

char *qvm_lines_next(qvm_lines *self)
{
	if (self->taken_bytes == self->used_bytes)
		return NULL;
	char *line = self->text + self->taken_bytes;
	char *end = memchr(line, '\n', self->used_bytes - self->taken_bytes);
	if (end == NULL)
		return NULL;
	*end = '\0';
	self->taken_bytes = (size_t)(end - self->text) + 1;
	return line;
}

void qvm_lines_clear(qvm_lines *self)
{
	self->used_bytes = self->taken_bytes = 0;
}

void qvm_lines_free(qvm_lines *self)
{
	free(self->text);
	*self = (qvm_lines){ .line_bytes_max = self->line_bytes_max };
}

/* A socket whose other end is gone must be an error, not a signal. */
static ssize_t parts_write(int fd, struct iovec *parts)
{
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t bytes = sendmsg(fd, &message, MSG_NOSIGNAL);
	return bytes < 0 && errno == ENOTSOCK ? writev(fd, parts, 2) : bytes;
}

static bool room_wait(int fd, uint64_t end_ns)
{
	struct pollfd wanted = { .fd = fd, .events = POLLOUT };
	uint64_t now_ns = hv_now_ns();
	if (now_ns >= end_ns) {
		errno = ETIMEDOUT;
		return false;
	}
	uint64_t left_ms = (end_ns - now_ns) / 1000000 + 1;
	return poll(&wanted, 1, left_ms < 1000 ? (int)left_ms : 1000) >= 0 || errno == EINTR;
}

bool qvm_line_write(int fd, const char *text, uint64_t timeout_ns)
{
	char newline = '\n';
	struct iovec parts[2] = { { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) }, { &newline, 1 } };
	uint64_t now_ns = hv_now_ns(), end_ns = timeout_ns < UINT64_MAX - now_ns ? now_ns + timeout_ns : UINT64_MAX;
	while (parts[0].iov_len + parts[1].iov_len > 0) {
		ssize_t bytes = parts_write(fd, parts);
		if (bytes < 0 && errno != EINTR && errno != EAGAIN)
			return false;
		if (bytes < 0 && errno == EAGAIN && !room_wait(fd, end_ns))
			return false;
		for (int at = 0; at < 2 && bytes > 0; at++) {
			size_t done = (size_t)bytes < parts[at].iov_len ? (size_t)bytes : parts[at].iov_len;
			parts[at].iov_base = (char *)parts[at].iov_base + done;
			parts[at].iov_len -= done;
			bytes -= (ssize_t)done;
		}
	}
	return true;
}
