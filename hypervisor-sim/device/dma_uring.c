/* SPDX-License-Identifier: MIT
 *
 * The DMA device by io_uring; see hv_dma.h. Submission (any thread, under submit_lock), completion (the device's own
 * thread) and registration of buffers (any thread, under map_lock) are independent of one another in io_uring. Each
 * mapped slot carries a tag; the kernel completes it after the last transfer that uses the slot, and only then are the
 * pages unpinned: that completion is what an unmap waits for. */
#define _GNU_SOURCE
#include "device/hv_dma.h"

#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUBMIT_ENTRIES = 256, COMPLETE_ENTRIES = 4096, RUN_MAX = 256, TAG_BIT = 1 };

typedef enum slot_state { SLOT_UNMAPPED, SLOT_MAPPED, SLOT_LEAVING } slot_state;

typedef struct dma_slot {
	slot_state state; /* under map_lock */
	bool seen;        /* in the window; never changes after the start */
	_Atomic uint32_t n_in_flight;
} dma_slot;

struct hv_dma {
	struct io_uring ring;
	hv_memory memory;
	dma_slot *slots;
	uint64_t window_huge;
	bool limited;
	pthread_mutex_t submit_lock, map_lock;
	pthread_cond_t moved; /* with map_lock: a slot has left */
	pthread_mutex_t done_lock;
	pthread_cond_t done; /* transfers have completed */
	pthread_t thread;
	bool running;
	hv_dma_counters counters;
};

static void count(_Atomic uint64_t *counter, uint64_t add)
{
	atomic_fetch_add_explicit(counter, add, memory_order_relaxed);
}

static uint64_t tag_of(uint64_t huge_idx)
{
	return huge_idx << 1 | TAG_BIT;
}

bool hv_dma_available(char *why, size_t why_bytes)
{
	struct io_uring ring;
	int status = io_uring_queue_init(4, &ring, 0);
	if (status == 0) {
		status = io_uring_register_buffers_sparse(&ring, 1);
		io_uring_queue_exit(&ring);
		if (status == 0)
			return true;
		snprintf(why, why_bytes, "io_uring has no sparse buffers (kernel 5.19): %s", strerror(-status));
		return false;
	}
	bool forbidden = status == -EPERM || status == -EACCES;
	snprintf(why, why_bytes, "io_uring is %s: %s",
		 forbidden           ? "forbidden (kernel.io_uring_disabled, or a container's seccomp filter)"
		 : status == -ENOSYS ? "not in this kernel, or hidden by a container's seccomp filter"
				     : "refused",
		 strerror(-status));
	return false;
}

/* The device's thread */

static void transfer_complete(hv_dma *self, hv_dma_transfer *transfer, int32_t result)
{
	/* pairs with the release of the submitter, which is otherwise seen through the kernel only */
	(void)atomic_load_explicit(&transfer->state, memory_order_acquire);
	transfer->result = result;
	uint64_t huge_idx = transfer->memory_offset >> HV_HUGE_SHIFT;
	atomic_fetch_sub_explicit(&self->slots[huge_idx].n_in_flight, 1, memory_order_relaxed);
	count(&self->counters.completed, 1);
	if (result == -EFAULT)
		count(&self->counters.faults, 1);
	void (*completed)(hv_dma_transfer *) = transfer->completed;
	/* from here on it is the submitter's again */
	atomic_store_explicit(&transfer->state, HV_DMA_DONE, memory_order_release);
	if (completed != NULL)
		completed(transfer);
}

static void slot_left(hv_dma *self, uint64_t huge_idx)
{
	pthread_mutex_lock(&self->map_lock);
	if (self->slots[huge_idx].state == SLOT_LEAVING)
		self->slots[huge_idx].state = SLOT_UNMAPPED;
	pthread_cond_broadcast(&self->moved);
	pthread_mutex_unlock(&self->map_lock);
}

/* @return false for the last one */
static bool handle(hv_dma *self, uint64_t user_data, int32_t result)
{
	if (user_data == 0)
		return false;
	if (user_data & TAG_BIT)
		slot_left(self, user_data >> 1);
	else
		transfer_complete(self, (hv_dma_transfer *)(uintptr_t)user_data, result);
	return true;
}

