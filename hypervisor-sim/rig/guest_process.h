/* SPDX-License-Identifier: MIT
 *
 * A guest in a process of its own, as the experiment sees it: started, told what to do, ended. The process is this
 * program again, executed anew, so no memory and no descriptor is inherited; see guest_control.h for what the two say.
 * A guest that dies stops its VM: every command of the host ends with HV_ERR_GONE. A guest that does not answer is a
 * timeout. */
#ifndef HV_GUEST_PROCESS_H
#define HV_GUEST_PROCESS_H

#include "device/dma_queue.h"
#include "rig/guest_control.h"

#include <sys/types.h>

typedef struct hv_guest_process {
	bool made; /**< else there is nothing to end */
	pid_t pid;
	int control;
	uint64_t patience_ns;  /**< that an answer may take */
	uint32_t number;       /**< of the last request */
	int fds[HV_GUEST_FDS]; /**< memory, region and ports of the VM */
	hv_host *host;         /**< told when the process is gone */
	pthread_t watcher;
	int stop_bell;
	bool watched;
	char gone[80]; /**< how it ended; written before the host is told */
} hv_guest_process;

/** Start a process and have it make the VM. channel: its descriptors go along; NULL = none.
 *  @param patience_ns  0 = half a minute; an install's timeout is added
 *  @return as hv_vm_create(), HV_ERR_GONE, HV_ERR_TIMEOUT; on error no process is left */
HV_MUST_CHECK hv_err hv_guest_process_create(hv_guest_process *self, const hv_vm_config *config,
					     const hv_technique *technique, const hv_channel *channel,
					     uint64_t patience_ns);
/** Tell this host when the process is gone; then attach the guest half and start the vCPUs.
 *  @param device  queues of a DMA device, which sees window_huge huge frames; closed ones = there is none
 *  @return as hv_vm_start() */
HV_MUST_CHECK hv_err hv_guest_process_start(hv_guest_process *self, hv_host *host, const hv_dma_queue_files *device,
					    uint64_t window_huge);
/** End it: asked first, killed if it does not answer. Nothing of it is left. */
void hv_guest_process_destroy(hv_guest_process *self);

/* As the functions of hv_vm.h; HV_ERR_GONE, HV_ERR_TIMEOUT. One thread at a time. */

HV_MUST_CHECK hv_err hv_guest_process_begin(hv_guest_process *self, hv_job job, uint64_t fill_max_frames);
HV_MUST_CHECK hv_err hv_guest_process_wait(hv_guest_process *self);
HV_MUST_CHECK hv_err hv_guest_process_keep_base(hv_guest_process *self);
/** Either may be NULL. */
HV_MUST_CHECK hv_err hv_guest_process_result(hv_guest_process *self, hv_vm_outcome *outcome, hv_dma_outcome *dma);
/** *sound: as hv_vm_audit() */
HV_MUST_CHECK hv_err hv_guest_process_audit(hv_guest_process *self, bool strict, bool *sound, char *detail,
					    size_t detail_bytes);

#endif
