/* SPDX-License-Identifier: MIT
 *
 * A rig; see hv_rig.h. The proof compares two looks of the oracle with two looks at R, so neither the technique's own
 * count nor the guest's words are believed. */
#include "rig/hv_rig.h"
#include "live/live.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static hv_err host_open(hv_rig *self)
{
	hv_host_config config = { .memory = self->memory,
				  .discard = self->config.technique->guest->drive != NULL ? HV_DISCARD_COALESCED
											  : self->config.discard,
				  .batch_huge = self->config.batch_huge };
	/* a thread sanitizer follows addresses: it does not see a hand-over through another mapping of the same words
	 */
	if (!self->host_attached && !self->config.one_mapping && !HV_THREAD_SANITIZER) {
		llfree_err err = llfree_arena_attach(&self->host_arena, self->vm.arena.region_fd, -1);
		if (err != LLFREE_OK)
			return err == LLFREE_ERR_SYSTEM ? HV_ERR_SYSTEM : HV_ERR_LIBRARY;
		self->host_attached = true;
	}
	config.view = self->host_attached ? self->host_arena.allocator : self->vm.arena.allocator;
	hv_err err = hv_host_open(&self->host, &config);
	self->host.name = self->config.vm.name;
	return err;
}

static hv_err oracle_open(hv_rig *self)
{
	uint64_t huge_count = self->memory.huge_count;
	hv_err err = hv_residency_open(&self->residency, &self->memory, self->config.oracle_fallback);
	self->residency.mapper_pid = self->guest.pid;
	if (err == HV_OK)
		err = hv_residency_map_create(&self->before, huge_count);
	if (err == HV_OK)
		err = hv_residency_map_create(&self->after, huge_count);
	self->r_before = calloc(huge_count, 1);
	self->out_before = calloc(huge_count * HV_LEDGER_HUGE_WORDS, sizeof(*self->out_before));
	return err == HV_OK && (self->r_before == NULL || self->out_before == NULL) ? HV_ERR_SYSTEM : err;
}

static hv_err host_threads_start(hv_rig *self)
{
	const hv_rig_config *config = &self->config;
	const hv_technique *technique = config->technique;
	hv_err err = hv_install_service_start(&self->service, &self->host, self->ports, config->vm.n_vcpus);
	if (err == HV_OK && technique->guest->drive != NULL) {
		err = hv_channel_service_start(&self->channel_service, &self->host, &self->channel,
					       technique->guest->n_rings, technique->host->element);
		self->channel_service.block_bytes = config->vm.tuning.block_bytes;
		self->channel_service.begin_timeout_ns = config->vm.tuning.report_delay_ns + UINT64_C(1000000000);
	}
	if (err == HV_OK)
		err = hv_monitor_start(&self->monitor, &self->host, technique, config->policy, config->period_ns,
				       config->policy_setup);
	return err;
}

static hv_err device_open(hv_rig *self)
{
	if (!self->config.dma)
		return HV_OK;
	self->pinned_before = hv_pinned_bytes();
	hv_err err = hv_rig_device_open(&self->device, &self->memory, &self->host, self->config.technique->dma_safe,
					self->config.dma_window_huge);
	if (err != HV_OK)
		return err;
	return self->config.isolation == HV_ISOLATION_PROCESS
		       ? hv_rig_device_serve(&self->device, &self->host, self->config.vm.n_vcpus)
		       : hv_rig_device_drive(&self->device, &self->vm);
}

static hv_err channel_create(hv_rig *self)
{
	return self->config.technique->guest->drive != NULL ? hv_channel_create(&self->channel) : HV_OK;
}

hv_err hv_rig_create(hv_rig *self, const hv_rig_config *config, const char **failed_step)
{
	static const struct {
		const char *name;
		hv_err (*make)(hv_rig *self);
	} steps[] = {
		{ "the channel", channel_create },          { "memory and allocator of the VM", hv_rig_guest_create },
		{ "the host's view of the VM", host_open }, { "the DMA device", device_open },
		{ "the residency oracle", oracle_open },    { "the threads of the host", host_threads_start },
		{ "the vCPUs", hv_rig_guest_start },
	};
	memset(self, 0, sizeof(*self));
	self->config = *config;
	self->residency.pagemap_fd = -1;
	self->config.vm.tuning.reports = config->technique->guest->reports;
	hv_tuning_defaults(&self->config.vm.tuning);
	*failed_step = "an allocator that the technique can work on";
	if (config->technique->shared_state && !config->vm.allocator->shared_state)
		return HV_ERR_INVAL;
	for (size_t at = 0; at < sizeof(steps) / sizeof(steps[0]); at++) {
		*failed_step = steps[at].name;
		hv_err err = steps[at].make(self);
		if (err != HV_OK) {
			int why = errno;
			hv_rig_destroy(self);
			errno = why;
			return err;
		}
	}
	hv_live_vm_add(&self->monitor, &self->residency);
	return HV_OK;
}

