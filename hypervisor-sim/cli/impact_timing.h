/* SPDX-License-Identifier: MIT
 *
 * Options of windows beside which a guest works, for simulated and for real guests. */
#ifndef HV_IMPACT_TIMING_H
#define HV_IMPACT_TIMING_H

#include "cli/hv_options.h"

typedef struct hv_impact_timing {
	double duration_s;
	uint64_t quantum_ms;
	uint64_t buffer_bytes, burst_bytes; /**< of each vCPU, 0 = the kernel's; of all, UINT64_MAX = by the target */
} hv_impact_timing;

/** Child parser; its input is an hv_impact_timing. */
extern const struct argp hv_impact_timing_argp;
hv_impact_timing hv_impact_timing_default(void);
/** The sizes that were left open, and what no single option can say; ends the program with a usage error.
 *  @param usual_bytes, part_bytes  of a buffer  @param room_bytes  of the target, for the buffers of all vCPUs */
void hv_impact_timing_check(hv_impact_timing *timing, const struct argp_state *state, uint64_t usual_bytes,
			    uint64_t part_bytes, uint64_t room_bytes, uint64_t n_vcpus, uint64_t target_bytes);

#endif
