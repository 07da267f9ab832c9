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

#include "device/dma_link.h"
#include "guest/hv_vm.h"

enum {
	HV_DMA_LANES = 16, /**< transfers at once, per vCPU */
	HV_DMA_LANE_ORDER_MAX = 4,
	HV_DMA_LANE_BYTES = HV_FRAME_BYTES << HV_DMA_LANE_ORDER_MAX,
	HV_DMA_MEDIUM_BYTES =
		HV_DMA_LANES * HV_DMA_LANE_BYTES + HV_HUGE_BYTES /**< the last part: abandoned transfers */
};

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

/** The driver becomes what HV_JOB_DEVICE of this VM does.
 *  @param medium_fd  the other end of each vCPU's transfers: a file of HV_DMA_MEDIUM_BYTES, which stays the caller's;
 *                    NULL = the driver makes its own @return HV_OK; HV_ERR_SYSTEM (errno) */
HV_MUST_CHECK hv_err hv_dma_driver_create(hv_dma_driver **driver, const hv_dma_link *link, hv_vm *vm,
					  int (*medium_fd)(void *context, uint32_t cpu_idx), void *context);
/** When no vCPU drives any more. NULL is allowed. */
void hv_dma_driver_destroy(hv_dma_driver *driver);
/** Sums over the vCPUs; may be asked beside them. */
hv_dma_outcome hv_dma_driver_result(const hv_dma_driver *driver);

#endif
