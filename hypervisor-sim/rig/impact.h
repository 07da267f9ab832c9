/* SPDX-License-Identifier: MIT
 *
 * What a guest feels of a resize: vCPUs run a kernel in buffers of their own, in the windows of impact_course.h, so
 * that what else the machine does hits resized ones and others alike. Work is kept by time; resizes are marked and
 * proven by looks of the oracle before and after the window, when nothing runs. All free memory was touched before. Of
 * a burst each vCPU allocates, writes and frees its share. */
#ifndef HV_IMPACT_H
#define HV_IMPACT_H

#include "result/rates.h"
#include "rig/hv_rig.h"
#include "rig/impact_course.h"

/** What one vCPU does. Its buffers are the first n_runs entries that it holds, a huge frame each. They may be migrated:
 *  an entry is locked for each access. */
typedef struct hv_impact_task {
	hv_vcpu *vcpu;
	int cpu; /**< that it runs on; -1: the scheduler's choice */
	size_t n_runs;
	uint64_t quantum_ns;
	uint64_t n_done; /**< iterations or units, since the buffers were filled; the kernel's own */
	hv_tape tape;
	uint64_t bursts_seen;
} hv_impact_task;

/** A kernel, on the vCPU's own thread. */
typedef struct hv_impact_kernel {
	void (*fill)(hv_impact_task *task); /**< give the buffers their first content */
	void (*step)(hv_impact_task *task); /**< one iteration or quantum; it adds to the tape */
	/** @return words of the buffers that are not what they must be after n_done */
	uint64_t (*check)(hv_impact_task *task);
} hv_impact_kernel;

typedef struct hv_impact_config {
	hv_rig_config rig;
	const hv_impact_kernel *kernel;
	uint64_t target_bytes;
	uint64_t buffer_bytes;     /**< of each vCPU, multiple of 2 MiB */
	uint64_t burst_bytes;      /**< of all vCPUs, automatic techniques only */
	uint64_t window_ns;        /**< a window is longer when its resizes are */
	uint64_t quantum_ns;       /**< step of the series */
	bool floating;             /**< vCPUs are left to the scheduler; else each has a CPU, where there are enough */
	bool (*interrupted)(void); /**< asked between steps; NULL = never */
} hv_impact_config;

typedef struct hv_impact {
	hv_impact_config config;
	hv_rig rig;
	hv_impact_task *tasks; /**< one per vCPU */
	_Atomic bool stop;
	_Atomic uint64_t n_bursts;
	void (*phase)(struct hv_impact *self, hv_impact_task *task); /**< what the vCPUs do now */
	hv_impact_course course;
} hv_impact;

/** The VM runs, buffers are filled. On error nothing is left behind. */
HV_MUST_CHECK hv_err hv_impact_open(hv_impact *self, const hv_impact_config *config, const char **failed_step);
/** One window, and its proof if it is resized. A baseline window is as long as the last resized one.
 *  @return false: interrupted, refuted, or no memory for results */
HV_MUST_CHECK bool hv_impact_window(hv_impact *self, bool resize);
/** At rest: do the buffers hold what the kernel made of them (H1), is the rig sound? Also after an interruption. */
HV_MUST_CHECK bool hv_impact_sound(hv_impact *self, char *detail, size_t detail_bytes);
void hv_impact_close(hv_impact *self);

#endif
