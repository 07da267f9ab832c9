/* SPDX-License-Identifier: MIT
 *
 * Traces: what happened in a run, in a compact file. Two kinds: the memory of a real process tree over time, sampled;
 * and the events of a simulated VM, each allocation and resize with what came of it. A file is read as a whole and
 * checked to its end before the first event is handed out, so a truncated or hostile one is refused with a reason.
 *
 *   file    = "LLFTRACE" version:byte kind:byte head events 0:byte n_events:varint crc32:4 bytes, little-endian
 *   head    = seed:varint memory_bytes:varint n_vcpus:varint order:varint technique:text allocator:text origin:text
 *   text    = n_bytes:byte (at most 255) bytes
 *   event   = tag:byte (hv_trace_tag), then the fields of that tag, each a varint
 *   varint  = 7 bits a byte, lowest first, high bit set on all but the last byte; at most 10 bytes
 *   crc32   = of everything before it, polynomial 0xedb88320 reflected, as in zlib
 */
#ifndef HV_TRACE_H
#define HV_TRACE_H

#include "base/hv_base.h"

#include <stdio.h>

typedef enum hv_trace_kind { HV_TRACE_PROCESSES = 1, HV_TRACE_GUEST = 2 } hv_trace_kind;

/* tag, how many fields, which */
#define HV_TRACE_TAGS(X)                                                                                           \
	X(HV_TRACE_END, 0)                                                                                         \
	/** the tree now: time since the last sample in us, frames of anonymous memory that came and went since,   \
	 *  frames of mapped files now, page cache frames that came since the start, processes now and begun since \
	 */                                                                                                        \
	X(HV_TRACE_SAMPLE, 7)                                                                                      \
	/** a process has ended: lifetime in us, peak of its anonymous frames */                                   \
	X(HV_TRACE_EXITED, 2)                                                                                      \
	/** a vCPU allocated: vCPU, order, frame + 1 (0 = refused), installs that it waited for */                 \
	X(HV_TRACE_GET, 4)                                                                                         \
	/** a vCPU freed: vCPU, which of the runs that it holds */                                                 \
	X(HV_TRACE_PUT, 2)                                                                                         \
	/** the host set a limit: bytes, bytes moved */                                                            \
	X(HV_TRACE_LIMIT, 2)                                                                                       \
	/** an automatic technique made a pass: bytes moved */                                                     \
	X(HV_TRACE_PASS, 1)

typedef enum hv_trace_tag {
#define HV_TRACE_ENUM(name, n_fields) name,
	HV_TRACE_TAGS(HV_TRACE_ENUM)
#undef HV_TRACE_ENUM
		HV_TRACE_TAG_COUNT
} hv_trace_tag;

enum { HV_TRACE_FIELDS_MAX = 7, HV_TRACE_TEXT_MAX = 256 };

typedef struct hv_trace_event {
	hv_trace_tag tag;
	uint64_t fields[HV_TRACE_FIELDS_MAX];
} hv_trace_event;

typedef struct hv_trace_head {
	hv_trace_kind kind;
	uint64_t seed, memory_bytes, n_vcpus, order;
	char technique[HV_TRACE_TEXT_MAX], allocator[HV_TRACE_TEXT_MAX], origin[HV_TRACE_TEXT_MAX];
} hv_trace_head;

/** Begin a file; it must not exist. @return HV_OK; HV_ERR_EXISTS; HV_ERR_SYSTEM (errno) */
typedef struct hv_trace_writer {
	FILE *file;
	uint64_t n_events;
	uint32_t crc;
	bool failed;
} hv_trace_writer;
HV_MUST_CHECK hv_err hv_trace_create(hv_trace_writer *self, const char *path, const hv_trace_head *head);
/** Add an event; a failure is told by hv_trace_finish(). */
void hv_trace_add(hv_trace_writer *self, const hv_trace_event *event);
/** @return HV_OK; HV_ERR_SYSTEM: not all of it was written */
HV_MUST_CHECK hv_err hv_trace_finish(hv_trace_writer *self);
/** Close it unfinished, and remove the file. */
void hv_trace_abandon(hv_trace_writer *self, const char *path);

typedef struct hv_trace {
	hv_trace_head head;
	uint8_t *bytes;
	size_t n_bytes, at, events_at;
	uint64_t n_events;
} hv_trace;

/** Read and check a whole file. @param why  on error: what is wrong with it, for a person
 *  @return HV_OK; HV_ERR_SYSTEM; HV_ERR_INVAL it is no valid trace */
HV_MUST_CHECK hv_err hv_trace_open(hv_trace *self, const char *path, char *why, size_t why_bytes);
void hv_trace_close(hv_trace *self);
/** @return false at the end */
HV_MUST_CHECK bool hv_trace_next(hv_trace *self, hv_trace_event *event);
void hv_trace_rewind(hv_trace *self);

#endif
