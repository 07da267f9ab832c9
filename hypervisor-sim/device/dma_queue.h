/* SPDX-License-Identifier: MIT
 *
 * Queues between the guest's driver and a DMA device in another process: a ring for each vCPU, in guest memory, as
 * virtio's block device has them. A request is a chain: header, buffer, status. Doorbells are event counters; the page
 * of registers says where the rings lie. The device's side copies each word once and checks it: nonsense stops the VM
 * (H4). Media are files that both sides have by descriptor: what the device reads and writes on its other end. */
#ifndef HV_DMA_QUEUE_H
#define HV_DMA_QUEUE_H

#include "device/dma_link.h"
#include "guest/hv_vm.h"
#include "host/hv_host.h"
#include "transport/channel.h"
#include "transport/ring.h"

enum { HV_DMA_QUEUES_MAX = 60, HV_DMA_REQUESTS = HV_CHANNEL_RING_SIZE };
/** Descriptors of the queues: registers, the device's bell, then the ear for completions and the medium of each vCPU.
 */
enum { HV_DMA_QUEUE_FDS_MAX = 2 + 2 * HV_DMA_QUEUES_MAX };
/** In 32-bit words. Header: direction, queued, offset in the medium (two words). Status: done, result. */
enum { HV_DMA_HEADER_WORDS = 4, HV_DMA_STATUS_WORDS = 2 };

typedef struct hv_dma_registers {
	_Atomic uint32_t ready; /**< 1 = the rings stand */
	struct {
		_Atomic uint64_t address;
		_Atomic uint32_t size;
	} rings[HV_DMA_QUEUES_MAX];
} hv_dma_registers;

/** What both ends have of it. */
typedef struct hv_dma_queue_files {
	hv_dma_registers *registers;
	uint32_t n_queues;
	size_t n_fds;
	int fds[HV_DMA_QUEUE_FDS_MAX];
	int bells[HV_DMA_QUEUES_MAX]; /**< that the ears hear; the device's process alone has them */
	uint32_t n_bells;
} hv_dma_queue_files;

/** Make everything for so many vCPUs, each medium of this size.
 *  @return HV_OK; HV_ERR_INVAL more than HV_DMA_QUEUES_MAX; HV_ERR_SYSTEM (errno) */
HV_MUST_CHECK hv_err hv_dma_queue_files_create(hv_dma_queue_files *self, uint32_t n_queues, size_t medium_bytes);
/** The other end, from descriptors that came from there; they are taken over. @return HV_OK; HV_ERR_SYSTEM */
HV_MUST_CHECK hv_err hv_dma_queue_files_open(hv_dma_queue_files *self, const int *fds, size_t n_fds);
/** Idempotent when zeroed. */
void hv_dma_queue_files_close(hv_dma_queue_files *self);
static inline int hv_dma_queue_to_device(const hv_dma_queue_files *self)
{
	return self->fds[1];
}
static inline int hv_dma_queue_from_device(const hv_dma_queue_files *self, uint32_t queue_idx)
{
	return self->fds[2 + 2 * queue_idx];
}
static inline int hv_dma_queue_medium(const hv_dma_queue_files *self, uint32_t queue_idx)
{
	return self->fds[3 + 2 * queue_idx];
}

/* dma_queue_guest.c: the driver's end */

typedef struct hv_dma_queue_guest hv_dma_queue_guest;

/** Put the rings into the VM and tell the device. stop: a bell that ends all waits, since the device is gone.
 *  @return HV_OK; HV_ERR_SYSTEM; HV_ERR_SHORT no memory for the rings */
HV_MUST_CHECK hv_err hv_dma_queue_guest_open(hv_dma_queue_guest **queue, const hv_dma_queue_files *files, hv_vm *vm,
					     int stop);
/** When no vCPU uses it any more. NULL is allowed. */
void hv_dma_queue_guest_close(hv_dma_queue_guest *self);
hv_dma_link hv_dma_queue_link(hv_dma_queue_guest *self, uint64_t window_huge);

/* dma_queue_host.c: the device's end */

typedef struct hv_dma_queue_host hv_dma_queue_host;

/** Serve the queues by this device. memory: of the guest, as mapped here. @return HV_OK; HV_ERR_SYSTEM */
HV_MUST_CHECK hv_err hv_dma_queue_host_start(hv_dma_queue_host **queue, const hv_dma_queue_files *files, hv_dma *dma,
					     hv_host *host, size_t medium_bytes);
/** Take no requests any more. Then destroy the device, which ends those that are in flight; then free. */
void hv_dma_queue_host_stop(hv_dma_queue_host *self);
void hv_dma_queue_host_free(hv_dma_queue_host *self);

#endif
