/* SPDX-License-Identifier: MIT
 *
 * Other programs: start one that can't outlive us, or run one to its end and read what it says. */
#ifndef QVM_PROGRAM_H
#define QVM_PROGRAM_H

#include "vm/qvm_args.h"

#include <sys/types.h>

/** Start it in a process group of its own (Ctrl-C is ours to handle), stdin empty, stdout and stderr to out_fd. The
 *  kernel kills it when the calling thread ends. @return false with errno; ENOENT: there is no such program */
HV_MUST_CHECK bool qvm_program_start(const qvm_args *args, int out_fd, pid_t *pid);
/** Wait for its end. @return false: it still runs */
HV_MUST_CHECK bool qvm_program_wait(pid_t pid, uint64_t timeout_ns, int *status);
/** Kill it and wait. */
void qvm_program_kill(pid_t pid, int *status);
/** Run to the end, and take what it wrote; text is always ended. @return its exit code; -1 with errno: it could not be
 *  started, ended by a signal, or took too long */
int qvm_program_read(const qvm_args *args, char *text, size_t text_bytes, uint64_t timeout_ns);
/** The end of what a file holds; text is always ended. */
void qvm_file_tail(int fd, char *text, size_t text_bytes);

#endif
