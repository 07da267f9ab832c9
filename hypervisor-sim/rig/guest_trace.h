/* SPDX-License-Identifier: MIT
 *
 * Traces of guests: a program executed in lockstep, each allocation, free and resize written down with what came of
 * it; and such a trace executed again. All vCPUs are driven by one thread in the order of simulated time, and the host
 * acts between two steps, so the same file gives the same decisions of the allocator. */
#ifndef HV_GUEST_TRACE_H
#define HV_GUEST_TRACE_H

#include "guest/load.h"
#include "rig/hv_rig.h"

typedef struct hv_guest_record {
	uint64_t period_ns;   /**< simulated, of the host's moves */
	uint64_t slack_bytes; /**< as in a trial */
	bool (*stop)(void);
} hv_guest_record;

typedef struct hv_guest_counts {
	uint64_t gets, puts, moves, installs, refused;
	uint64_t moved_bytes;
	uint64_t differ; /**< replay: events with another outcome than recorded */
	char first_difference[160];
	hv_err move_err;
} hv_guest_counts;

/** Execute a program on a rig whose vCPUs are idle and hold nothing. @return HV_OK; HV_ERR_SYSTEM; HV_ERR_INVAL */
HV_MUST_CHECK hv_err hv_guest_trace_record(hv_rig *rig, const hv_program *program, const hv_guest_record *config,
					   hv_trace_writer *writer, hv_guest_counts *counts);
/** Execute a trace of a guest on such a rig, which has the trace's memory and vCPUs. What is held at the end stays
 *  held. @return HV_OK; HV_ERR_INVAL the rig is another size */
HV_MUST_CHECK hv_err hv_guest_trace_replay(hv_rig *rig, hv_trace *trace, bool (*stop)(void), hv_guest_counts *counts);

#endif