void hv_rig_destroy(hv_rig *self)
{
	hv_live_vm_remove(&self->monitor);
	/* the service outlives the guest's last get, and the monitor its last command */
	hv_channel_service_leave(&self->channel_service);
	hv_monitor_stop(&self->monitor);
	hv_rig_guest_stop(self);
	hv_install_service_stop(&self->service);
	hv_channel_service_stop(&self->channel_service);
	bool pinned = self->device.dma != NULL;
	hv_rig_device_close(&self->device);
	if (pinned)
		(void)!hv_pinned_becomes(self->pinned_before); /* or the next rig would take these pins for its own */
	hv_host_close(&self->host);
	hv_residency_map_destroy(&self->before);
	hv_residency_map_destroy(&self->after);
	hv_residency_close(&self->residency);
	free(self->r_before);
	free(self->out_before);
	hv_rig_guest_destroy(self);
	if (self->host_attached)
		llfree_arena_destroy(&self->host_arena);
	self->host_attached = false;
	hv_channel_destroy(&self->channel);
}

static uint64_t out_word(const hv_rig *self, uint64_t word_idx)
{
	const hv_channel_service *channel = self->host.channel;
	return channel != NULL ? hv_ledger_word(&channel->ledger, word_idx) : 0;
}

static void record_look(hv_rig *self)
{
	uint64_t huge_count = self->host.frames.huge_count;
	for (uint64_t idx = 0; idx < huge_count; idx++)
		self->r_before[idx] = (uint8_t)hv_frames_state(&self->host.frames, idx);
	/* what was reported before is the guest's: a pass begins with nothing out */
	for (uint64_t idx = 0; idx < huge_count * HV_LEDGER_HUGE_WORDS; idx++)
		self->out_before[idx] = self->config.technique->automatic ? 0 : out_word(self, idx);
}

/* A balloon of 4 KiB frames leaves neighbours with the guest: when one is touched, the kernel may fault in a huge page
 * and with it frames that the balloon holds. That is a property of the technique, told by its bytes. */
static bool neighbours_bring_back(const hv_rig *self)
{
	return self->config.technique->grain_bytes < HV_HUGE_BYTES && !self->memory.backing->small_frames;
}

static void proof_compare(hv_rig *self, hv_proof *proof)
{
	bool back = neighbours_bring_back(self);
	for (uint64_t idx = 0; idx < self->host.frames.huge_count; idx++) {
		hv_r then = (hv_r)self->r_before[idx], now = hv_frames_state(&self->host.frames, idx);
		bool evicted = now == HV_R_SOFT || now == HV_R_HARD, still = false;
		for (unsigned word = 0; word < HV_LEDGER_HUGE_WORDS; word++) {
			uint64_t at = idx * HV_LEDGER_HUGE_WORDS + word;
			uint64_t before = self->before.frame_words[at], after = self->after.frame_words[at];
			uint64_t moved = out_word(self, at) & ~self->out_before[at];
			if (evicted && now != then)
				moved = UINT64_MAX;
			proof->bytes_moved += (uint64_t)__builtin_popcountll(moved) * HV_FRAME_BYTES;
			proof->bytes_resident += (uint64_t)__builtin_popcountll(moved & before) * HV_FRAME_BYTES;
			proof->bytes_freed += (uint64_t)__builtin_popcountll(before & ~after) * HV_FRAME_BYTES;
			proof->bytes_grown += (uint64_t)__builtin_popcountll(after & ~before) * HV_FRAME_BYTES;
			if (back) {
				proof->bytes_back += (uint64_t)__builtin_popcountll(moved & after) * HV_FRAME_BYTES;
				proof->bytes_back_again +=
					(uint64_t)__builtin_popcountll(moved & before & after) * HV_FRAME_BYTES;
			}
			still = still || (moved & after) != 0;
		}
		proof->still_resident += still && !back;
		proof->evicted_resident += evicted && self->after.resident_frames[idx] != 0;
	}
}

uint64_t hv_rig_out_bytes(const hv_rig *self)
{
	const hv_frames *frames = &self->host.frames;
	uint64_t by_r = (hv_frames_count(frames, HV_R_HARD) + hv_frames_count(frames, HV_R_SOFT)) << HV_HUGE_SHIFT;
	bool ledger = self->host.channel != NULL && !self->config.technique->automatic;
	return by_r + (ledger ? hv_ledger_out_bytes(&self->host.channel->ledger) : 0);
}

