/* SPDX-License-Identifier: MIT
 *
 * The command line of a program that is to be started, and the descriptors that it inherits. */
#ifndef QVM_ARGS_H
#define QVM_ARGS_H

#include "base/hv_base.h"

enum { QVM_ARGS_MAX = 160, QVM_ARGS_FDS_MAX = 32 };

typedef struct qvm_args {
	char *argv[QVM_ARGS_MAX + 1]; /**< ended by NULL */
	size_t n_args;
	int fds[QVM_ARGS_FDS_MAX]; /**< inherited under the same numbers; the caller's to keep open until the start */
	size_t n_fds;
	bool failed; /**< out of memory or room: the start fails */
} qvm_args;

/** Add one argument, formatted. */
void qvm_args_add(qvm_args *self, const char *format, ...) HV_PRINTF(2, 3);
/** Have the program inherit this descriptor, which may close on exec here. @return fd, for use in an argument */
int qvm_args_fd(qvm_args *self, int fd);
void qvm_args_clear(qvm_args *self);

#endif
