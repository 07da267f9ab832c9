/* SPDX-License-Identifier: MIT
 *
 * The guest's driver of the DMA device: on each vCPU it allocates buffers, has the device transfer them both ways,
 * checks every frame by its pattern and frees them, while the host resizes the VM. What the device wrote and the CPU
 * does not see, or the CPU wrote and the device does not send, is a stale transfer (H2).
 *
 * Some transfers are abandoned: the buffer is freed while the device still reads it. They are not checked; they are
 * there so that memory is reclaimed beside transfers in flight. */
#ifndef HV_DMA_DRIVER_H
#define HV_DMA_DRIVER_H

#include "device/hv_dma.h"
#include "guest/hv_vm.h"

typedef struct hv_dma_driver hv_dma_driver;

typedef struct hv_dma_outcome {
	uint64_t transfers;    /**< done and checked */
	uint64_t stale_writes; /**< the device wrote, the CPU sees something else */
	uint64_t stale_reads;  /**< the device sent something else than the CPU wrote */
	uint64_t unmapped;     /**< ended with EFAULT although the buffer was the guest's */
	uint64_t errors;       /**< ended with another error, or short */
	uint64_t abandoned;    /**< not waited for */
	uint64_t outside;      /**< buffers that the device's window does not show */
} hv_dma_outcome;

/** The driver becomes what HV_JOB_DRIVE of this VM does. @return HV_OK; HV_ERR_SYSTEM (errno) */
HV_MUST_CHECK hv_err hv_dma_driver_create(hv_dma_driver **driver, hv_dma *dma, hv_vm *vm);
/** When no vCPU drives any more. NULL is allowed. */
void hv_dma_driver_destroy(hv_dma_driver *driver);
/** Sums over the vCPUs; may be asked beside them. */
hv_dma_outcome hv_dma_driver_result(const hv_dma_driver *driver);

#endif
