/* SPDX-License-Identifier: MIT
 *
 * The host's two ways to move memory: away (device first, then the kernel) and back (memory first, then the device).
 * Every technique discards and installs huge frames through here, so a device never sees memory that the CPU does not
 * (H2). The caller owns the transition of each frame. */
#define _GNU_SOURCE
#include "host/hv_host.h"
#include "memory/bus_guard.h"

#include <fcntl.h>
#include <stdatomic.h>

static void time_count(hv_host *self, uint64_t begin_ns)
{
	atomic_fetch_add_explicit(&self->counters.memory_ns, hv_now_ns() - begin_ns, memory_order_relaxed);
}

void hv_host_set_device(hv_host *self, const hv_device *device)
{
	self->device = device;
}

/* In a signal handler. */
static void memory_shrunk(void *self)
{
	hv_host_stop_vm(self, "the guest shrank its memory file");
}

hv_err hv_host_guard(hv_host *self, void *base, uint64_t bytes, int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals >= 0 && (seals & F_SEAL_SHRINK) != 0)
		return HV_OK;
	return hv_bus_guard_add(base, (size_t)bytes, memory_shrunk, self);
}

/* What stays in the guest's hands stays mapped. */
static void device_map_again(hv_host *self, uint64_t huge_idx)
{
	if (self->device != NULL && self->device->map(self->device->context, &huge_idx, 1) != HV_OK)
		hv_host_stop_vm(self, "the device could not map memory that the guest still has");
}

hv_err hv_host_discard(hv_host *self, const uint64_t *huge_idx, size_t n_huge, bool *failed)
{
	uint64_t calls = 0, n_failed = 0, begin_ns = hv_now_ns();
	if (n_huge > HV_DISCARD_MAX)
		return HV_ERR_INVAL;
	if (self->device != NULL && self->device->unmap(self->device->context, huge_idx, n_huge) != HV_OK) {
		for (size_t pos = 0; pos < n_huge; pos++) {
			failed[pos] = true;
			device_map_again(self, huge_idx[pos]);
		}
		return HV_ERR_DISCARD;
	}
	if (self->device != NULL)
		atomic_fetch_add_explicit(&self->counters.unmapped, n_huge, memory_order_relaxed);
	hv_err err = hv_discard(&self->discarder, &self->memory, huge_idx, n_huge, failed, &calls);
	time_count(self, begin_ns);
	atomic_fetch_add_explicit(&self->counters.discard_calls, calls, memory_order_relaxed);
	for (size_t pos = 0; err == HV_ERR_DISCARD && pos < n_huge; pos++) {
		if (failed[pos])
			device_map_again(self, huge_idx[pos]);
		n_failed += failed[pos];
	}
	atomic_fetch_add_explicit(&self->counters.discarded, n_huge - n_failed, memory_order_relaxed);
	return err;
}

static hv_err discard_huge(hv_host *self, uint64_t first_huge, uint64_t n_huge)
{
	uint64_t huge_idx[HV_DISCARD_MAX];
	bool failed[HV_DISCARD_MAX];
	hv_err err = HV_OK;
	while (n_huge > 0 && err == HV_OK) {
		size_t n_now = n_huge < HV_DISCARD_MAX ? (size_t)n_huge : HV_DISCARD_MAX;
		for (size_t pos = 0; pos < n_now; pos++)
			huge_idx[pos] = first_huge + pos;
		err = hv_host_discard(self, huge_idx, n_now, failed);
		first_huge += n_now;
		n_huge -= n_now;
	}
	return err;
}

hv_err hv_host_discard_range(hv_host *self, uint64_t first_frame, uint64_t n_frames)
{
	if (first_frame % HV_HUGE_FRAMES == 0 && n_frames % HV_HUGE_FRAMES == 0)
		return discard_huge(self, first_frame / HV_HUGE_FRAMES, n_frames / HV_HUGE_FRAMES);
	uint64_t calls = 0, begin_ns = hv_now_ns();
	hv_err err = hv_discard_frames(&self->memory, first_frame, n_frames, &calls);
	time_count(self, begin_ns);
	atomic_fetch_add_explicit(&self->counters.discard_calls, calls, memory_order_relaxed);
	return err;
}

hv_err hv_host_populate(hv_host *self, uint64_t huge_idx)
{
	uint64_t begin_ns = hv_now_ns();
	hv_err err = hv_populate(hv_memory_huge(&self->memory, huge_idx), HV_HUGE_BYTES);
	if (err == HV_OK && self->device != NULL) {
		err = self->device->map(self->device->context, &huge_idx, 1);
		atomic_fetch_add_explicit(&self->counters.mapped, 1, memory_order_relaxed);
	}
	time_count(self, begin_ns);
	if (err == HV_OK)
		return HV_OK;
	bool failed; /* part of it may be there */
	if (hv_host_discard(self, &huge_idx, 1, &failed) != HV_OK)
		hv_host_stop_vm(self, "the kernel neither gave nor took a huge frame");
	return err;
}
