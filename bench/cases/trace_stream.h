/* SPDX-License-Identifier: MIT
 *
 * A trace of hvsim record as streams of allocator operations, one per thread. May include the reader of the format,
 * hypervisor-sim/trace; knows nothing of rows. */
#ifndef BENCH_TRACE_STREAM_H
#define BENCH_TRACE_STREAM_H

#include "bench_allocator.h"

typedef struct trace_stream {
	bench_op *ops; /* n_ops, and BENCH_AHEAD more */
	uint64_t n_ops, capacity;
	uint32_t n_slots; /* blocks that are allocated at the same time, at most */
} trace_stream;

typedef struct trace_info {
	bool guest;           /* of a guest; else of a process tree */
	uint64_t frames;      /* guest: of its memory */
	uint64_t peak_frames; /* allocated at the same time */
	uint32_t max_order;   /* guest: the largest that occurs */
} trace_info;

/** What the file is about, read once a process. @return false: why says what is wrong with it */
bool trace_inspect(const char *path, trace_info *info, char *why, size_t why_bytes);

/** The part of one of n_threads. A guest's vCPUs are dealt to the threads, with their own orders. Of a process tree
 *  every thread does its share of each sample, scaled by scale, in blocks of `order`.
 *  @return false when out of memory or the file has gone */
bool trace_stream_make(trace_stream *stream, const char *path, uint32_t thread, uint32_t n_threads, uint32_t order,
		       double scale);
void trace_stream_free(trace_stream *stream);

#endif
