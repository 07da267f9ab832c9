/* SPDX-License-Identifier: MIT
 *
 * What the events of a trace may say: everything that a reader relies on is checked here, once, before it is used. */
#ifndef HV_TRACE_CHECK_H
#define HV_TRACE_CHECK_H

#include "trace/trace.h"

typedef struct hv_trace_checker hv_trace_checker;

/** @return NULL with the reason in why: the head is impossible */
hv_trace_checker *hv_trace_checker_open(const hv_trace_head *head, char *why, size_t why_bytes);
/** Events in their order. @return false with the reason in why */
HV_MUST_CHECK bool hv_trace_checker_event(hv_trace_checker *self, const hv_trace_event *event, char *why,
					  size_t why_bytes);
/** NULL is fine. */
void hv_trace_checker_close(hv_trace_checker *self);

#endif
