/* SPDX-License-Identifier: MIT
 *
 * The DMA device of a rig, in the host's process: made before the guest runs, with all of its memory pinned; tells the
 * host of it when the technique is DMA-safe. The vCPUs get its driver (HV_JOB_DEVICE), by calls in the same process, by
 * queues in another one. */
#ifndef HV_RIG_DEVICE_H
#define HV_RIG_DEVICE_H

#include "device/dma_driver.h"
#include "device/dma_queue.h"
#include "host/hv_host.h"

typedef struct hv_rig_device {
	hv_dma *dma;                    /**< NULL = the rig has no device */
	hv_dma_driver *driver;          /**< when the guest is in this process */
	hv_dma_queue_files queue_files; /**< when it is in another */
	hv_dma_queue_host *queues;
	hv_device host_side;
	bool told; /**< the host has it: unmaps before discards, maps at installs */
} hv_rig_device;

/** dma_safe: what the technique says of itself. window_huge: as hv_dma_create().
 *  @return as hv_dma_create(); on error there is no device */
HV_MUST_CHECK hv_err hv_rig_device_open(hv_rig_device *self, const hv_memory *memory, hv_host *host, bool dma_safe,
					uint64_t window_huge);
/** Put its driver into a VM of this process, or have it served through queues for so many vCPUs.
 *  @return HV_OK; HV_ERR_SYSTEM; HV_ERR_INVAL more than HV_DMA_QUEUES_MAX */
HV_MUST_CHECK hv_err hv_rig_device_drive(hv_rig_device *self, hv_vm *vm);
HV_MUST_CHECK hv_err hv_rig_device_serve(hv_rig_device *self, hv_host *host, uint32_t n_vcpus);
/** When neither guest nor host runs any more. */
void hv_rig_device_close(hv_rig_device *self);

/** At rest: a DMA-safe technique has exactly the frames mapped and pinned that R calls installed. detail: what not.
 *  @param pinned_before  hv_pinned_bytes() without the device */
HV_MUST_CHECK bool hv_rig_device_sound(const hv_rig_device *self, const hv_host *host, uint64_t pinned_before,
				       char *detail, size_t detail_bytes);

#endif
