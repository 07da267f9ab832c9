/* SPDX-License-Identifier: MIT
 *
 * Command lines; see qvm_args.h. */
#define _GNU_SOURCE
#include "vm/qvm_args.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void qvm_args_add(qvm_args *self, const char *format, ...)
{
	va_list arguments;
	char *text = NULL;
	va_start(arguments, format);
	if (self->n_args == QVM_ARGS_MAX || vasprintf(&text, format, arguments) < 0)
		self->failed = true;
	else
		self->argv[self->n_args++] = text;
	va_end(arguments);
}

int qvm_args_fd(qvm_args *self, int fd)
{
	if (fd < 0 || self->n_fds == QVM_ARGS_FDS_MAX)
		self->failed = true;
	else
		self->fds[self->n_fds++] = fd;
	return fd;
}

void qvm_args_clear(qvm_args *self)
{
	for (size_t at = 0; at < self->n_args; at++)
		free(self->argv[at]);
	*self = (qvm_args){ 0 };
}
