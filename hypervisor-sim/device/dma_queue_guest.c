/* SPDX-License-Identifier: MIT
 *
 * The driver's end of the queues; see dma_queue.h. Each vCPU has a ring and a frame of requests, both fixed guest
 * memory; a request lies at the place of its first descriptor, which is its own until the device has used it. */
#define _GNU_SOURCE
#include "device/dma_queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { REQUEST_BYTES = HV_FRAME_BYTES / HV_DMA_REQUESTS, STATUS_WORD = HV_DMA_HEADER_WORDS };
_Static_assert((HV_DMA_HEADER_WORDS + HV_DMA_STATUS_WORDS) * 4 <= REQUEST_BYTES, "a request fits at its place");

typedef struct guest_queue {
	hv_ring_guest ring;
	uint64_t requests_address;
	hv_dma_transfer *pending[HV_DMA_REQUESTS]; /* by first descriptor */
} guest_queue;

struct hv_dma_queue_guest {
	const hv_dma_queue_files *files;
	hv_vm *vm;
	int stop;
	guest_queue *queues;
};

static _Atomic uint32_t *request_words(const hv_dma_queue_guest *self, const guest_queue *queue, uint32_t head)
{
	return (_Atomic uint32_t *)(void *)(self->vm->memory.base + queue->requests_address +
					    (uint64_t)head * REQUEST_BYTES);
}

static void transfer_end(hv_dma_transfer *transfer, int32_t result)
{
	transfer->result = result;
	atomic_store_explicit(&transfer->state, HV_DMA_DONE, memory_order_release);
}

/* What the device has used since we last looked. */
static void queue_reap(hv_dma_queue_guest *self, guest_queue *queue)
{
	uint32_t written_bytes;
	uint32_t head;
	while (hv_ring_guest_take(&queue->ring, &written_bytes, &head)) {
		if (head >= HV_DMA_REQUESTS || queue->pending[head] == NULL)
			continue; /* a broken device */
		_Atomic uint32_t *status = request_words(self, queue, head) + STATUS_WORD;
		bool done = atomic_load_explicit(status, memory_order_relaxed) == 1;
		transfer_end(queue->pending[head],
			     done ? (int32_t)atomic_load_explicit(status + 1, memory_order_relaxed) : -EIO);
		queue->pending[head] = NULL;
	}
}

static bool queue_add(hv_dma_queue_guest *self, guest_queue *queue, hv_dma_transfer *transfer)
{
	uint16_t head = queue->ring.free_head;
	uint64_t address = queue->requests_address + (uint64_t)head * REQUEST_BYTES;
	const hv_ring_segment segments[3] = {
		{ address, HV_DMA_HEADER_WORDS * 4 },
		{ transfer->memory_offset, transfer->bytes },
		{ address + STATUS_WORD * 4, HV_DMA_STATUS_WORDS * 4 },
	};
	if (queue->ring.n_free < 3)
		return false;
	_Atomic uint32_t *words = request_words(self, queue, head);
	const uint32_t header[] = { (uint32_t)transfer->direction,
				    transfer->queued,
				    (uint32_t)transfer->medium_offset,
				    (uint32_t)(transfer->medium_offset >> 32),
				    0,
				    0 };
	for (size_t at = 0; at < sizeof(header) / sizeof(header[0]); at++)
		atomic_store_explicit(words + at, header[at], memory_order_relaxed);
	unsigned n_read = transfer->direction == HV_DMA_READS_MEMORY ? 2 : 1;
	queue->pending[head] = transfer;
	atomic_store_explicit(&transfer->state, HV_DMA_IN_FLIGHT, memory_order_relaxed);
	return hv_ring_guest_add(&queue->ring, segments, n_read, 3 - n_read);
}

/* @return false: the device is gone */
static bool queue_wait(hv_dma_queue_guest *self, uint32_t cpu_idx)
{
	return hv_ear_wait(hv_dma_queue_from_device(self->files, cpu_idx), -1, self->stop, HV_EAR_FOREVER);
}

static hv_err queue_submit(void *context, uint32_t cpu_idx, hv_dma_transfer *const *transfers, size_t n_transfers)
{
	hv_dma_queue_guest *self = context;
	guest_queue *queue = &self->queues[cpu_idx];
	for (size_t at = 0; at < n_transfers; at++) {
		queue_reap(self, queue);
		while (!queue_add(self, queue, transfers[at])) {
			hv_bell_ring(hv_dma_queue_to_device(self->files));
			if (!queue_wait(self, cpu_idx))
				return HV_ERR_SYSTEM;
			queue_reap(self, queue);
		}
	}
	hv_bell_ring(hv_dma_queue_to_device(self->files));
	return HV_OK;
}

static void queue_transfer_wait(void *context, uint32_t cpu_idx, const hv_dma_transfer *transfer)
{
	hv_dma_queue_guest *self = context;
	guest_queue *queue = &self->queues[cpu_idx];
	queue_reap(self, queue);
	while (hv_dma_transfer_state(transfer) == HV_DMA_IN_FLIGHT) {
		if (!queue_wait(self, cpu_idx))
			transfer_end((hv_dma_transfer *)(uintptr_t)transfer, -EIO);
		else
			queue_reap(self, queue);
	}
}

static hv_err queue_open(hv_dma_queue_guest *self, uint32_t idx)
{
	guest_queue *queue = &self->queues[idx];
	hv_ring_memory memory = { self->vm->memory.base, self->vm->memory.huge_count << HV_HUGE_SHIFT };
	uint64_t ring_frame, requests_frame;
	if (hv_vm_get_fixed(self->vm, 0, &ring_frame) != HV_OK ||
	    hv_vm_get_fixed(self->vm, 0, &requests_frame) != HV_OK)
		return HV_ERR_SHORT;
	hv_ring_place place = { ring_frame * HV_FRAME_BYTES, HV_CHANNEL_RING_SIZE };
	queue->requests_address = requests_frame * HV_FRAME_BYTES;
	hv_err err = hv_ring_guest_open(&queue->ring, memory, place);
	atomic_store_explicit(&self->files->registers->rings[idx].address, place.address, memory_order_relaxed);
	atomic_store_explicit(&self->files->registers->rings[idx].size, place.size, memory_order_relaxed);
	return err;
}

hv_err hv_dma_queue_guest_open(hv_dma_queue_guest **queue, const hv_dma_queue_files *files, hv_vm *vm, int stop)
{
	hv_dma_queue_guest *self = calloc(1, sizeof(*self));
	guest_queue *queues = calloc(files->n_queues, sizeof(*queues));
	*queue = NULL;
	if (self == NULL || queues == NULL) {
		free(self);
		free(queues);
		return HV_ERR_SYSTEM;
	}
	*self = (hv_dma_queue_guest){ files, vm, stop, queues };
	hv_err err = HV_OK;
	for (uint32_t idx = 0; idx < files->n_queues && err == HV_OK; idx++)
		err = queue_open(self, idx);
	if (err != HV_OK) {
		hv_dma_queue_guest_close(self);
		return err;
	}
	atomic_store_explicit(&files->registers->ready, 1, memory_order_release);
	*queue = self;
	return HV_OK;
}

void hv_dma_queue_guest_close(hv_dma_queue_guest *self)
{
	if (self == NULL)
		return;
	free(self->queues);
	free(self);
}

hv_dma_link hv_dma_queue_link(hv_dma_queue_guest *self, uint64_t window_huge)
{
	return (hv_dma_link){ self, window_huge, queue_submit, queue_transfer_wait };
}
