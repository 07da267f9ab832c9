/* SPDX-License-Identifier: MIT
 *
 * A rig: one VM with its host put together (memory, vCPUs, R, install service, monitor, oracle), and reclaims that are
 * proven. Scenarios and tests build on it. The host attaches to the guest's region by descriptor, in a mapping of its
 * own. The guest is in this process, or in another one: then its memory has to be a file, the host has all of it by
 * descriptor, and the experiment tells the guest what to do through hv_rig_begin() and its like only. */
#ifndef HV_RIG_H
#define HV_RIG_H

#include "host/install_service.h"
#include "host/monitor.h"
#include "memory/residency.h"
#include "rig/guest_process.h"
#include "rig/rig_device.h"
#include "rig/traffic.h"

/** Where the guest runs: as threads beside its host, or in a process of its own. */
typedef enum hv_isolation { HV_ISOLATION_THREAD, HV_ISOLATION_PROCESS } hv_isolation;

typedef struct hv_rig_config {
	hv_vm_config vm;
	const hv_technique *technique;
	const hv_policy *policy;             /**< NULL = none */
	uint64_t period_ns;                  /**< 0 = the technique's */
	const hv_policy_setup *policy_setup; /**< NULL = nothing set */
	hv_discard_way discard;              /**< of techniques that collect their discards; others make plain calls */
	uint32_t batch_huge;
	bool one_mapping; /**< the host uses the guest's mapping of the region (thread sanitizers follow addresses) */
	bool dma;         /**< with a DMA device, where there is one */
	uint64_t dma_window_huge; /**< 0 = it sees all of the memory, or what RLIMIT_MEMLOCK allows */
	bool oracle_fallback;     /**< look with mincore() in any case */
	hv_isolation isolation;
	uint64_t guest_patience_ns; /**< how long a guest's process may take to answer; 0 = half a minute */
} hv_rig_config;

typedef struct hv_rig {
	hv_rig_config config;
	hv_vm vm; /**< when the guest is in this process */
	bool vm_up;
	hv_guest_process guest;  /**< when it is in its own */
	hv_memory memory;        /**< of the guest, as this process has it mapped */
	hv_ports *ports;         /**< likewise */
	llfree_arena host_arena; /**< the host's own mapping of the region; with memory when the guest is elsewhere */
	bool host_attached, ports_mapped;
	hv_host host;
	hv_rig_device device;   /**< device.dma NULL = none */
	uint64_t pinned_before; /**< by this process, without the device */
	hv_install_service service;
	hv_channel channel; /**< for techniques whose guest has a driver */
	hv_channel_service channel_service;
	hv_monitor monitor;
	hv_residency residency;
	hv_residency_map before, after;
	uint8_t *r_before;    /**< hv_r of each huge frame */
	uint64_t *out_before; /**< the ledger, eight words per huge frame */
} hv_rig;

/** Everything runs when this returns, vCPUs idle. On error nothing is left behind.
 *  @param failed_step  what went wrong, for a person; errno may say why */
HV_MUST_CHECK hv_err hv_rig_create(hv_rig *self, const hv_rig_config *config, const char **failed_step);
void hv_rig_destroy(hv_rig *self);

/* The guest, wherever it runs: as the functions of hv_vm.h. HV_ERR_GONE, HV_ERR_TIMEOUT: a process only. */

HV_MUST_CHECK hv_err hv_rig_begin(hv_rig *self, hv_job job, uint64_t fill_max_frames);
HV_MUST_CHECK hv_err hv_rig_wait(hv_rig *self);
/** Begin and wait. */
HV_MUST_CHECK hv_err hv_rig_do(hv_rig *self, hv_job job, uint64_t fill_max_frames);
HV_MUST_CHECK hv_err hv_rig_fill_all(hv_rig *self);
HV_MUST_CHECK hv_err hv_rig_fill_base(hv_rig *self, uint64_t base_bytes);
HV_MUST_CHECK hv_err hv_rig_result(hv_rig *self, hv_vm_outcome *outcome);
/** What the driver of the DMA device counted. */
HV_MUST_CHECK hv_err hv_rig_dma_result(hv_rig *self, hv_dma_outcome *outcome);

/** A reclaim and what the oracle saw of it. */
typedef struct hv_proof {
	hv_move move;
	hv_err look_err;         /**< the oracle itself failed */
	uint64_t bytes_moved;    /**< by R and ledger: what the guest may not use any more, or not without an
				    install; of reports: what was discarded in the pass */
	uint64_t bytes_resident; /**< of these, what was resident before */
	uint64_t bytes_freed;    /**< of the whole memory, what the oracle saw go */
	uint64_t bytes_back; /**< of bytes_moved, what a touch of a neighbour brought back with a huge page: only where
				a technique takes less than a huge frame from memory of huge pages */
	uint64_t bytes_back_again; /**< of these, what was resident before as well */
	uint64_t bytes_grown;      /**< of the whole memory, what the oracle saw come */
	uint64_t file_freed;       /**< of a file backing: what its file system gave up (st_blocks) */
	bool file;                 /**< the backing is a file */
	uint64_t still_resident;   /**< huge frames where some of it is resident still: H5 is broken */
	uint64_t evicted_resident; /**< huge frames that R calls soft or hard and that are resident: H3 is broken */
} hv_proof;

/** Shrink to the limit, or for automatic techniques wait for the next pass; proven. Nobody else may resize beside. */
hv_proof hv_rig_take(hv_rig *self, uint64_t limit_bytes);
/** Does the proof hold? detail says what does not. touched: all that moved was resident before and must have gone. */
HV_MUST_CHECK bool hv_proof_holds(const hv_proof *proof, bool touched, char *detail, size_t detail_bytes);

/** Bytes that the guest may not use now, or not without an install. */
uint64_t hv_rig_out_bytes(const hv_rig *self);

/** What the moves so far were made of; of the guest what its driver ran, when it is in this process. */
hv_traffic hv_rig_traffic(const hv_rig *self);

/** At rest: is the guest's allocator consistent (A2), and did every frame hold what its owner wrote (H1)? */
HV_MUST_CHECK bool hv_rig_sound(hv_rig *self, char *detail, size_t detail_bytes);

/* rig_guest.c: for the rig itself */
HV_MUST_CHECK hv_err hv_rig_guest_create(hv_rig *self);
HV_MUST_CHECK hv_err hv_rig_guest_start(hv_rig *self);
void hv_rig_guest_stop(hv_rig *self);
void hv_rig_guest_destroy(hv_rig *self);
HV_MUST_CHECK bool hv_rig_audit(hv_rig *self, char *detail, size_t detail_bytes);

#endif
