/* SPDX-License-Identifier: MIT
 *
 * Trials; see trial.h. */
#define _GNU_SOURCE
#include "rig/trial.h"
#include "rig/traffic.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define POLL_NS UINT64_C(1000000)

static uint64_t host_cpu_ns(const hv_trial *self)
{
	const hv_rig *rig = &self->rig;
	return hv_thread_cpu_ns(rig->monitor.thread) + hv_thread_cpu_ns(rig->service.thread) +
	       (rig->channel_service.running ? hv_thread_cpu_ns(rig->channel_service.thread) : 0);
}

static uint64_t driver_cpu_ns(const hv_trial *self)
{
	const hv_driver *driver = self->rig.vm.driver;
	return driver != NULL && driver->running ? hv_thread_cpu_ns(driver->thread) : 0;
}

/* The agent in the guest, as the monitor's policy asks it. */
static void guest_numbers(void *context, uint64_t *used_bytes, uint64_t *wanted_bytes)
{
	hv_trial *self = context;
	*used_bytes = hv_load_used_frames(&self->load) * HV_FRAME_BYTES;
	*wanted_bytes =
		atomic_load_explicit(&self->load.wanted_frames, memory_order_relaxed) * (uint64_t)HV_FRAME_BYTES;
}

/* The page cache is asked to shrink every period. */
static void *ask(void *context)
{
	hv_trial *self = context;
	uint64_t next_ns = hv_now_ns() + self->config.rig.period_ns;
	while (!atomic_load_explicit(&self->quit, memory_order_relaxed)) {
		uint64_t now_ns = hv_now_ns();
		if (now_ns >= next_ns) {
			atomic_store_explicit(&self->load.cache.ask_frames, self->config.ask_bytes / HV_FRAME_BYTES,
					      memory_order_relaxed);
			next_ns = now_ns + self->config.rig.period_ns;
		}
		hv_sleep_ns(POLL_NS);
	}
	return NULL;
}

hv_err hv_trial_begin(hv_trial *self, const hv_trial_config *config, const char **failed_step)
{
	memset(self, 0, sizeof(*self));
	self->config = *config;
	if (config->rig.technique->guest->drive == NULL)
		self->config.ask_bytes = UINT64_MAX; /* nobody in the guest to ask */
	hv_err err = hv_rig_create(&self->rig, &config->rig, failed_step);
	if (err != HV_OK)
		return err;
	*failed_step = "the load of the VM";
	err = hv_load_open(&self->load, &self->rig.vm, config->program, config->speed, NULL);
	if (err != HV_OK) {
		hv_rig_destroy(&self->rig);
		return err;
	}
	self->load_open = true;
	self->host_before_ns = host_cpu_ns(self);
	self->driver_before_ns = driver_cpu_ns(self);
	self->begin_ns = self->last_ns = hv_now_ns();
	hv_monitor_guest(&self->rig.monitor, guest_numbers, self);
	hv_monitor_policy(&self->rig.monitor, true);
	if (self->config.ask_bytes != UINT64_MAX)
		self->asker_runs = pthread_create(&self->asker, NULL, ask, self) == 0;
	hv_load_begin(&self->load);
	bool runs = hv_trial_sample(self); /* the first point of the series */
	(void)runs;
	return HV_OK;
}

bool hv_trial_sample(hv_trial *self)
{
	bool over = hv_load_over(&self->load);
	hv_rig *rig = &self->rig;
	if (hv_residency_look(&rig->residency, &rig->vm.memory, &rig->after) != HV_OK)
		return !over;
	uint64_t now_ns = hv_now_ns(), resident = rig->after.resident_bytes;
	uint64_t used = hv_load_used_frames(&self->load) * HV_FRAME_BYTES;
	double elapsed_ns = (double)(now_ns - self->last_ns);
	self->resident_byte_ns += elapsed_ns * (double)(resident + self->last_resident) / 2;
	self->used_byte_ns += elapsed_ns * (double)(used + self->last_used) / 2;
	self->grown_bytes = resident > self->last_resident ? resident - self->last_resident : 0;
	self->peak_resident = resident > self->peak_resident ? resident : self->peak_resident;
	self->last_resident = resident;
	self->last_used = used;
	self->last_ns = now_ns;
	return (hv_samples_add(&self->resident, (double)resident) == HV_OK) &&
	       (hv_samples_add(&self->used, (double)used) == HV_OK) && !over;
}

/* Everything at rest: is the guest's memory what it wrote, and the allocator consistent? */
static void soundness(hv_trial *self, hv_trial_outcome *outcome)
{
	hv_vm_begin(&self->rig.vm, HV_JOB_FREE, 0);
	hv_vm_wait(&self->rig.vm);
	outcome->sound = hv_rig_sound(&self->rig, outcome->detail, sizeof(outcome->detail));
	hv_err move_err = hv_monitor_move_err(&self->rig.monitor);
	if (outcome->sound && move_err != HV_OK) {
		outcome->sound = false;
		snprintf(outcome->detail, sizeof(outcome->detail), "the policy moved memory: %s",
			 hv_err_text(move_err));
	}
}

static void outcome_fill(hv_trial *self, hv_trial_outcome *outcome)
{
	const hv_host_counters *counters = &self->rig.host.counters;
	double speed = self->config.speed, wall_ns = (double)(self->last_ns - self->begin_ns);
	memset(outcome, 0, sizeof(*outcome));
	hv_load_result(&self->load, &outcome->load);
	outcome->gib_min = self->resident_byte_ns * speed / 60e9 / (double)(UINT64_C(1) << 30);
	outcome->used_gib_min = self->used_byte_ns * speed / 60e9 / (double)(UINT64_C(1) << 30);
	uint64_t end_ns = outcome->load.end_ns > self->begin_ns ? outcome->load.end_ns : self->last_ns;
	outcome->runtime_s = (double)(end_ns - self->begin_ns) * speed / 1e9;
	outcome->resident_mean = wall_ns > 0 ? self->resident_byte_ns / wall_ns : 0;
	outcome->resident_peak = (double)self->peak_resident;
	outcome->moved_bytes = (atomic_load(&counters->soft) + atomic_load(&counters->hard)) * HV_HUGE_BYTES;
	if (self->rig.host.channel != NULL)
		outcome->moved_bytes = atomic_load(&counters->discarded) * HV_HUGE_BYTES;
}

void hv_trial_end(hv_trial *self, hv_trial_outcome *outcome)
{
	atomic_store_explicit(&self->quit, true, memory_order_relaxed);
	if (self->asker_runs)
		pthread_join(self->asker, NULL);
	hv_monitor_policy(&self->rig.monitor, false);
	hv_load_stop(&self->load);
	if (outcome != NULL) {
		outcome_fill(self, outcome);
		outcome->host_cpu_ns = host_cpu_ns(self) - self->host_before_ns;
		outcome->driver_cpu_ns = driver_cpu_ns(self) - self->driver_before_ns;
		soundness(self, outcome);
	}
	hv_load_close(&self->load);
	hv_rig_destroy(&self->rig);
}

void hv_trial_clear(hv_trial *self)
{
	hv_samples_clear(&self->resident);
	hv_samples_clear(&self->used);
}