static void *device_thread(void *context)
{
	hv_dma *self = context;
	bool more = true;
	while (more) {
		struct io_uring_cqe *cqe;
		int status = io_uring_wait_cqe(&self->ring, &cqe);
		if (status == -EINTR || status == -EAGAIN)
			continue;
		if (status < 0)
			break;
		while (more && io_uring_peek_cqe(&self->ring, &cqe) == 0) {
			uint64_t user_data = io_uring_cqe_get_data64(cqe);
			int32_t result = cqe->res;
			io_uring_cqe_seen(&self->ring, cqe);
			more = handle(self, user_data, result);
		}
		pthread_mutex_lock(&self->done_lock);
		pthread_cond_broadcast(&self->done);
		pthread_mutex_unlock(&self->done_lock);
	}
	return NULL;
}

/* Map and unmap */

/* A run of neighbours, all to be mapped, or all to be unmapped; under map_lock. @return how many were, from the first
 */
static size_t run_update(hv_dma *self, uint64_t first_idx, size_t n_huge, bool map)
{
	struct iovec iov[RUN_MAX];
	__u64 tags[RUN_MAX];
	size_t n_done = 0;
	for (size_t at = 0; at < n_huge; at++) {
		uint8_t *start = hv_memory_huge(&self->memory, first_idx + at);
		iov[at] = map ? (struct iovec){ start, HV_HUGE_BYTES } : (struct iovec){ NULL, 0 };
		tags[at] = map ? tag_of(first_idx + at) : 0;
		if (!map) /* before the call: the tag may be completed before it returns */
			self->slots[first_idx + at].state = SLOT_LEAVING;
	}
	while (n_done < n_huge) {
		int status =
			io_uring_register_buffers_update_tag(&self->ring, (unsigned)(first_idx + n_done), iov + n_done,
							     tags + n_done, (unsigned)(n_huge - n_done));
		if (status == -EINTR)
			continue;
		if (status <= 0) {
			errno = -status;
			break;
		}
		n_done += (size_t)status;
	}
	for (size_t at = 0; at < n_huge; at++)
		if (map ? at < n_done : at >= n_done)
			self->slots[first_idx + at].state = SLOT_MAPPED;
	count(map ? &self->counters.mapped : &self->counters.unmapped, n_done);
	return n_done;
}

static bool slot_wanted(const hv_dma *self, uint64_t huge_idx, bool map)
{
	return self->slots[huge_idx].seen && self->slots[huge_idx].state == (map ? SLOT_UNMAPPED : SLOT_MAPPED);
}

static hv_err update_all(hv_dma *self, const uint64_t *huge_idx, size_t n_huge, bool map)
{
	hv_err err = HV_OK;
	for (size_t at = 0; at < n_huge && err == HV_OK;) {
		if (!slot_wanted(self, huge_idx[at], map)) {
			at++;
			continue;
		}
		size_t n_run = 1;
		while (at + n_run < n_huge && n_run < RUN_MAX && huge_idx[at + n_run] == huge_idx[at] + n_run &&
		       slot_wanted(self, huge_idx[at + n_run], map))
			n_run++;
		if (run_update(self, huge_idx[at], n_run, map) < n_run)
			err = HV_ERR_SYSTEM;
		at += n_run;
	}
	return err;
}

static void wait_until_left(hv_dma *self, const uint64_t *huge_idx, size_t n_huge)
{
	for (size_t at = 0; at < n_huge; at++)
		while (self->slots[huge_idx[at]].state == SLOT_LEAVING)
			pthread_cond_wait(&self->moved, &self->map_lock);
}

hv_err hv_dma_map(hv_dma *self, const uint64_t *huge_idx, size_t n_huge)
{
	pthread_mutex_lock(&self->map_lock);
	wait_until_left(self, huge_idx, n_huge);
	hv_err err = update_all(self, huge_idx, n_huge, true);
	pthread_mutex_unlock(&self->map_lock);
	return err;
}

hv_err hv_dma_unmap(hv_dma *self, const uint64_t *huge_idx, size_t n_huge)
{
	uint64_t n_busy = 0;
	pthread_mutex_lock(&self->map_lock);
	for (size_t at = 0; at < n_huge; at++) {
		const dma_slot *slot = &self->slots[huge_idx[at]];
		n_busy += slot->state == SLOT_MAPPED &&
			  atomic_load_explicit(&slot->n_in_flight, memory_order_relaxed) > 0;
	}
	hv_err err = update_all(self, huge_idx, n_huge, false);
	wait_until_left(self, huge_idx, n_huge);
	pthread_mutex_unlock(&self->map_lock);
	count(&self->counters.unmapped_in_flight, n_busy);
	return err;
}

