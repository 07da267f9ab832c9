/* SPDX-License-Identifier: MIT
 *
 * What memory files hold over time: a series of looks, its integral and its peak. One thread per series. */
#ifndef QVM_SERIES_H
#define QVM_SERIES_H

#include "result/hv_result.h"
#include "rig/qvm_rig.h"

/** How often scenarios look. */
#define QVM_SERIES_STEP_NS UINT64_C(100000000)

typedef struct qvm_series {
	hv_samples resident; /**< one value a look */
	uint64_t begin_ns, last_ns;
	uint64_t last_bytes, peak_bytes;
	uint64_t grown_bytes; /**< since the last but one look */
	double byte_ns;       /**< integral, by trapezoids */
} qvm_series;

/** Note what was seen now; the first look is the begin. @return false: out of memory */
HV_MUST_CHECK bool qvm_series_look(qvm_series *self, uint64_t now_ns, uint64_t resident_bytes);
double qvm_series_gib_min(const qvm_series *self);
/** Rows `footprint`, `resident-peak` and the series `resident`, like the template. */
void qvm_series_emit(const qvm_series *self, hv_result *result, const hv_row *like);
/** The series alone, as this metric. */
void qvm_series_emit_as(const qvm_series *self, hv_result *result, const hv_row *like, const char *metric);
/** Forget it all; it may begin anew. */
void qvm_series_clear(qvm_series *self);

/** Have an automatic technique work by itself from now on: by its policy, or by nothing when a device of QEMU decides.
 *  Techniques that are given limits are left alone. */
void qvm_series_automatic(qvm_rig *rig, bool on);
/** The policy for it, to be set in qvm_rig_config. @return NULL = none is needed */
const hv_policy *qvm_series_policy(const struct qvm_technique *technique);

/** Each technique that was asked for, until Ctrl-C; none first, as it is what the others are against. */
void qvm_series_techniques(const qvm_options *options,
			   void (*run)(void *context, const struct qvm_technique *technique), void *context);

#endif
