/* SPDX-License-Identifier: MIT
 *
 * The course of a process tree that was recorded on a host (hvsim record) or seen in a guest, to be replayed in one:
 * how much anonymous memory and page cache it had when, scaled so that both together peak at a given size, in a given
 * time. */
#ifndef QVM_COURSE_H
#define QVM_COURSE_H

#include "base/hv_base.h"

typedef struct qvm_course_point {
	uint64_t at_ns, anon_bytes, cache_bytes;
} qvm_course_point;

typedef struct qvm_course {
	qvm_course_point *points;
	size_t n_points, room;
	char origin[256]; /**< the command that was recorded */
} qvm_course;

/** Read a trace. @return HV_OK; HV_ERR_INVAL, HV_ERR_SYSTEM: why says what is wrong with it, for a person */
HV_MUST_CHECK hv_err qvm_course_read(qvm_course *self, const char *path, char *why, size_t why_bytes);
/** Add what was seen at an instant, not before the last one. @return false: out of memory */
HV_MUST_CHECK bool qvm_course_add(qvm_course *self, const qvm_course_point *point);
/** Write it as a trace of processes, which hvsim replays, too; the file must not exist.
 *  @return HV_OK; HV_ERR_EXISTS, HV_ERR_SYSTEM (errno) */
HV_MUST_CHECK hv_err qvm_course_write(const qvm_course *self, const char *path, uint64_t memory_bytes,
				      uint64_t n_vcpus);
uint64_t qvm_course_peak(const qvm_course *self); /**< of both together, bytes */
uint64_t qvm_course_end(const qvm_course *self);  /**< ns */
/** Scale it. */
void qvm_course_scale(qvm_course *self, uint64_t peak_bytes, uint64_t whole_ns);
/** Idempotent. */
void qvm_course_clear(qvm_course *self);

#endif
