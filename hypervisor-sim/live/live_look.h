/* SPDX-License-Identifier: MIT
 *
 * A look at a running VM from its host, for the live view: host records, the shared state where the technique shares
 * it, resident memory by the oracle. Nothing of it waits for the guest or for the monitor's work. */
#ifndef HV_LIVE_LOOK_H
#define HV_LIVE_LOOK_H

#include "host/monitor.h"
#include "live/view.h"

enum { HV_LIVE_VMS_MAX = 64 };

typedef struct hv_look {
	hv_monitor *monitor;
	const hv_residency *residency;
	hv_residency_map map;
	uint8_t *states;
	uint64_t last_ns, last_taken_bytes, last_given_bytes;
	hv_view_vm view;
} hv_look;

/** @return false: no memory */
HV_MUST_CHECK bool hv_look_open(hv_look *self, hv_monitor *monitor, const hv_residency *residency, unsigned number);
void hv_look_close(hv_look *self);
/** Fill the view. taken_bytes, given_bytes: by the monitor, since the VM began. */
void hv_look_take(hv_look *self, uint64_t taken_bytes, uint64_t given_bytes);

#endif
