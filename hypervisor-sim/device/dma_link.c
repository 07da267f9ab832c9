/* SPDX-License-Identifier: MIT
 *
 * The link of a driver and a device in one process; see dma_link.h. */
#include "device/dma_link.h"

static hv_err direct_submit(void *context, uint32_t cpu_idx, hv_dma_transfer *const *transfers, size_t n_transfers)
{
	(void)cpu_idx;
	return hv_dma_submit(context, transfers, n_transfers);
}

static void direct_wait(void *context, uint32_t cpu_idx, const hv_dma_transfer *transfer)
{
	(void)cpu_idx;
	hv_dma_wait(context, transfer);
}

hv_dma_link hv_dma_link_direct(hv_dma *dma)
{
	return (hv_dma_link){ dma, hv_dma_window(dma), direct_submit, direct_wait };
}
