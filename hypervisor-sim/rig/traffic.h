/* SPDX-License-Identifier: MIT
 *
 * Traffic: what a move of memory is made of, counted where it happens: system calls that give memory back, messages
 * between guest and host, time inside the host's calls, CPU time of the guest's driver. Counts carry over from a
 * simulation to a VM and from machine to machine; times only as shares. */
#ifndef HV_TRAFFIC_H
#define HV_TRAFFIC_H

#include "host/hv_host.h"
#include "result/hv_result.h"

#include <pthread.h>

/** Sums since the VM began. */
typedef struct hv_traffic {
	uint64_t discards;     /**< calls that give memory back */
	uint64_t messages;     /**< elements of rings, new targets, requests to install */
	uint64_t unmaps, maps; /**< huge frames, of a DMA device that follows moves */
	uint64_t host_ns;      /**< in calls that give memory back, or make it present; the device's included */
	uint64_t guest_ns;     /**< CPU time of the guest's part */
	bool has_guest;        /**< guest_ns is known */
	bool has_device;       /**< there is such a device */
} hv_traffic;

/** What this host has counted so far; guest_ns is the caller's to add. */
hv_traffic hv_traffic_of(const hv_host *host);
/** CPU time of a thread that runs; 0 when it can't be had. */
uint64_t hv_thread_cpu_ns(pthread_t thread);

/** One sample of each figure for each move. Zeroed = empty. */
typedef struct hv_traffic_samples {
	hv_samples wait, discards, messages, unmaps, maps, host, guest;
} hv_traffic_samples;

/** Add a move of so many bytes (not 0). @return HV_OK; HV_ERR_SYSTEM */
HV_MUST_CHECK hv_err hv_traffic_add(hv_traffic_samples *self, const hv_traffic *before, const hv_traffic *after,
				    uint64_t moved_bytes);
/** Add the pause of a move that paused by itself (hv_move.wait_ns); none is no sample. @return HV_OK; HV_ERR_SYSTEM */
HV_MUST_CHECK hv_err hv_traffic_add_wait(hv_traffic_samples *self, uint64_t wait_ns, uint64_t moved_bytes);
/** A row for each figure that has samples, like the template but without its bytes, not shown; then empty. */
void hv_traffic_emit(hv_traffic_samples *self, hv_result *result, const hv_row *like);

#endif