hv_traffic hv_rig_traffic(const hv_rig *self)
{
	hv_traffic traffic = hv_traffic_of(&self->host);
	const hv_driver *driver = self->vm_up ? self->vm.driver : NULL;
	traffic.has_guest = self->vm_up;
	if (driver != NULL && driver->running)
		traffic.guest_ns = hv_thread_cpu_ns(driver->thread);
	return traffic;
}

hv_proof hv_rig_take(hv_rig *self, uint64_t limit_bytes)
{
	hv_proof proof = { .look_err = HV_OK };
	record_look(self);
	proof.look_err = hv_residency_look(&self->residency, &self->memory, &self->before);
	proof.move = self->config.technique->automatic ? hv_monitor_next_pass(&self->monitor)
						       : hv_monitor_do(&self->monitor, HV_COMMAND_SHRINK, limit_bytes);
	hv_err err = hv_residency_look(&self->residency, &self->memory, &self->after);
	if (proof.look_err == HV_OK)
		proof.look_err = err;
	if (proof.look_err == HV_OK)
		proof_compare(self, &proof);
	proof.file = self->memory.backing->shared;
	if (self->before.file_bytes > self->after.file_bytes)
		proof.file_freed = self->before.file_bytes - self->after.file_bytes;
	return proof;
}

bool hv_proof_holds(const hv_proof *proof, bool touched, char *detail, size_t detail_bytes)
{
	uint64_t told_bytes = proof->move.bytes;
	uint64_t grown = proof->bytes_grown;
	uint64_t net_freed = proof->bytes_freed > grown ? proof->bytes_freed - grown : 0;
	if (proof->move.err != HV_OK)
		snprintf(detail, detail_bytes, "reclaim: %s", hv_err_text(proof->move.err));
	else if (proof->look_err != HV_OK)
		snprintf(detail, detail_bytes, "the residency oracle failed");
	else if (proof->bytes_moved != told_bytes)
		snprintf(detail, detail_bytes,
			 "the technique tells of %" PRIu64 " bytes, the host's record of %" PRIu64, told_bytes,
			 proof->bytes_moved);
	else if (proof->still_resident != 0 || proof->evicted_resident != 0)
		snprintf(detail, detail_bytes, "%" PRIu64 " reclaimed and %" PRIu64 " evicted huge frames are resident",
			 proof->still_resident, proof->evicted_resident);
	else if (proof->bytes_freed != proof->bytes_resident - proof->bytes_back_again)
		snprintf(detail, detail_bytes, "%" PRIu64 " bytes were resident, %" PRIu64 " went",
			 proof->bytes_resident, proof->bytes_freed);
	else if (proof->file && proof->file_freed != net_freed)
		snprintf(detail, detail_bytes, "%" PRIu64 " bytes went by the page cache, %" PRIu64 " by st_blocks",
			 proof->bytes_freed, proof->file_freed);
	else if (touched && (proof->bytes_freed != proof->bytes_moved - proof->bytes_back_again ||
			     proof->bytes_back > proof->bytes_moved / 2))
		snprintf(detail, detail_bytes, "%" PRIu64 " touched bytes moved, %" PRIu64 " went", proof->bytes_moved,
			 proof->bytes_freed);
	else
		return true;
	return false;
}

bool hv_rig_sound(hv_rig *self, char *detail, size_t detail_bytes)
{
	hv_vm_outcome outcome;
	bool stopped = hv_host_fault(&self->host) != NULL;
	hv_err err = stopped ? HV_OK : hv_rig_result(self, &outcome);
	if (stopped)
		hv_host_fault_text(&self->host, detail, detail_bytes);
	else if (err != HV_OK)
		snprintf(detail, detail_bytes, "the guest's outcome: %s", hv_err_text(err));
	else if (outcome.mismatches != 0 || outcome.frees_refused != 0 || outcome.installs_failed != 0)
		snprintf(detail, detail_bytes,
			 "%" PRIu64 " frames lost what was written, %" PRIu64 " frees refused, %" PRIu64
			 " installs failed",
			 outcome.mismatches, outcome.frees_refused, outcome.installs_failed);
	else if (self->device.dma == NULL ||
		 hv_rig_device_sound(&self->device, &self->host, self->pinned_before, detail, detail_bytes))
		return hv_rig_audit(self, detail, detail_bytes);
	return false;
}
