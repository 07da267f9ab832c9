/* SPDX-License-Identifier: MIT
 *
 * What QEMU does, counted by its own trace events: each is a line in a file of ours. Only for events that are rare,
 * some for each MiB: a line costs microseconds. */
#ifndef QVM_TRACE_H
#define QVM_TRACE_H

#include "vm/qvm_args.h"

enum { QVM_TRACE_EVENTS_MAX = 4 };

typedef struct qvm_trace {
	int fd; /**< 0, -1: there is none */
	const char *events[QVM_TRACE_EVENTS_MAX];
	uint64_t counts[QVM_TRACE_EVENTS_MAX]; /**< of whole lines seen so far, in the order of events */
	uint64_t read_bytes;
} qvm_trace;

/** Have a QEMU that is to be started trace these. One for each QEMU. An event that it does not know is never seen.
 *  @param events  ended by NULL; texts that live as long  @return HV_OK; HV_ERR_SYSTEM */
HV_MUST_CHECK hv_err qvm_trace_open(qvm_trace *self, qvm_args *args, const char *const *events);
/** Look at what has been traced since. */
void qvm_trace_look(qvm_trace *self);
/** Idempotent; fine when zeroed. */
void qvm_trace_close(qvm_trace *self);

#endif
