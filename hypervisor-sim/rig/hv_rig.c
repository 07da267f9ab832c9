/* SPDX-License-Identifier: MIT
 *
 * A rig; see hv_rig.h. The proof compares two looks of the oracle with two looks at R, so neither the technique's own
 * count nor the guest's words are believed. */
#include "rig/hv_rig.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hv_err host_open(hv_rig *self)
{
	hv_host_config config = { .view = self->vm.arena.allocator,
				  .memory = self->vm.memory,
				  .discard = self->config.discard,
				  .batch_huge = self->config.batch_huge };
	if (!self->config.one_mapping) {
		llfree_err err = llfree_arena_attach(&self->host_arena, self->vm.arena.region_fd, -1);
		if (err != LLFREE_OK)
			return err == LLFREE_ERR_SYSTEM ? HV_ERR_SYSTEM : HV_ERR_LIBRARY;
		self->host_attached = true;
		config.view = self->host_arena.allocator;
	}
	return hv_host_open(&self->host, &config);
}

static hv_err oracle_open(hv_rig *self)
{
	uint64_t huge_count = self->vm.memory.huge_count;
	hv_err err = hv_residency_open(&self->residency, &self->vm.memory, self->config.oracle_fallback);
	if (err == HV_OK)
		err = hv_residency_map_create(&self->before, huge_count);
	if (err == HV_OK)
		err = hv_residency_map_create(&self->after, huge_count);
	self->r_before = calloc(huge_count, 1);
	return err == HV_OK && self->r_before == NULL ? HV_ERR_SYSTEM : err;
}

static hv_err guest_attach(hv_rig *self)
{
	for (uint32_t idx = 0; idx < self->config.vm.n_vcpus; idx++) {
		hv_err err = self->config.technique->guest->attach(&self->vm.vcpus[idx]);
		if (err != HV_OK)
			return err;
	}
	return hv_vm_start(&self->vm);
}

hv_err hv_rig_create(hv_rig *self, const hv_rig_config *config, const char **failed_step)
{
	memset(self, 0, sizeof(*self));
	self->config = *config;
	self->residency.pagemap_fd = -1;
	self->host.discarder.pidfd_owned = false;
	*failed_step = "memory and allocator of the VM";
	hv_err err = hv_vm_create(&self->vm, &config->vm);
	if (err != HV_OK)
		return err;
	*failed_step = "the host's view of the VM";
	err = host_open(self);
	if (err == HV_OK) {
		*failed_step = "the residency oracle";
		err = oracle_open(self);
	}
	if (err == HV_OK) {
		*failed_step = "the threads of the host";
		err = hv_install_service_start(&self->service, &self->host, self->vm.ports, config->vm.n_vcpus);
	}
	if (err == HV_OK)
		err = hv_monitor_start(&self->monitor, &self->host, config->technique, config->policy,
				       config->period_ns);
	if (err == HV_OK) {
		*failed_step = "the vCPUs";
		err = guest_attach(self);
	}
	if (err != HV_OK)
		hv_rig_destroy(self);
	return err;
}

void hv_rig_destroy(hv_rig *self)
{
	/* the service outlives the guest's last get, and the monitor its last command */
	hv_monitor_stop(&self->monitor);
	hv_vm_stop(&self->vm);
	hv_install_service_stop(&self->service);
	hv_host_close(&self->host);
	if (self->host_attached)
		llfree_arena_destroy(&self->host_arena);
	hv_residency_map_destroy(&self->before);
	hv_residency_map_destroy(&self->after);
	hv_residency_close(&self->residency);
	free(self->r_before);
	hv_vm_destroy(&self->vm);
}

