/* SPDX-License-Identifier: MIT
 *
 * virtio-mem, host half: the requested size is the limit; the guest's driver asks for each block that it unplugs or
 * plugs. An unplugged block is unmapped from the device and discarded by one call before the guest is answered; a
 * plugged one is mapped for the device, if there is one, else backed when touched. DMA-safe. Never automatic. */
#include "techniques/virtio-mem/virtio_mem.h"

#include <stdatomic.h>

static hv_err block_unplug(hv_channel_service *self, uint64_t first_frame, uint64_t n_frames, uint32_t *response)
{
	hv_err err = hv_channel_take(self, first_frame, n_frames);
	*response = err == HV_OK ? HV_VIRTIO_MEM_ACK : HV_VIRTIO_MEM_BUSY;
	return err;
}

static hv_err block_plug(hv_channel_service *self, uint64_t first_frame, uint64_t n_frames, uint32_t *response)
{
	uint64_t memory_bytes = self->ledger.frames * HV_FRAME_BYTES;
	uint64_t plugged_bytes = memory_bytes - hv_ledger_out_bytes(&self->ledger);
	uint64_t target_bytes = atomic_load_explicit(&self->target_bytes, memory_order_acquire);
	*response = HV_VIRTIO_MEM_NACK;
	if (plugged_bytes + n_frames * HV_FRAME_BYTES > target_bytes)
		return HV_OK;
	if (!hv_ledger_is(&self->ledger, first_frame, n_frames, true))
		return HV_ERR_GUEST;
	for (uint64_t frame = first_frame; self->host->device != NULL && frame < first_frame + n_frames;
	     frame += HV_HUGE_FRAMES) {
		*response = HV_VIRTIO_MEM_BUSY;
		if (hv_host_populate(self->host, frame / HV_HUGE_FRAMES) != HV_OK)
			return hv_host_discard_range(self->host, first_frame, frame - first_frame);
	}
	*response = HV_VIRTIO_MEM_ACK;
	return hv_channel_give(self, first_frame, n_frames);
}

static hv_err virtio_mem_element(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element,
				 uint32_t *written_bytes)
{
	uint32_t words[HV_VIRTIO_MEM_REQUEST_WORDS], response[HV_VIRTIO_MEM_RESPONSE_WORDS] = { 0 };
	const hv_ring_host *ring = &self->rings[ring_idx];
	if (element->n_read != 1 || element->n_write != 1 ||
	    hv_ring_host_read(ring, &element->segments[0], words, HV_VIRTIO_MEM_REQUEST_WORDS) !=
		    HV_VIRTIO_MEM_REQUEST_WORDS)
		return HV_ERR_GUEST;
	uint64_t address = words[2] | (uint64_t)words[3] << 32, n_bytes = words[4] * self->block_bytes;
	uint64_t memory_bytes = self->ledger.frames * HV_FRAME_BYTES;
	if (words[4] == 0 || address % self->block_bytes != 0 || address >= memory_bytes ||
	    n_bytes > memory_bytes - address || words[0] > HV_VIRTIO_MEM_UNPLUG)
		return HV_ERR_GUEST;
	hv_err (*serve)(hv_channel_service *, uint64_t, uint64_t, uint32_t *) =
		words[0] == HV_VIRTIO_MEM_PLUG ? block_plug : block_unplug;
	hv_err err = serve(self, address / HV_FRAME_BYTES, n_bytes / HV_FRAME_BYTES, &response[0]);
	*written_bytes = 4 * hv_ring_host_write(ring, &element->segments[1], response, HV_VIRTIO_MEM_RESPONSE_WORDS);
	return err;
}

/* The requested size is the limit, in whole blocks. */
static hv_err size_request(hv_host *host, uint64_t limit_bytes, uint64_t *before_bytes, uint64_t *target_bytes)
{
	hv_channel_service *channel = host->channel;
	uint64_t memory_bytes = host->memory.huge_count << HV_HUGE_SHIFT, block_bytes = channel->block_bytes;
	*before_bytes = hv_ledger_out_bytes(&channel->ledger);
	*target_bytes = (limit_bytes + block_bytes - 1) / block_bytes * block_bytes;
	if (limit_bytes > memory_bytes)
		return HV_ERR_INVAL;
	return hv_channel_target(channel, *target_bytes);
}

static hv_err virtio_mem_shrink(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	uint64_t before_bytes, target_bytes, memory_bytes = host->memory.huge_count << HV_HUGE_SHIFT;
	hv_err err = size_request(host, limit_bytes, &before_bytes, &target_bytes);
	uint64_t out_bytes = hv_ledger_out_bytes(&host->channel->ledger);
	*moved_bytes = out_bytes > before_bytes ? out_bytes - before_bytes : 0;
	return err == HV_OK && memory_bytes - out_bytes > target_bytes ? HV_ERR_SHORT : err;
}

static hv_err virtio_mem_grow(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	uint64_t before_bytes, target_bytes;
	hv_err err = size_request(host, limit_bytes, &before_bytes, &target_bytes);
	uint64_t out_bytes = hv_ledger_out_bytes(&host->channel->ledger);
	*moved_bytes = before_bytes > out_bytes ? before_bytes - out_bytes : 0;
	return err;
}

static const hv_host_half virtio_mem_host = {
	.shrink = virtio_mem_shrink,
	.grow = virtio_mem_grow,
	.element = virtio_mem_element,
};

const hv_technique hv_technique_virtio_mem = {
	.name = "virtio-mem",
	.summary = "the guest unplugs and plugs blocks, and migrates what is allocated in them",
	.allocator = "buddy",
	.grain_bytes = HV_HUGE_BYTES,
	.dma_safe = true,
	.discard = "one call per block",
	.guest = &hv_virtio_mem_guest,
	.host = &virtio_mem_host,
};
