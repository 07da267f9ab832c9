/* SPDX-License-Identifier: MIT
 *
 * A trial: one VM that executes a program under one technique in real time, watched by the residency oracle. The policy
 * of the rig drives it, and learns what the guest uses as a management agent in the guest would report it. A host with
 * a driver in the guest can have the page cache shrunk; without one it can't ask. */
#ifndef HV_TRIAL_H
#define HV_TRIAL_H

#include "guest/load.h"
#include "result/samples.h"
#include "rig/hv_rig.h"

typedef struct hv_trial_config {
	hv_rig_config rig;
	const hv_program *program;
	double speed;       /**< simulated time over wall clock; periods and delays of the rig are in wall clock */
	uint64_t ask_bytes; /**< the page cache shall shrink to this each period; UINT64_MAX = don't ask */
} hv_trial_config;

typedef struct hv_trial {
	hv_trial_config config;
	hv_rig rig;
	hv_load load;
	bool asker_runs, load_open;
	pthread_t asker;
	_Atomic bool quit;
	uint64_t begin_ns, last_ns;
	double resident_byte_ns, used_byte_ns;                         /**< integrals over wall clock */
	uint64_t last_resident, last_used, peak_resident, grown_bytes; /**< grown: since the last but one sample */
	hv_samples resident, used;                                     /**< one value a sample */
	uint64_t host_before_ns, driver_before_ns;
} hv_trial;

typedef struct hv_trial_outcome {
	double gib_min, used_gib_min, runtime_s; /**< simulated */
	double resident_mean, resident_peak;     /**< bytes */
	uint64_t host_cpu_ns, driver_cpu_ns;
	uint64_t moved_bytes; /**< soft, hard, and by the guest's drivers */
	bool sound;
	char detail[200]; /**< what is not */
	hv_load_outcome load;
} hv_trial_outcome;

/** Everything runs when this returns. On error nothing is left behind. */
HV_MUST_CHECK hv_err hv_trial_begin(hv_trial *self, const hv_trial_config *config, const char **failed_step);
/** Look at its memory now. @return false when the program is over */
HV_MUST_CHECK bool hv_trial_sample(hv_trial *self);
/** End it, wherever it is; outcome may be NULL. The series stay until hv_trial_clear(). */
void hv_trial_end(hv_trial *self, hv_trial_outcome *outcome);
void hv_trial_clear(hv_trial *self);

#endif
