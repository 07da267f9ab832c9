/* SPDX-License-Identifier: MIT
 *
 * The device's end of the queues; see dma_queue.h. One thread takes requests and begins their transfers; the device's
 * own thread tells the guest when one is done. A request stands at the place of its first descriptor; a guest that uses
 * a descriptor again while it is in flight lies. */
#define _GNU_SOURCE
#include "device/dma_queue.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct host_queue host_queue;

typedef struct host_request {
	hv_dma_transfer transfer; /* first: the device knows only this */
	hv_ring_element element;
	host_queue *queue;
	_Atomic bool in_flight;
} host_request;

struct host_queue {
	hv_dma_queue_host *owner;
	uint32_t idx;
	bool open;
	hv_ring_host ring;
	host_request requests[HV_DMA_REQUESTS]; /* by first descriptor */
};

struct hv_dma_queue_host {
	const hv_dma_queue_files *files;
	hv_dma *dma;
	hv_host *host;
	size_t medium_bytes;
	host_queue *queues;
	pthread_t thread;
	int stop_bell, request_ear;
	bool running;
};

/* On the device's thread: only here elements go back, one at a time. */
static void request_done(hv_dma_transfer *transfer)
{
	host_request *request = (host_request *)transfer;
	host_queue *queue = request->queue;
	const hv_ring_element *element = &request->element;
	const uint32_t status[HV_DMA_STATUS_WORDS] = { 1, (uint32_t)transfer->result };
	uint32_t n_words = hv_ring_host_write(&queue->ring, &element->segments[2], status, HV_DMA_STATUS_WORDS);
	hv_ring_element used = { .head = element->head };
	/* from here on the guest may use the descriptor again */
	atomic_store_explicit(&request->in_flight, false, memory_order_release);
	hv_ring_host_push(&queue->ring, &used, n_words * 4);
	hv_bell_ring(queue->owner->files->bells[queue->idx]);
}

/* A chain of header, buffer and status, as its words were copied. @return false when it makes no sense */
static bool request_make(host_queue *queue, const hv_ring_element *element, hv_dma_transfer *transfer)
{
	uint32_t header[HV_DMA_HEADER_WORDS];
	const hv_ring_segment *buffer = &element->segments[1], *status = &element->segments[2];
	if (element->n_read + element->n_write != 3 || element->head >= HV_DMA_REQUESTS ||
	    element->segments[0].bytes != HV_DMA_HEADER_WORDS * 4 || status->bytes != HV_DMA_STATUS_WORDS * 4 ||
	    status->address % 4 != 0 ||
	    hv_ring_host_read(&queue->ring, &element->segments[0], header, HV_DMA_HEADER_WORDS) != HV_DMA_HEADER_WORDS)
		return false;
	uint64_t medium_offset = header[2] | (uint64_t)header[3] << 32, medium_bytes = queue->owner->medium_bytes;
	if (header[0] > HV_DMA_READS_MEMORY || element->n_read != (header[0] == HV_DMA_READS_MEMORY ? 2 : 1) ||
	    buffer->bytes > medium_bytes || medium_offset > medium_bytes - buffer->bytes)
		return false;
	*transfer = (hv_dma_transfer){ .direction = (hv_dma_direction)header[0],
				       .memory_offset = buffer->address,
				       .bytes = buffer->bytes,
				       .medium_fd = hv_dma_queue_medium(queue->owner->files, queue->idx),
				       .medium_offset = medium_offset,
				       .queued = header[1] != 0,
				       .completed = request_done };
	return true;
}

/* @return false when the VM was stopped */
static bool element_serve(host_queue *queue, const hv_ring_element *element)
{
	hv_dma_queue_host *self = queue->owner;
	host_request *request = &queue->requests[element->head];
	hv_dma_transfer *transfer = &request->transfer;
	bool sense = !atomic_load_explicit(&request->in_flight, memory_order_acquire) &&
		     request_make(queue, element, transfer);
	hv_err err = HV_ERR_INVAL;
	if (sense) {
		request->element = *element;
		atomic_store_explicit(&request->in_flight, true, memory_order_relaxed);
		err = hv_dma_submit(self->dma, &transfer, 1);
	}
	if (err == HV_ERR_INVAL)
		hv_host_stop_vm(self->host, "the guest sent the device a request that makes no sense");
	else if (err != HV_OK)
		hv_host_stop_vm(self->host, "the device takes no requests any more");
	return err == HV_OK;
}

