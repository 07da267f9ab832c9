/* SPDX-License-Identifier: MIT
 *
 * The guest of a rig, in this process or in one of its own; see hv_rig.h. Here the two meet: a call on the VM, or a
 * request on its control socket. What comes from the other process is mapped by descriptor and checked first. */
#define _GNU_SOURCE
#include "rig/hv_rig.h"
#include "memory/bus_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

static bool apart(const hv_rig *self)
{
	return self->config.isolation == HV_ISOLATION_PROCESS;
}

/* Memory, region and ports of the other process, each of the size that was asked for. */
static hv_err parts_map(hv_rig *self)
{
	const hv_vm_config *config = &self->config.vm;
	const int *fds = self->guest.fds;
	int seals = fcntl(fds[HV_GUEST_FD_MEMORY], F_GET_SEALS);
	if (config->backing->kind == LLFREE_BACKING_MEMFD && (seals < 0 || (seals & F_SEAL_SHRINK) == 0))
		return HV_ERR_GUEST;
	llfree_err err = llfree_arena_attach(&self->host_arena, fds[HV_GUEST_FD_REGION], fds[HV_GUEST_FD_MEMORY]);
	if (err != LLFREE_OK)
		return err == LLFREE_ERR_SYSTEM ? HV_ERR_SYSTEM : HV_ERR_LIBRARY;
	self->host_attached = true;
	if (self->host_arena.memory_bytes != config->memory_bytes)
		return HV_ERR_GUEST;
	self->memory = (hv_memory){ .base = self->host_arena.memory,
				    .huge_count = config->memory_bytes >> HV_HUGE_SHIFT,
				    .fd = self->host_arena.memory_fd,
				    .backing = config->backing };
	hv_err guard_err = hv_host_guard(&self->host, self->memory.base, config->memory_bytes, self->memory.fd);
	if (guard_err != HV_OK)
		return guard_err;
	hv_err ports_err = hv_ports_map(&self->ports, fds[HV_GUEST_FD_PORTS], config->n_vcpus);
	self->ports_mapped = ports_err == HV_OK;
	return ports_err;
}

hv_err hv_rig_guest_create(hv_rig *self)
{
	const hv_technique *technique = self->config.technique;
	const hv_channel *channel = technique->guest->drive != NULL ? &self->channel : NULL;
	if (!apart(self)) {
		hv_err err = hv_vm_create(&self->vm, &self->config.vm);
		self->vm_up = err == HV_OK;
		self->memory = self->vm.memory;
		self->ports = self->vm.ports;
		return err;
	}
	if (!self->config.vm.backing->shared)
		return HV_ERR_INVAL;
	hv_err err = hv_guest_process_create(&self->guest, &self->config.vm, technique, channel,
					     self->config.guest_patience_ns);
	return err == HV_OK ? parts_map(self) : err;
}

hv_err hv_rig_guest_start(hv_rig *self)
{
	if (apart(self))
		return hv_guest_process_start(&self->guest, &self->host, &self->device.queue_files,
					      self->device.dma != NULL ? hv_dma_window(self->device.dma) : 0);
	hv_err err = hv_guest_half_attach(self->config.technique->guest, &self->vm, &self->channel);
	return err == HV_OK ? hv_vm_start(&self->vm) : err;
}

void hv_rig_guest_stop(hv_rig *self)
{
	if (apart(self))
		hv_guest_process_destroy(&self->guest);
	else if (self->vm_up)
		hv_vm_stop(&self->vm);
}

void hv_rig_guest_destroy(hv_rig *self)
{
	if (self->ports_mapped)
		hv_ports_destroy(self->ports, self->config.vm.n_vcpus);
	if (self->vm_up)
		hv_vm_destroy(&self->vm);
	hv_bus_guard_remove(self->memory.base);
	self->vm_up = self->ports_mapped = false;
}

hv_err hv_rig_begin(hv_rig *self, hv_job job, uint64_t fill_max_frames)
{
	if (apart(self))
		return hv_guest_process_begin(&self->guest, job, fill_max_frames);
	hv_vm_begin(&self->vm, job, fill_max_frames);
	return HV_OK;
}

hv_err hv_rig_wait(hv_rig *self)
{
	if (apart(self))
		return hv_guest_process_wait(&self->guest);
	hv_vm_wait(&self->vm);
	return HV_OK;
}

hv_err hv_rig_do(hv_rig *self, hv_job job, uint64_t fill_max_frames)
{
	hv_err err = hv_rig_begin(self, job, fill_max_frames);
	return err == HV_OK ? hv_rig_wait(self) : err;
}

hv_err hv_rig_fill_all(hv_rig *self)
{
	return hv_rig_do(self, HV_JOB_FILL, UINT64_MAX);
}

hv_err hv_rig_fill_base(hv_rig *self, uint64_t base_bytes)
{
	if (!apart(self)) {
		hv_vm_fill_base(&self->vm, base_bytes);
		return HV_OK;
	}
	hv_err err = hv_rig_do(self, HV_JOB_FILL, base_bytes / HV_FRAME_BYTES / self->config.vm.n_vcpus);
	return err == HV_OK ? hv_guest_process_keep_base(&self->guest) : err;
}

hv_err hv_rig_result(hv_rig *self, hv_vm_outcome *outcome)
{
	if (apart(self))
		return hv_guest_process_result(&self->guest, outcome, NULL);
	*outcome = hv_vm_result(&self->vm);
	return HV_OK;
}

hv_err hv_rig_dma_result(hv_rig *self, hv_dma_outcome *outcome)
{
	if (apart(self))
		return hv_guest_process_result(&self->guest, NULL, outcome);
	*outcome = hv_dma_driver_result(self->device.driver);
	return HV_OK;
}

bool hv_rig_audit(hv_rig *self, char *detail, size_t detail_bytes)
{
	/* what a host has taken out of a shared state is held by nobody in the guest */
	bool strict = !self->config.vm.allocator->shared_state, sound;
	if (!apart(self))
		return hv_vm_audit(&self->vm, strict, detail, detail_bytes);
	hv_err err = hv_guest_process_audit(&self->guest, strict, &sound, detail, detail_bytes);
	if (err != HV_OK)
		snprintf(detail, detail_bytes, "the audit: %s", hv_err_text(err));
	return sound;
}
