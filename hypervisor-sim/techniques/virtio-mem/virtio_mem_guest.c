/* SPDX-License-Identifier: MIT
 *
 * virtio-mem, guest half: a driver that plugs and unplugs block by block until the requested size is met. To unplug, it
 * isolates the block, from the top of memory down, and migrates what is allocated in it; a block that holds something
 * fixed stays. It waits for the host after each block. */
#include "techniques/virtio-mem/virtio_mem.h"
#include "guest/isolate.h"

#include <stdlib.h>

enum { RESPONSE_WORD = 16 }; /* where the response lies in the buffer */

typedef struct virtio_mem {
	hv_driver *driver;
	uint64_t block_frames, n_blocks, n_plugged;
	uint8_t *unplugged; /* per block */
} virtio_mem;

/* @return false: the driver is to end */
static bool ask(virtio_mem *self, unsigned type, uint64_t block_idx, uint32_t *response)
{
	hv_driver *driver = self->driver;
	uint32_t *words = hv_driver_buffer(driver);
	uint64_t address = block_idx * self->block_frames * HV_FRAME_BYTES;
	words[0] = type;
	words[1] = words[5] = 0;
	words[2] = (uint32_t)address;
	words[3] = (uint32_t)(address >> 32);
	words[4] = 1;
	const hv_ring_segment segments[2] = {
		{ driver->buffer_address, HV_VIRTIO_MEM_REQUEST_WORDS * sizeof(uint32_t) },
		{ driver->buffer_address + RESPONSE_WORD * sizeof(uint32_t),
		  HV_VIRTIO_MEM_RESPONSE_WORDS * sizeof(uint32_t) },
	};
	if (!hv_driver_request(driver, 0, segments, 1, 1))
		return false;
	*response = words[RESPONSE_WORD];
	return true;
}

/* One block less. @return false: the driver is to end */
static bool unplug(virtio_mem *self, uint64_t block_idx)
{
	uint64_t first_frame = block_idx * self->block_frames;
	uint32_t response;
	if (hv_isolate(self->driver, first_frame, self->block_frames) != HV_ISOLATE_DONE)
		return true;
	if (!ask(self, HV_VIRTIO_MEM_UNPLUG, block_idx, &response))
		return false;
	if (response != HV_VIRTIO_MEM_ACK) {
		hv_isolate_undo(self->driver, first_frame, self->block_frames);
		return true;
	}
	self->unplugged[block_idx] = 1;
	self->n_plugged--;
	return true;
}

/* @return false: the driver is to end */
static bool plug(virtio_mem *self, uint64_t block_idx)
{
	uint32_t response;
	if (!ask(self, HV_VIRTIO_MEM_PLUG, block_idx, &response))
		return false;
	if (response != HV_VIRTIO_MEM_ACK)
		return true;
	self->unplugged[block_idx] = 0;
	self->n_plugged++;
	hv_isolate_undo(self->driver, block_idx * self->block_frames, self->block_frames);
	return true;
}

/* Once over all blocks, or until the target is met. @return false: the driver is to end */
static bool adjust(virtio_mem *self, uint64_t target_blocks)
{
	for (uint64_t at = self->n_blocks; at-- > 0 && self->n_plugged > target_blocks;)
		if (!self->unplugged[at] && !unplug(self, at))
			return false;
	for (uint64_t at = 0; at < self->n_blocks && self->n_plugged < target_blocks; at++)
		if (self->unplugged[at] && !plug(self, at))
			return false;
	return true;
}

static void virtio_mem_drive(hv_driver *driver)
{
	const hv_vm *vm = driver->vm;
	virtio_mem self = { .driver = driver, .block_frames = vm->config.tuning.block_bytes / HV_FRAME_BYTES };
	self.n_blocks = self.n_plugged = vm->memory.huge_count * HV_HUGE_FRAMES / self.block_frames;
	/* less than a block at the end of memory stays */
	uint64_t rest_frames = vm->memory.huge_count * HV_HUGE_FRAMES - self.n_blocks * self.block_frames;
	self.unplugged = calloc(self.n_blocks, 1);
	uint64_t target_bytes;
	uint32_t number;
	bool more = self.unplugged != NULL;
	while (more) {
		if (!hv_driver_target(driver, &target_bytes, &number)) {
			more = hv_driver_wait(driver);
			continue;
		}
		uint64_t target_frames = target_bytes / HV_FRAME_BYTES;
		more = adjust(&self,
			      target_frames > rest_frames ? (target_frames - rest_frames) / self.block_frames : 0);
		if (more)
			hv_driver_settle(driver, number);
	}
	free(self.unplugged);
}

const hv_guest_half hv_virtio_mem_guest = { .drive = virtio_mem_drive, .n_rings = 1 };
