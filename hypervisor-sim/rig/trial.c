/* SPDX-License-Identifier: MIT
 *
 * Trials; see trial.h. The controller takes memory in slices, so that a guest that grows is never behind a long
 * reclaim; a vCPU that waits for memory is seen within a poll. */
#define _GNU_SOURCE
#include "rig/trial.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define POLL_NS     UINT64_C(1000000)
#define SLICE_BYTES (UINT64_C(64) << 20)

uint64_t hv_trial_limit(uint64_t memory_bytes, uint64_t used_bytes, uint64_t slack_bytes)
{
	uint64_t limit_bytes = used_bytes + slack_bytes + HV_HUGE_BYTES - 1;
	limit_bytes -= limit_bytes % HV_HUGE_BYTES;
	return limit_bytes < memory_bytes ? limit_bytes : memory_bytes;
}

static uint64_t thread_cpu_ns(pthread_t thread)
{
	clockid_t clock;
	struct timespec time;
	if (pthread_getcpuclockid(thread, &clock) != 0 || clock_gettime(clock, &time) != 0)
		return 0;
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t host_cpu_ns(const hv_trial *self)
{
	const hv_rig *rig = &self->rig;
	return thread_cpu_ns(rig->monitor.thread) + thread_cpu_ns(rig->service.thread) +
	       (rig->channel_service.running ? thread_cpu_ns(rig->channel_service.thread) : 0);
}

static uint64_t driver_cpu_ns(const hv_trial *self)
{
	const hv_driver *driver = self->rig.vm.driver;
	return driver != NULL && driver->running ? thread_cpu_ns(driver->thread) : 0;
}

static bool move(hv_trial *self, hv_command command, uint64_t limit_bytes)
{
	hv_move done = hv_monitor_do(&self->rig.monitor, command, limit_bytes);
	if (done.err == HV_OK)
		self->limit_bytes = limit_bytes;
	else if (command == HV_COMMAND_SHRINK)
		self->limit_bytes -= done.bytes;
	if (done.err != HV_OK && done.err != HV_ERR_SHORT && self->move_err == HV_OK)
		self->move_err = done.err;
	self->moved_bytes += command == HV_COMMAND_SHRINK ? done.bytes : 0;
	self->n_moves++;
	return done.err == HV_OK;
}

static uint64_t limit_wanted(const hv_trial *self)
{
	uint64_t used_bytes = hv_load_used_frames(&self->load) * HV_FRAME_BYTES;
	return hv_trial_limit(self->config.rig.vm.memory_bytes, used_bytes, self->config.slack_bytes);
}

static bool guest_waits(const hv_trial *self)
{
	return atomic_load_explicit(&self->load.wanted_frames, memory_order_relaxed) > 0;
}

static bool ended(const hv_trial *self)
{
	return atomic_load_explicit(&self->quit, memory_order_relaxed);
}

static void adjust(hv_trial *self)
{
	uint64_t wanted = limit_wanted(self);
	if (wanted > self->limit_bytes)
		move(self, HV_COMMAND_GROW, wanted);
	while (wanted < self->limit_bytes && !guest_waits(self) && !ended(self)) {
		uint64_t slice = self->limit_bytes - wanted < SLICE_BYTES ? wanted : self->limit_bytes - SLICE_BYTES;
		if (!move(self, HV_COMMAND_SHRINK, slice))
			break;
		wanted = limit_wanted(self);
	}
}

static void *control(void *context)
{
	hv_trial *self = context;
	uint64_t next_ns = hv_now_ns() + self->config.rig.period_ns;
	while (!ended(self)) {
		uint64_t now_ns = hv_now_ns(), memory_bytes = self->config.rig.vm.memory_bytes;
		if (self->controlled && guest_waits(self) && self->limit_bytes < memory_bytes)
			move(self, HV_COMMAND_GROW,
			     hv_trial_limit(memory_bytes, self->limit_bytes, self->config.slack_bytes));
		if (now_ns >= next_ns) {
			atomic_store_explicit(&self->load.cache.ask_frames,
					      self->config.ask_bytes == UINT64_MAX
						      ? UINT64_MAX
						      : self->config.ask_bytes / HV_FRAME_BYTES,
					      memory_order_relaxed);
			if (self->controlled)
				adjust(self);
			next_ns = hv_now_ns() + self->config.rig.period_ns;
		}
		hv_sleep_ns(POLL_NS);
	}
	return NULL;
}

hv_err hv_trial_begin(hv_trial *self, const hv_trial_config *config, const char **failed_step)
{
	memset(self, 0, sizeof(*self));
	self->config = *config;
	self->controlled = !config->rig.technique->automatic;
	self->limit_bytes = config->rig.vm.memory_bytes;
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
	if (config->rig.technique->automatic)
		hv_monitor_policy(&self->rig.monitor, true);
	if (self->controlled || self->config.ask_bytes != UINT64_MAX)
		self->controller_runs = pthread_create(&self->controller, NULL, control, self) == 0;
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
	if (outcome->sound && self->move_err != HV_OK) {
		outcome->sound = false;
		snprintf(outcome->detail, sizeof(outcome->detail), "a resize failed: %s", hv_err_text(self->move_err));
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
	if (self->controller_runs)
		pthread_join(self->controller, NULL);
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