bool hv_dma_mapped(const hv_dma *self, uint64_t huge_idx)
{
	hv_dma *locked = (hv_dma *)self;
	pthread_mutex_lock(&locked->map_lock);
	bool mapped = self->slots[huge_idx].state != SLOT_UNMAPPED;
	pthread_mutex_unlock(&locked->map_lock);
	return mapped;
}

uint64_t hv_dma_mapped_huge(const hv_dma *self)
{
	uint64_t n_mapped = 0;
	for (uint64_t idx = 0; idx < self->memory.huge_count; idx++)
		n_mapped += hv_dma_mapped(self, idx);
	return n_mapped;
}

uint64_t hv_dma_window(const hv_dma *self)
{
	return self->window_huge;
}

bool hv_dma_sees(const hv_dma *self, uint64_t huge_idx)
{
	return huge_idx < self->memory.huge_count && self->slots[huge_idx].seen;
}

bool hv_dma_limited(const hv_dma *self)
{
	return self->limited;
}

const hv_dma_counters *hv_dma_count(const hv_dma *self)
{
	return &self->counters;
}

/* Transfers */

static void transfer_prepare(const hv_dma *self, struct io_uring_sqe *sqe, const hv_dma_transfer *transfer)
{
	uint8_t *start = self->memory.base + transfer->memory_offset;
	int slot = (int)(transfer->memory_offset >> HV_HUGE_SHIFT);
	if (transfer->direction == HV_DMA_WRITES_MEMORY)
		io_uring_prep_read_fixed(sqe, transfer->medium_fd, start, transfer->bytes, transfer->medium_offset,
					 slot);
	else
		io_uring_prep_write_fixed(sqe, transfer->medium_fd, start, transfer->bytes, transfer->medium_offset,
					  slot);
	if (transfer->queued)
		sqe->flags |= IOSQE_ASYNC;
	io_uring_sqe_set_data64(sqe, (uint64_t)(uintptr_t)transfer);
}

static bool transfer_fits(const hv_dma *self, const hv_dma_transfer *transfer)
{
	uint64_t in_slot = transfer->memory_offset & (HV_HUGE_BYTES - 1);
	return transfer->bytes > 0 && transfer->bytes <= HV_HUGE_BYTES - in_slot &&
	       transfer->memory_offset >> HV_HUGE_SHIFT < self->memory.huge_count;
}

/* Hand over all that is prepared; under submit_lock. */
static hv_err submit_all(hv_dma *self)
{
	while (io_uring_sq_ready(&self->ring) > 0) {
		int status = io_uring_submit(&self->ring);
		if (status == -EINTR || status == -EAGAIN || status == -EBUSY)
			continue;
		if (status < 0) {
			errno = -status;
			return HV_ERR_SYSTEM;
		}
	}
	return HV_OK;
}

hv_err hv_dma_submit(hv_dma *self, hv_dma_transfer *const *transfers, size_t n_transfers)
{
	for (size_t at = 0; at < n_transfers; at++)
		if (!transfer_fits(self, transfers[at]))
			return HV_ERR_INVAL;
	hv_err err = HV_OK;
	pthread_mutex_lock(&self->submit_lock);
	for (size_t at = 0; at < n_transfers && err == HV_OK; at++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
		if (sqe == NULL) {
			err = submit_all(self);
			sqe = io_uring_get_sqe(&self->ring);
		}
		transfer_prepare(self, sqe, transfers[at]);
		uint64_t huge_idx = transfers[at]->memory_offset >> HV_HUGE_SHIFT;
		atomic_fetch_add_explicit(&self->slots[huge_idx].n_in_flight, 1, memory_order_relaxed);
		atomic_store_explicit(&transfers[at]->state, HV_DMA_IN_FLIGHT, memory_order_release);
	}
	if (err == HV_OK)
		err = submit_all(self);
	pthread_mutex_unlock(&self->submit_lock);
	return err;
}

void hv_dma_wait(hv_dma *self, const hv_dma_transfer *transfer)
{
	if (hv_dma_transfer_state(transfer) != HV_DMA_IN_FLIGHT)
		return;
	pthread_mutex_lock(&self->done_lock);
	while (hv_dma_transfer_state(transfer) == HV_DMA_IN_FLIGHT)
		pthread_cond_wait(&self->done, &self->done_lock);
	pthread_mutex_unlock(&self->done_lock);
}

/* Start and end */

static void window_choose(hv_dma *self, uint64_t window_huge)
{
	self->window_huge = window_huge;
	for (uint64_t idx = 0; idx < self->memory.huge_count; idx++)
		self->slots[idx].seen = hv_dma_window_sees(self->memory.huge_count, window_huge, idx);
}

