/* SPDX-License-Identifier: MIT
 *
 * The files of the queues; see dma_queue.h. */
#define _GNU_SOURCE
#include "device/dma_queue.h"
#include "base/hv_socket.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

hv_err hv_dma_queue_files_create(hv_dma_queue_files *self, uint32_t n_queues, size_t medium_bytes)
{
	int fds[HV_DMA_QUEUE_FDS_MAX], bells[HV_DMA_QUEUES_MAX];
	*self = (hv_dma_queue_files){ .registers = NULL };
	if (n_queues == 0 || n_queues > HV_DMA_QUEUES_MAX)
		return HV_ERR_INVAL;
	fds[0] = hv_shared_file("hv-dma-registers", sizeof(*self->registers));
	fds[1] = hv_bell_create();
	for (uint32_t idx = 0; idx < n_queues; idx++) {
		bells[idx] = hv_bell_create();
		fds[2 + 2 * idx] = hv_ear_create(bells[idx]);
		fds[3 + 2 * idx] = hv_shared_file("hv-dma-medium", medium_bytes);
	}
	hv_err err = hv_dma_queue_files_open(self, fds, 2 + 2 * (size_t)n_queues);
	for (uint32_t idx = 0; idx < n_queues; idx++) {
		self->bells[idx] = bells[idx];
		if (err != HV_OK && bells[idx] >= 0)
			close(bells[idx]);
	}
	self->n_bells = err == HV_OK ? n_queues : 0;
	return err;
}

hv_err hv_dma_queue_files_open(hv_dma_queue_files *self, const int *fds, size_t n_fds)
{
	bool ok = n_fds >= 4 && n_fds <= HV_DMA_QUEUE_FDS_MAX && n_fds % 2 == 0;
	memset(self, 0, sizeof(*self));
	for (size_t at = 0; ok && at < n_fds; at++)
		ok = fds[at] >= 0;
	if (ok)
		self->registers = hv_shared_map(fds[0], sizeof(*self->registers));
	if (self->registers == NULL) {
		for (size_t at = 0; at < n_fds; at++)
			if (fds[at] >= 0)
				close(fds[at]);
		return HV_ERR_SYSTEM;
	}
	memcpy(self->fds, fds, n_fds * sizeof(*fds));
	self->n_fds = n_fds;
	self->n_queues = (uint32_t)(n_fds / 2 - 1);
	return HV_OK;
}

void hv_dma_queue_files_close(hv_dma_queue_files *self)
{
	if (self->registers != NULL)
		munmap(self->registers, sizeof(*self->registers));
	for (size_t at = 0; at < self->n_fds; at++)
		close(self->fds[at]);
	for (uint32_t idx = 0; idx < self->n_bells; idx++)
		close(self->bells[idx]);
	memset(self, 0, sizeof(*self));
}
