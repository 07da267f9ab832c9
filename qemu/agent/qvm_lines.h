/* SPDX-License-Identifier: MIT
 *
 * Text by lines over a descriptor, for whoever speaks one JSON object a line: collects what is read until a line is
 * whole, writes a line as a whole. The other side is not trusted: a line that is too long is an error, not a buffer
 * that grows without end. Waits for nothing but what the descriptor waits for. */
#ifndef QVM_LINES_H
#define QVM_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct qvm_lines {
	char *text;
	size_t used_bytes, room_bytes, taken_bytes;
	size_t line_bytes_max; /**< set by the owner before the first read */
} qvm_lines;

/** Read once. @return bytes; 0 the other end is gone; -1 with errno (EMSGSIZE: the line is too long) */
ssize_t qvm_lines_read(qvm_lines *self, int fd);
/** The next whole line, without its newline, to be used before the next read; NULL: there is none yet. */
char *qvm_lines_next(qvm_lines *self);
/** Forget what was read. */
void qvm_lines_clear(qvm_lines *self);
void qvm_lines_free(qvm_lines *self);

/** Write the text and a newline, all of it or for as long as the other end takes it; also to a descriptor that never
 *  waits. @param timeout_ns  UINT64_MAX: for ever  @return false with errno (ETIMEDOUT) */
__attribute__((warn_unused_result)) bool qvm_line_write(int fd, const char *text, uint64_t timeout_ns);

#endif
