/* SPDX-License-Identifier: MIT
 *
 * A watch over the process of a VM: the moment it has ended, by whatever cause, the host half is told that its guest is
 * gone, so that what waits for the guest ends at once and not after its time limit. The same when the user interrupts.
 */
#ifndef QVM_WATCH_H
#define QVM_WATCH_H

#include "host/hv_host.h"

#include <pthread.h>
#include <sys/types.h>

typedef struct qvm_watch {
	hv_host *host;
	int process_fd, stop_bell;
	void (*interrupted)(void *context);
	void *context;
	pthread_t thread;
	bool running;
} qvm_watch;

/** Watch until qvm_watch_stop(). A process that has ended already is told of at once.
 *  @param pid  a child of ours; 0 = it was waited for
 *  @param interrupted  called once, on a thread of the watch, when the user has interrupted the run; may be NULL
 *  @return HV_OK; HV_ERR_SYSTEM (errno) */
HV_MUST_CHECK hv_err qvm_watch_start(qvm_watch *self, pid_t pid, hv_host *host, void (*interrupted)(void *context),
				     void *context);
/** End the process at once, as a host that has no memory left does; any thread, between start and stop.
 *  @return false: it had ended already */
bool qvm_watch_kill(const qvm_watch *self);
/** Idempotent; fine when zeroed. */
void qvm_watch_stop(qvm_watch *self);

#endif
