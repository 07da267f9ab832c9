/* SPDX-License-Identifier: MIT
 *
 * The reporting driver; see report_driver.h. An element has no payload: its segments are the blocks themselves. */
#include "guest/report_driver.h"

#include <stdatomic.h>

typedef struct report_worker {
	hv_driver *driver;
	unsigned min_order, max_order;
	_Atomic bool freed; /**< memory became free since the last pass began */
	hv_run blocks[HV_RING_SEGMENTS_MAX];
	hv_ring_segment segments[HV_RING_SEGMENTS_MAX];
	unsigned n_blocks, n_segments;
} report_worker;

/* Called by any vCPU, with the zone locked. */
static void on_freed(void *context)
{
	report_worker *self = context;
	if (!atomic_load_explicit(&self->freed, memory_order_relaxed) &&
	    !atomic_exchange_explicit(&self->freed, true, memory_order_acq_rel))
		hv_driver_wake(self->driver);
}

/* Isolate blocks until the batch is full, or no free block is left behind the cursor. */
static void batch_fill(report_worker *self, uint64_t *cursor)
{
	hv_vm *vm = self->driver->vm;
	const hv_guest_allocator *allocator = vm->config.allocator;
	hv_run block;
	self->n_blocks = self->n_segments = 0;
	for (;;) {
		uint64_t begin = *cursor;
		if (!allocator->next_unreported(vm, self->min_order, cursor, &block.frame, &block.order))
			return;
		unsigned piece_order = block.order < self->max_order ? block.order : self->max_order;
		unsigned n_pieces = 1u << (block.order - piece_order);
		if (self->n_segments > 0 && self->n_segments + n_pieces > vm->config.tuning.report_batch) {
			*cursor = begin;
			return;
		}
		if (!allocator->get_at(vm, block.order, block.frame))
			continue; /* somebody was faster */
		atomic_fetch_add_explicit(&vm->kernel_frames, UINT64_C(1) << block.order, memory_order_relaxed);
		self->blocks[self->n_blocks++] = block;
		for (unsigned at = 0; at < n_pieces; at++)
			self->segments[self->n_segments++] =
				(hv_ring_segment){ (block.frame + ((uint64_t)at << piece_order)) * HV_FRAME_BYTES,
						   (uint32_t)HV_FRAME_BYTES << piece_order };
	}
}

static void batch_put_back(report_worker *self)
{
	hv_vm *vm = self->driver->vm;
	for (unsigned at = 0; at < self->n_blocks; at++) {
		hv_run block = self->blocks[at];
		atomic_fetch_sub_explicit(&vm->kernel_frames, UINT64_C(1) << block.order, memory_order_relaxed);
		vm->config.allocator->put_reported(vm, block.order, block.frame);
	}
}

/* A pass has an odd number while it runs. */
static void pass_number_next(hv_driver *driver)
{
	atomic_fetch_add_explicit(&driver->channel->registers->pass_number, 1, memory_order_release);
	hv_bell_ring(driver->channel->changed_by_guest);
}

/* @return false: the driver is to end */
static bool pass(report_worker *self)
{
	uint64_t cursor = 0;
	pass_number_next(self->driver);
	for (;;) {
		batch_fill(self, &cursor);
		if (self->n_segments == 0)
			break;
		if (!hv_driver_request(self->driver, 0, self->segments, 0, self->n_segments))
			return false;
		batch_put_back(self);
	}
	pass_number_next(self->driver);
	return true;
}

void hv_report_drive(hv_driver *driver, unsigned min_order, unsigned max_order)
{
	hv_vm *vm = driver->vm;
	const hv_guest_allocator *allocator = vm->config.allocator;
	const _Atomic uint32_t *wanted = &driver->channel->registers->reporting;
	report_worker self = { .driver = driver, .min_order = min_order, .max_order = max_order };
	bool more = true;
	atomic_init(&self.freed, true); /* all memory is free at boot */
	if (allocator->on_freed != NULL)
		allocator->on_freed(vm, min_order, on_freed, &self);
	while (more) {
		if (!atomic_load_explicit(wanted, memory_order_acquire) || !atomic_load(&self.freed)) {
			more = hv_driver_wait(driver);
			continue;
		}
		more = hv_driver_sleep(driver, vm->config.tuning.report_delay_ns);
		if (!more || !atomic_load_explicit(wanted, memory_order_acquire))
			continue;
		/* an allocator that can't tell is always looked at */
		atomic_store(&self.freed, allocator->on_freed == NULL);
		more = pass(&self);
	}
	if (allocator->on_freed != NULL)
		allocator->on_freed(vm, 0, NULL, NULL);
}