static hv_err map_whole(hv_dma *self, bool map)
{
	uint64_t huge_idx[RUN_MAX];
	hv_err err = HV_OK;
	for (uint64_t idx = 0; idx < self->memory.huge_count && err == HV_OK;) {
		size_t n_huge = 0;
		while (n_huge < RUN_MAX && idx < self->memory.huge_count)
			huge_idx[n_huge++] = idx++;
		err = map ? hv_dma_map(self, huge_idx, n_huge) : hv_dma_unmap(self, huge_idx, n_huge);
	}
	return err;
}

/* All of the window; when pins run out, a window of as many as there were. */
static hv_err window_map(hv_dma *self, uint64_t window_huge)
{
	uint64_t huge_count = self->memory.huge_count;
	window_choose(self, window_huge != 0 && window_huge < huge_count ? window_huge : huge_count);
	hv_err err = map_whole(self, true);
	if (err == HV_OK || errno != ENOMEM)
		return err;
	uint64_t allowed_huge = hv_dma_mapped_huge(self);
	if (map_whole(self, false) != HV_OK || allowed_huge == 0) {
		errno = ENOMEM;
		return HV_ERR_SYSTEM;
	}
	self->limited = true;
	window_choose(self, allowed_huge);
	return map_whole(self, true);
}

static hv_err ring_open(hv_dma *self)
{
	struct io_uring_params params = { .flags = IORING_SETUP_CQSIZE, .cq_entries = COMPLETE_ENTRIES };
	int status = io_uring_queue_init_params(SUBMIT_ENTRIES, &self->ring, &params);
	if (status == 0) {
		status = io_uring_register_buffers_sparse(&self->ring, (unsigned)self->memory.huge_count);
		if (status != 0)
			io_uring_queue_exit(&self->ring);
	}
	errno = -status;
	return status == 0 ? HV_OK : HV_ERR_UNAVAILABLE;
}

hv_err hv_dma_create(hv_dma **dma, const hv_memory *memory, uint64_t window_huge)
{
	*dma = NULL;
	if (memory->huge_count == 0 || memory->huge_count > HV_DMA_HUGE_MAX)
		return HV_ERR_INVAL;
	hv_dma *self = calloc(1, sizeof(*self));
	dma_slot *slots = calloc(memory->huge_count, sizeof(*slots));
	if (self == NULL || slots == NULL) {
		free(self);
		free(slots);
		return HV_ERR_SYSTEM;
	}
	self->memory = *memory;
	self->slots = slots;
	hv_err err = ring_open(self);
	if (err != HV_OK) {
		free(slots);
		free(self);
		return err;
	}
	pthread_mutex_init(&self->submit_lock, NULL);
	pthread_mutex_init(&self->map_lock, NULL);
	pthread_mutex_init(&self->done_lock, NULL);
	pthread_cond_init(&self->moved, NULL);
	pthread_cond_init(&self->done, NULL);
	self->running = pthread_create(&self->thread, NULL, device_thread, self) == 0;
	err = self->running ? window_map(self, window_huge) : HV_ERR_SYSTEM;
	if (err != HV_OK) {
		int why = errno;
		hv_dma_destroy(self);
		errno = why;
		return err;
	}
	*dma = self;
	return HV_OK;
}

static void thread_end(hv_dma *self)
{
	/* here, and not by the kernel at some time after the ring is closed */
	(void)!map_whole(self, false);
	pthread_mutex_lock(&self->submit_lock);
	struct io_uring_sqe *sqe = io_uring_get_sqe(&self->ring);
	io_uring_prep_nop(sqe);
	sqe->flags |= IOSQE_IO_DRAIN; /* after every transfer */
	io_uring_sqe_set_data64(sqe, 0);
	bool told = submit_all(self) == HV_OK;
	pthread_mutex_unlock(&self->submit_lock);
	if (told)
		pthread_join(self->thread, NULL);
	self->running = false;
}

void hv_dma_destroy(hv_dma *self)
{
	if (self == NULL)
		return;
	if (self->running)
		thread_end(self);
	io_uring_queue_exit(&self->ring);
	pthread_cond_destroy(&self->done);
	pthread_cond_destroy(&self->moved);
	pthread_mutex_destroy(&self->done_lock);
	pthread_mutex_destroy(&self->map_lock);
	pthread_mutex_destroy(&self->submit_lock);
	free(self->slots);
	free(self);
}
