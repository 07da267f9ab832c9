/* SPDX-License-Identifier: MIT
 *
 * The DMA device of a build without liburing: it says so, and that is all. */
#include "device/hv_dma.h"

#include <stdio.h>

bool hv_dma_available(char *why, size_t why_bytes)
{
	snprintf(why, why_bytes, "built without liburing: install liburing-dev and build again");
	return false;
}

hv_err hv_dma_create(hv_dma **dma, const hv_memory *memory, uint64_t window_huge)
{
	(void)memory;
	(void)window_huge;
	*dma = NULL;
	return HV_ERR_UNAVAILABLE;
}

/* None of these is ever reached: there is no device to call them with. */
void hv_dma_destroy(hv_dma *dma)
{
	(void)dma;
}

uint64_t hv_dma_window(const hv_dma *dma)
{
	(void)dma;
	return 0;
}

bool hv_dma_sees(const hv_dma *dma, uint64_t huge_idx)
{
	(void)dma;
	(void)huge_idx;
	return false;
}

bool hv_dma_limited(const hv_dma *dma)
{
	(void)dma;
	return false;
}

bool hv_dma_mapped(const hv_dma *dma, uint64_t huge_idx)
{
	(void)dma;
	(void)huge_idx;
	return false;
}

uint64_t hv_dma_mapped_huge(const hv_dma *dma)
{
	(void)dma;
	return 0;
}

const hv_dma_counters *hv_dma_count(const hv_dma *dma)
{
	static const hv_dma_counters none;
	(void)dma;
	return &none;
}

hv_err hv_dma_map(hv_dma *dma, const uint64_t *huge_idx, size_t n_huge)
{
	(void)dma;
	(void)huge_idx;
	(void)n_huge;
	return HV_ERR_UNAVAILABLE;
}

hv_err hv_dma_unmap(hv_dma *dma, const uint64_t *huge_idx, size_t n_huge)
{
	(void)dma;
	(void)huge_idx;
	(void)n_huge;
	return HV_ERR_UNAVAILABLE;
}

hv_err hv_dma_submit(hv_dma *dma, hv_dma_transfer *const *transfers, size_t n_transfers)
{
	(void)dma;
	(void)transfers;
	(void)n_transfers;
	return HV_ERR_UNAVAILABLE;
}

void hv_dma_wait(hv_dma *dma, const hv_dma_transfer *transfer)
{
	(void)dma;
	(void)transfer;
}
