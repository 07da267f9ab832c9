/* SPDX-License-Identifier: MIT
 *
 * Trace events; see qvm_trace.h. A line is "PID@SECONDS:EVENT ARGUMENTS", or without what stands before the colon. */
#define _GNU_SOURCE
#include "vm/qvm_trace.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CHUNK_BYTES = 16384 };

hv_err qvm_trace_open(qvm_trace *self, qvm_args *args, const char *const *events)
{
	*self = (qvm_trace){ .fd = memfd_create("qemu-trace", MFD_CLOEXEC) };
	if (self->fd < 0)
		return HV_ERR_SYSTEM;
	qvm_args_add(args, "-D");
	qvm_args_add(args, "/proc/self/fd/%d", qvm_args_fd(args, self->fd));
	for (size_t at = 0; events[at] != NULL && at < QVM_TRACE_EVENTS_MAX; at++) {
		self->events[at] = events[at];
		qvm_args_add(args, "-trace");
		qvm_args_add(args, "enable=%s", events[at]);
	}
	return HV_OK;
}

static void line_count(qvm_trace *self, const char *line, size_t chars)
{
	const char *space = memchr(line, ' ', chars), *colon;
	size_t name_chars = space != NULL ? (size_t)(space - line) : chars;
	if ((colon = memchr(line, ':', name_chars)) != NULL) {
		name_chars -= (size_t)(colon + 1 - line);
		line = colon + 1;
	}
	for (size_t at = 0; at < QVM_TRACE_EVENTS_MAX && self->events[at] != NULL; at++)
		self->counts[at] +=
			strlen(self->events[at]) == name_chars && memcmp(self->events[at], line, name_chars) == 0;
}

void qvm_trace_look(qvm_trace *self)
{
	char chunk[CHUNK_BYTES];
	ssize_t got;
	if (self->fd <= 0)
		return;
	while ((got = pread(self->fd, chunk, sizeof(chunk), (off_t)self->read_bytes)) > 0) {
		const char *line = chunk, *end;
		size_t left = (size_t)got;
		while ((end = memchr(line, '\n', left)) != NULL) {
			line_count(self, line, (size_t)(end - line));
			left -= (size_t)(end + 1 - line);
			line = end + 1;
		}
		if (left == (size_t)got && left < sizeof(chunk))
			return; /* half a line: the rest is to come */
		self->read_bytes += left == (size_t)got ? (uint64_t)got : (uint64_t)got - left;
	}
}

void qvm_trace_close(qvm_trace *self)
{
	if (self->fd > 0)
		close(self->fd);
	*self = (qvm_trace){ .fd = -1 };
}
