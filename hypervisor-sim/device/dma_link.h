/* SPDX-License-Identifier: MIT
 *
 * How the guest's driver reaches the DMA device: by calls, when both are threads of one process, or through queues in
 * guest memory (dma_queue.h). */
#ifndef HV_DMA_LINK_H
#define HV_DMA_LINK_H

#include "device/hv_dma.h"

typedef struct hv_dma_link {
	void *context;
	uint64_t window_huge; /**< that the device sees */
	/** As hv_dma_submit(), by the vCPU of this number. */
	hv_err (*submit)(void *context, uint32_t cpu_idx, hv_dma_transfer *const *transfers, size_t n_transfers);
	/** As hv_dma_wait(), by the same vCPU; a device that is gone ends it with -EIO. */
	void (*wait)(void *context, uint32_t cpu_idx, const hv_dma_transfer *transfer);
} hv_dma_link;

/** A link to a device of this process. */
hv_dma_link hv_dma_link_direct(hv_dma *dma);

#endif