static void proof_compare(hv_rig *self, hv_proof *proof)
{
	for (uint64_t idx = 0; idx < self->host.frames.huge_count; idx++) {
		hv_r then = (hv_r)self->r_before[idx], now = hv_frames_state(&self->host.frames, idx);
		uint64_t before_bytes = (uint64_t)self->before.resident_frames[idx] * HV_FRAME_BYTES;
		uint64_t after_bytes = (uint64_t)self->after.resident_frames[idx] * HV_FRAME_BYTES;
		bool evicted = now == HV_R_SOFT || now == HV_R_HARD;
		if (evicted && now != then) {
			proof->bytes_moved += HV_HUGE_BYTES;
			proof->bytes_resident += before_bytes;
			proof->still_resident += after_bytes != 0;
		}
		if (before_bytes > after_bytes)
			proof->bytes_freed += before_bytes - after_bytes;
		proof->evicted_resident += evicted && after_bytes != 0;
	}
}

hv_proof hv_rig_take(hv_rig *self, uint64_t limit_bytes)
{
	hv_proof proof = { .look_err = HV_OK };
	for (uint64_t idx = 0; idx < self->host.frames.huge_count; idx++)
		self->r_before[idx] = (uint8_t)hv_frames_state(&self->host.frames, idx);
	proof.look_err = hv_residency_look(&self->residency, &self->vm.memory, &self->before);
	proof.move = self->config.technique->automatic ? hv_monitor_next_pass(&self->monitor)
						       : hv_monitor_do(&self->monitor, HV_COMMAND_SHRINK, limit_bytes);
	hv_err err = hv_residency_look(&self->residency, &self->vm.memory, &self->after);
	if (proof.look_err == HV_OK)
		proof.look_err = err;
	if (proof.look_err == HV_OK)
		proof_compare(self, &proof);
	return proof;
}

bool hv_proof_holds(const hv_proof *proof, bool touched, char *detail, size_t detail_bytes)
{
	uint64_t told_bytes = proof->move.huge << HV_HUGE_SHIFT;
	if (proof->move.err != HV_OK)
		snprintf(detail, detail_bytes, "reclaim: %s", hv_err_text(proof->move.err));
	else if (proof->look_err != HV_OK)
		snprintf(detail, detail_bytes, "the residency oracle failed");
	else if (proof->bytes_moved != told_bytes)
		snprintf(detail, detail_bytes, "the technique tells of %" PRIu64 " bytes, R of %" PRIu64, told_bytes,
			 proof->bytes_moved);
	else if (proof->still_resident != 0 || proof->evicted_resident != 0)
		snprintf(detail, detail_bytes, "%" PRIu64 " reclaimed and %" PRIu64 " evicted huge frames are resident",
			 proof->still_resident, proof->evicted_resident);
	else if (proof->bytes_freed != proof->bytes_resident)
		snprintf(detail, detail_bytes, "%" PRIu64 " bytes were resident, %" PRIu64 " went",
			 proof->bytes_resident, proof->bytes_freed);
	else if (touched && proof->bytes_freed != proof->bytes_moved)
		snprintf(detail, detail_bytes, "%" PRIu64 " touched bytes moved, %" PRIu64 " went", proof->bytes_moved,
			 proof->bytes_freed);
	else
		return true;
	return false;
}

bool hv_rig_sound(hv_rig *self, char *detail, size_t detail_bytes)
{
	hv_vm_outcome outcome = hv_vm_result(&self->vm);
	const char *fault = hv_host_fault(&self->host);
	if (fault != NULL)
		snprintf(detail, detail_bytes, "the VM was stopped: %s", fault);
	else if (outcome.mismatches != 0 || outcome.frees_refused != 0 || outcome.installs_failed != 0)
		snprintf(detail, detail_bytes,
			 "%" PRIu64 " frames lost what was written, %" PRIu64 " frees refused, %" PRIu64
			 " installs failed",
			 outcome.mismatches, outcome.frees_refused, outcome.installs_failed);
	else /* what a host has taken out of a shared state is held by nobody in the guest */
		return hv_vm_audit(&self->vm, !self->config.vm.allocator->shared_state, detail, detail_bytes);
	return false;
}
