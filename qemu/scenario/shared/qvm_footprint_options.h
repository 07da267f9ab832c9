/* SPDX-License-Identifier: MIT
 *
 * What scenario footprint can be asked: what is compiled and how, what is replayed and how large. */
#ifndef QVM_FOOTPRINT_OPTIONS_H
#define QVM_FOOTPRINT_OPTIONS_H

#include "cli/qvm_options.h"
#include "scenario/shared/qvm_course.h"

typedef enum qvm_footprint_phase {
	QVM_FOOTPRINT_COMPILE,
	QVM_FOOTPRINT_RECORDED,
	QVM_FOOTPRINT_PHASES
} qvm_footprint_phase;
extern const char *const qvm_footprint_phases[]; /**< their names, ended by NULL */

typedef struct qvm_footprint_options {
	qvm_options common;
	const char *phases;       /**< names, or "all" */
	const char *trace, *disk; /**< NULL = the usual */
	uint64_t fill_bytes;      /**< peak of the replay; the most, where that is not given */
	bool fill_given;
	uint64_t seconds;                /**< of the replay; 0 = as recorded */
	uint64_t pause_s, jobs, objects; /**< objects: 0 = all */
	qvm_course course;               /**< of the trace, or of the one that comes with the project */
} qvm_footprint_options;

/** Parser; its input is a qvm_footprint_options, filled with defaults. The course is the caller's to clear. */
extern const struct argp qvm_footprint_argp;
qvm_footprint_options qvm_footprint_options_default(void);

#endif
