/* SPDX-License-Identifier: MIT
 *
 * The DMA device of a rig; see rig_device.h. */
#include "rig/rig_device.h"
#include "host/channel_service.h"
#include "memory/residency.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static hv_err device_unmap(void *context, const uint64_t *huge_idx, size_t n_huge)
{
	return hv_dma_unmap(context, huge_idx, n_huge);
}

static hv_err device_map(void *context, const uint64_t *huge_idx, size_t n_huge)
{
	return hv_dma_map(context, huge_idx, n_huge);
}

hv_err hv_rig_device_open(hv_rig_device *self, const hv_memory *memory, hv_host *host, bool dma_safe,
			  uint64_t window_huge)
{
	memset(self, 0, sizeof(*self));
	hv_err err = hv_dma_create(&self->dma, memory, window_huge);
	if (err != HV_OK)
		return err;
	self->host_side = (hv_device){ self->dma, device_unmap, device_map };
	self->told = dma_safe;
	if (dma_safe)
		hv_host_set_device(host, &self->host_side);
	return HV_OK;
}

hv_err hv_rig_device_drive(hv_rig_device *self, hv_vm *vm)
{
	hv_dma_link link = hv_dma_link_direct(self->dma);
	return hv_dma_driver_create(&self->driver, &link, vm, NULL, NULL);
}

hv_err hv_rig_device_serve(hv_rig_device *self, hv_host *host, uint32_t n_vcpus)
{
	hv_err err = hv_dma_queue_files_create(&self->queue_files, n_vcpus, HV_DMA_MEDIUM_BYTES);
	if (err == HV_OK)
		err = hv_dma_queue_host_start(&self->queues, &self->queue_files, self->dma, host, HV_DMA_MEDIUM_BYTES);
	return err;
}

void hv_rig_device_close(hv_rig_device *self)
{
	hv_dma_driver_destroy(self->driver);
	hv_dma_queue_host_stop(self->queues);
	hv_dma_destroy(self->dma);
	hv_dma_queue_host_free(self->queues);
	hv_dma_queue_files_close(&self->queue_files);
	memset(self, 0, sizeof(*self));
}

/* By R, or, where the guest hands over memory itself, by the ledger. */
static bool host_holds(const hv_host *host, uint64_t huge_idx)
{
	bool out = hv_frames_state(&host->frames, huge_idx) != HV_R_INSTALLED;
	for (unsigned word = 0; host->channel != NULL && word < HV_LEDGER_HUGE_WORDS; word++)
		out = out || hv_ledger_word(&host->channel->ledger, huge_idx * HV_LEDGER_HUGE_WORDS + word) != 0;
	return out;
}

bool hv_rig_device_sound(const hv_rig_device *self, const hv_host *host, uint64_t pinned_before, char *detail,
			 size_t detail_bytes)
{
	uint64_t n_wrong = 0, n_mapped = 0;
	for (uint64_t idx = 0; idx < host->frames.huge_count; idx++) {
		bool mapped = hv_dma_mapped(self->dma, idx);
		bool wanted = hv_dma_sees(self->dma, idx) && (!self->told || !host_holds(host, idx));
		n_wrong += mapped != wanted;
		n_mapped += mapped;
	}
	if (n_wrong != 0)
		snprintf(detail, detail_bytes, "%" PRIu64 " huge frames are mapped and should not be, or the reverse",
			 n_wrong);
	else if (!hv_pinned_becomes(pinned_before + (n_mapped << HV_HUGE_SHIFT)))
		snprintf(detail, detail_bytes, "%" PRIu64 " bytes are pinned, %" PRIu64 " huge frames mapped",
			 hv_pinned_bytes() - pinned_before, n_mapped);
	else
		return true;
	return false;
}
