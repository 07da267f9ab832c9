/* SPDX-License-Identifier: MIT
 *
 * Messages with descriptors between two processes of one experiment: a local socket that keeps message boundaries and
 * tells when the other end is gone (SCM_RIGHTS). And files of memory for what two processes share: sealed before they
 * are handed over, checked before they are mapped. System calls only, so a forked child may use it. */
#ifndef HV_SOCKET_H
#define HV_SOCKET_H

#include "base/hv_base.h"

enum { HV_SOCKET_FDS_MAX = 128 /**< descriptors of one message */ };

/** Both ends close on exec. @return false with errno */
HV_MUST_CHECK bool hv_socket_pair(int ends[2]);
/** Never waits for room. @return false with errno; EPIPE: the other end is gone */
HV_MUST_CHECK bool hv_socket_send(int socket_fd, const void *data, size_t bytes, const int *fds, size_t n_fds);
/** Receive one message of exactly this size; fds[0..*n_fds) are the caller's to close (close on exec).
 *  @param n_fds  room in fds, then how many came; NULL = none expected
 *  @return false with errno: ECONNRESET the other end is gone, ETIMEDOUT, EPROTO another message (nothing kept) */
HV_MUST_CHECK bool hv_socket_receive(int socket_fd, void *data, size_t bytes, int *fds, size_t *n_fds,
				     uint64_t timeout_ns);

/** A file of zeroed memory that can't shrink or grow any more. @return -1 with errno */
int hv_shared_file(const char *name, size_t bytes);
/** Map a file that another process made, if it is large enough and can't shrink. @return NULL with errno */
void *hv_shared_map(int fd, size_t bytes);

#endif
