/* SPDX-License-Identifier: MIT
 *
 * The course of resizes beside a guest that works, whatever the guest is: windows that alternate between resized and
 * left alone (baseline), the resizes of each by a monitor, and the series of what the guest got done meanwhile.
 *
 * In a resized window a technique with a limit shrinks the VM once and grows it again. An automatic technique makes
 * passes, and the guest frees and allocates between them: a burst after each pass, and as many when it is left alone.
 */
#ifndef HV_IMPACT_COURSE_H
#define HV_IMPACT_COURSE_H

#include "host/monitor.h"
#include "result/samples.h"

/** One kind of window. Time begins with the first and leaves out what is between them. */
typedef struct hv_impact_side {
	hv_samples work;           /**< per quantum, of all vCPUs: the series */
	hv_samples vcpu_work;      /**< per quantum and vCPU */
	hv_samples window_begin_s; /**< where in the series each begins */
	double worst_second;       /**< mean work per quantum in the worst second of any window */
} hv_impact_side;

typedef enum hv_direction { HV_SHRINK, HV_GROW, HV_DIRECTIONS } hv_direction;

/** Parallel lists: sample i of each belongs to the same resize. Seconds of the resized windows' series. */
typedef struct hv_impact_resizes {
	hv_samples begin_s, end_s, bytes;
	hv_samples ns_per_huge;            /**< of passes only the first of each window */
	uint64_t moved_bytes, freed_bytes; /**< told by the technique; seen to go */
} hv_impact_resizes;

typedef struct hv_impact_plan {
	hv_monitor *monitor;
	uint64_t memory_bytes, target_bytes;
	uint64_t window_ns;  /**< a window is longer when its resizes are */
	uint64_t quantum_ns; /**< step of the series */
	uint64_t period_ns;  /**< of automatic techniques */
	bool short_moves;    /**< a technique may move less than it was told: real guests need memory of their own */
	bool (*interrupted)(void); /**< asked between steps; NULL = never */
	/** Have the guest allocate, write and free something; automatic techniques only. */
	void (*burst)(void *context);
	void *context;
} hv_impact_plan;

typedef struct hv_impact_course {
	hv_impact_plan plan;
	uint64_t window_begin_ns;
	uint64_t last_length_ns, n_bursts; /**< of the last window with resizes */
	uint64_t told_bytes, first_bytes;  /**< by the shrinks of this window: all; the first */
	hv_impact_side resized, baseline;
	hv_impact_resizes resizes[HV_DIRECTIONS];
	uint64_t n_proven; /**< windows; counted by whoever proves */
	bool refuted, out_of_memory;
	char detail[200]; /**< why refuted: the first reason */
} hv_impact_course;

void hv_impact_course_clear(hv_impact_course *self);
/** What failed; only the first is kept. */
void hv_impact_course_refute(hv_impact_course *self, const char *reason);
/** When a window that is prepared now may begin: threads that wake together have been spread over the CPUs then. */
uint64_t hv_impact_course_lead_ns(const hv_impact_course *self);
/** Wait for begin_ns, let the window pass, resize. A baseline window is as long as the last resized one.
 *  @return false: interrupted or refuted */
HV_MUST_CHECK bool hv_impact_course_window(hv_impact_course *self, bool resize, uint64_t begin_ns, uint64_t *end_ns);
/** Whole quanta of a window that ended. */
size_t hv_impact_course_steps(const hv_impact_course *self, uint64_t end_ns);
/** Append the window to the series of its side. @param steps  n_steps quanta of each of n_vcpus, one after another */
void hv_impact_course_add(hv_impact_course *self, bool resize, const double *steps, size_t n_vcpus, size_t n_steps);

#endif