/* One round at most: a guest that never stops sending can't keep us from the others. @return true: there may be more */
static bool queue_serve(host_queue *queue)
{
	hv_dma_queue_host *self = queue->owner;
	hv_dma_registers *registers = self->files->registers;
	hv_ring_element element;
	if (!queue->open && atomic_load_explicit(&registers->ready, memory_order_acquire) != 0) {
		hv_ring_place place = {
			atomic_load_explicit(&registers->rings[queue->idx].address, memory_order_relaxed),
			atomic_load_explicit(&registers->rings[queue->idx].size, memory_order_relaxed)
		};
		hv_ring_memory memory = { self->host->memory.base, self->host->memory.huge_count << HV_HUGE_SHIFT };
		queue->open = hv_ring_host_open(&queue->ring, memory, place) == HV_OK && place.size <= HV_DMA_REQUESTS;
		if (!queue->open)
			hv_host_stop_vm(self->host, "the guest put a ring of the device where none can be");
	}
	if (!queue->open)
		return false;
	for (unsigned at = 0; at < HV_DMA_REQUESTS; at++) {
		hv_ring_pop pop = hv_ring_host_pop(&queue->ring, &element);
		if (pop == HV_RING_NONSENSE)
			hv_host_stop_vm(self->host, "the guest wrote nonsense into a ring of the device");
		if (pop != HV_RING_ELEMENT || !element_serve(queue, &element))
			return false;
	}
	return true;
}

static void *serve(void *context)
{
	hv_dma_queue_host *self = context;
	struct pollfd wanted[2] = { { .fd = self->stop_bell, .events = POLLIN },
				    { .fd = self->request_ear, .events = POLLIN } };
	bool more = false;
	for (;;) {
		if (poll(wanted, 2, more ? 0 : -1) < 0)
			continue; /* a signal */
		if (wanted[0].revents != 0)
			return NULL;
		hv_ear_clear(self->request_ear);
		hv_bell_empty(hv_dma_queue_to_device(self->files));
		more = false;
		for (uint32_t idx = 0; idx < self->files->n_queues && hv_host_fault(self->host) == NULL; idx++)
			more = queue_serve(&self->queues[idx]) || more;
	}
}

hv_err hv_dma_queue_host_start(hv_dma_queue_host **queue, const hv_dma_queue_files *files, hv_dma *dma, hv_host *host,
			       size_t medium_bytes)
{
	hv_dma_queue_host *self = calloc(1, sizeof(*self));
	host_queue *queues = calloc(files->n_queues, sizeof(*queues));
	*queue = self;
	if (self == NULL || queues == NULL) {
		free(queues);
		return HV_ERR_SYSTEM;
	}
	*self = (hv_dma_queue_host){ .files = files,
				     .dma = dma,
				     .host = host,
				     .medium_bytes = medium_bytes,
				     .queues = queues,
				     .stop_bell = hv_bell_create(),
				     .request_ear = hv_ear_create(hv_dma_queue_to_device(files)) };
	for (uint32_t idx = 0; idx < files->n_queues; idx++) {
		queues[idx].owner = self;
		queues[idx].idx = idx;
		for (size_t at = 0; at < HV_DMA_REQUESTS; at++)
			queues[idx].requests[at].queue = &queues[idx];
	}
	if (self->stop_bell < 0 || self->request_ear < 0 || pthread_create(&self->thread, NULL, serve, self) != 0)
		return HV_ERR_SYSTEM;
	self->running = true;
	return HV_OK;
}

void hv_dma_queue_host_stop(hv_dma_queue_host *self)
{
	if (self == NULL || !self->running)
		return;
	hv_bell_ring(self->stop_bell);
	pthread_join(self->thread, NULL);
	self->running = false;
}

void hv_dma_queue_host_free(hv_dma_queue_host *self)
{
	if (self == NULL)
		return;
	hv_dma_queue_host_stop(self);
	if (self->stop_bell >= 0 && self->queues != NULL)
		close(self->stop_bell);
	if (self->request_ear >= 0 && self->queues != NULL)
		close(self->request_ear);
	free(self->queues);
	free(self);
}
