/* SPDX-License-Identifier: MIT
 *
 * Drivers; see driver.h. */
#define _GNU_SOURCE
#include "guest/driver.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define REST_MAX_NS  UINT64_C(10000000000)
#define REST_POLL_NS UINT64_C(100000)

static hv_ring_memory ring_memory(const hv_vm *vm)
{
	return (hv_ring_memory){ vm->memory.base, vm->memory.huge_count << HV_HUGE_SHIFT };
}

/* One fixed frame for each ring, one for the buffer; then tell the host where they are. */
static hv_err rings_create(hv_driver *self)
{
	uint64_t frame;
	hv_channel_registers *registers = self->channel->registers;
	_Static_assert(HV_CHANNEL_RING_SIZE * (16 + 2 + 8) + 16 <= HV_FRAME_BYTES, "a ring fits into a frame");
	for (unsigned idx = 0; idx < self->n_rings; idx++) {
		hv_err err = hv_vm_get_fixed(self->vm, 0, &frame);
		if (err != HV_OK)
			return err;
		hv_ring_place place = { frame * HV_FRAME_BYTES, HV_CHANNEL_RING_SIZE };
		err = hv_ring_guest_open(&self->rings[idx], ring_memory(self->vm), place);
		if (err != HV_OK)
			return err;
		atomic_store_explicit(&registers->rings[idx].address, place.address, memory_order_relaxed);
		atomic_store_explicit(&registers->rings[idx].size, place.size, memory_order_relaxed);
	}
	hv_err err = hv_vm_get_fixed(self->vm, 0, &frame);
	if (err != HV_OK)
		return err;
	self->buffer_address = frame * HV_FRAME_BYTES;
	atomic_store_explicit(&registers->ready, 1, memory_order_release);
	hv_bell_ring(self->channel->changed_by_guest);
	return HV_OK;
}

static size_t frames_bytes(const hv_vm *vm)
{
	return vm->memory.huge_count * HV_HUGE_FRAMES * sizeof(uint64_t);
}

static void *driver_thread(void *context)
{
	hv_driver *self = context;
	self->run(self);
	return NULL;
}

hv_err hv_driver_create(hv_vm *vm, hv_channel *channel, unsigned n_rings, void (*run)(hv_driver *driver))
{
	hv_driver *self = calloc(1, sizeof(*self));
	if (self == NULL)
		return HV_ERR_SYSTEM;
	*self = (hv_driver){ .vm = vm, .channel = channel, .n_rings = n_rings, .run = run };
	self->stop_bell = hv_bell_create();
	self->wake_bell = hv_bell_create();
	void *frames = mmap(NULL, frames_bytes(vm), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);
	self->frames = frames != MAP_FAILED ? frames : NULL;
	bool bells = self->stop_bell >= 0 && self->wake_bell >= 0;
	hv_err err = bells && self->frames != NULL ? rings_create(self) : HV_ERR_SYSTEM;
	if (err == HV_OK && pthread_create(&self->thread, NULL, driver_thread, self) != 0)
		err = HV_ERR_SYSTEM;
	if (err != HV_OK) {
		hv_driver_destroy(self);
		return err;
	}
	self->running = true;
	vm->driver = self;
	return HV_OK;
}

void hv_driver_stop(hv_driver *self)
{
	if (!self->running)
		return;
	hv_bell_ring(self->stop_bell);
	pthread_join(self->thread, NULL);
	self->running = false;
}

bool hv_driver_rest(hv_driver *self)
{
	uint64_t until_ns = hv_now_ns() + REST_MAX_NS;
	while (self->running) {
		/* not a load: waits_end() of a driver that wakes later reads from it, and sees what the host took back
		 */
		bool waits = true;
		if (atomic_compare_exchange_strong_explicit(&self->waits, &waits, true, memory_order_acq_rel,
							    memory_order_acquire))
			return true;
		if (hv_now_ns() > until_ns)
			return false;
		hv_sleep_ns(REST_POLL_NS);
	}
	return true;
}

void hv_driver_destroy(hv_driver *self)
{
	if (self == NULL)
		return;
	hv_driver_stop(self);
	if (self->stop_bell >= 0)
		close(self->stop_bell);
	if (self->wake_bell >= 0)
		close(self->wake_bell);
	if (self->frames != NULL)
		munmap(self->frames, frames_bytes(self->vm));
	free(self);
}

bool hv_driver_request(hv_driver *self, unsigned ring_idx, const hv_ring_segment *segments, unsigned n_read,
		       unsigned n_write)
{
	uint32_t written_bytes;
	if (!hv_ring_guest_add(&self->rings[ring_idx], segments, n_read, n_write))
		return false;
	hv_bell_ring(self->channel->to_host[ring_idx]);
	while (!hv_ring_guest_used(&self->rings[ring_idx], &written_bytes))
		if (!hv_ear_wait(self->channel->from_host[ring_idx], -1, self->stop_bell, HV_EAR_FOREVER))
			return false;
	return true;
}

static void waits_begin(hv_driver *self)
{
	atomic_store_explicit(&self->waits, true, memory_order_release);
}

static void waits_end(hv_driver *self)
{
	(void)atomic_exchange_explicit(&self->waits, false, memory_order_acq_rel);
}

bool hv_driver_wait(hv_driver *self)
{
	waits_begin(self);
	bool changed = hv_ear_wait(self->channel->changes_from_host, self->wake_bell, self->stop_bell, HV_EAR_FOREVER);
	waits_end(self);
	return changed;
}

void hv_driver_wake(hv_driver *self)
{
	hv_bell_ring(self->wake_bell);
}

bool hv_driver_sleep(hv_driver *self, uint64_t ns)
{
	uint64_t until_ns = hv_now_ns() + ns;
	waits_begin(self);
	/* nothing but a stop ends a sleep early */
	bool stopped = hv_bell_wait(self->stop_bell, self->stop_bell, ns);
	waits_end(self);
	return !stopped && hv_now_ns() >= until_ns;
}

bool hv_driver_target(const hv_driver *self, uint64_t *bytes, uint32_t *number)
{
	const hv_channel_registers *registers = self->channel->registers;
	*number = atomic_load_explicit(&registers->target_number, memory_order_acquire);
	*bytes = atomic_load_explicit(&registers->target_bytes, memory_order_relaxed);
	return *number != atomic_load_explicit(&registers->settled_number, memory_order_relaxed);
}

void hv_driver_settle(hv_driver *self, uint32_t number)
{
	atomic_store_explicit(&self->channel->registers->settled_number, number, memory_order_release);
	hv_bell_ring(self->channel->changed_by_guest);
}

uint32_t *hv_driver_buffer(const hv_driver *self)
{
	return (uint32_t *)(void *)(self->vm->memory.base + self->buffer_address);
}

bool hv_driver_get(hv_driver *self, unsigned order, uint64_t *frame)
{
	hv_vm *vm = self->vm;
	if (vm->config.allocator->get(&vm->kernel, order, frame) != LLFREE_OK)
		return false;
	atomic_fetch_add_explicit(&vm->kernel_frames, UINT64_C(1) << order, memory_order_relaxed);
	return true;
}

void hv_driver_put(hv_driver *self, unsigned order, uint64_t frame)
{
	hv_vm *vm = self->vm;
	if (vm->config.allocator->put(&vm->kernel, order, frame) != LLFREE_OK)
		atomic_fetch_add_explicit(&vm->kernel.frees_refused, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&vm->kernel_frames, UINT64_C(1) << order, memory_order_relaxed);
}
