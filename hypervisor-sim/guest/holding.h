/* SPDX-License-Identifier: MIT
 *
 * What a vCPU holds, in lists: one for each process or cached file, the oldest run first. Gets and puts are timed and
 * may be watched. The lists follow the vCPU's entries, whose order changes with each put. One thread at a time. */
#ifndef HV_HOLDING_H
#define HV_HOLDING_H

#include "guest/hv_vm.h"
#include "result/histogram.h"

#define HV_HOLDING_NONE UINT32_MAX

typedef struct hv_holding_list {
	uint32_t head, tail; /**< positions in the vCPU's held entries */
	uint64_t frames;
} hv_holding_list;

/** Told of every get and put, on the vCPU's thread. frame: UINT64_MAX when the get failed; installs: it waited for. */
typedef struct hv_holding_watch {
	void *context;
	void (*got)(void *context, uint32_t cpu_idx, unsigned order, uint64_t frame, uint64_t installs);
	void (*put)(void *context, uint32_t cpu_idx, uint64_t held_idx);
} hv_holding_watch;

typedef struct hv_holding {
	hv_vcpu *vcpu;
	struct hv_holding_link *links; /**< one per held entry */
	uint32_t n_lists;
	hv_holding_list *lists;
	hv_histogram get_ns; /**< from the get to the run written */
	uint64_t write_ns;   /**< sum of these */
	_Atomic uint64_t frames;
	const hv_holding_watch *watch; /**< NULL = nobody */
} hv_holding;

/** @return HV_OK; HV_ERR_SYSTEM */
HV_MUST_CHECK hv_err hv_holding_open(hv_holding *self, hv_vcpu *vcpu, uint32_t n_lists);
void hv_holding_close(hv_holding *self);

/** Get a run, write it, add it to a list. @return as the allocator */
HV_MUST_CHECK llfree_err hv_holding_get(hv_holding *self, uint32_t list_idx, unsigned order);
/** Check and free the oldest or the latest run of a list. @return its frames; 0: the list is empty */
uint64_t hv_holding_put(hv_holding *self, uint32_t list_idx, bool oldest);

#endif
