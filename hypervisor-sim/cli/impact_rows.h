/* SPDX-License-Identifier: MIT
 *
 * Rows and table of what a guest felt of resizes, from a course of windows: the same for simulated and for real guests.
 * All percentages are of the median of the baseline: a technique that resizes most of the time must not be measured by
 * its own disturbed median. */
#ifndef HV_IMPACT_ROWS_H
#define HV_IMPACT_ROWS_H

#include "result/hv_result.h"
#include "rig/impact_course.h"

/** What is measured. */
typedef struct hv_impact_measure {
	const char *metric, *unit; /**< of the series */
	double scale;              /**< work per quantum, or per second, to the unit */
	bool per_second;
	uint64_t buffer_bytes; /**< of each vCPU, unless asked otherwise */
	uint64_t buffer_parts; /**< huge frames come in this many equal parts */
} hv_impact_measure;

extern const hv_impact_measure hv_impact_bandwidth, hv_impact_work; /**< of stream, of ftq */

typedef struct hv_impact_rows {
	hv_result *result;
	const hv_impact_measure *measure;
	const hv_impact_course *course;
	hv_row like;        /**< scenario, technique, allocator, device, backing, note */
	const char *proof;  /**< of what a shrink took */
	const char *remark; /**< behind the line of the table; "" = none */
	bool *header_shown; /**< by the table before */
} hv_impact_rows;

/** Write all rows and show the line of the table. */
void hv_impact_rows_emit(const hv_impact_rows *self);

#endif
