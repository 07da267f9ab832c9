/* SPDX-License-Identifier: MIT
 *
 * Impact of resizes on a guest; see impact.h. The thread that calls sleeps while a window runs, but for the commands
 * it gives to the monitor; tapes are cut into steps afterwards. */
#define _GNU_SOURCE
#include "rig/impact.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS UINT64_C(1000000000)
#define SLICE_NS  UINT64_C(50000000) /* of a sleep: how long an interruption waits */
/* Before a window: threads that wake together may share a CPU until the scheduler has spread them. */
#define LEAD_NS UINT64_C(400000000)

static bool interrupted(const hv_impact *self)
{
	return self->config.interrupted != NULL && self->config.interrupted();
}

static void refute(hv_impact *self, const char *reason)
{
	if (!self->refuted)
		snprintf(self->detail, sizeof(self->detail), "%s", reason);
	self->refuted = true;
}

static void keep(hv_impact *self, hv_samples *samples, double value)
{
	if (hv_samples_add(samples, value) != HV_OK)
		self->out_of_memory = true;
}

/* Phases, each on the vCPU's own thread. */

static void buffers_get(hv_impact *self, hv_impact_task *task)
{
	hv_vcpu *vcpu = task->vcpu;
	while (task->n_runs < self->config.buffer_bytes / HV_HUGE_BYTES &&
	       hv_workload_get(vcpu, LLFREE_HUGE_ORDER) == LLFREE_OK)
		task->n_runs++;
	vcpu->base_held = vcpu->n_held;
	self->config.kernel->fill(task);
}

static void burst(const hv_impact *self, hv_impact_task *task)
{
	hv_vcpu *vcpu = task->vcpu;
	const hv_vm_config *vm = &vcpu->vm->config;
	uint64_t frames = self->config.burst_bytes / HV_FRAME_BYTES / vm->n_vcpus;
	for (uint64_t got = 0; got < frames; got += UINT64_C(1) << vm->fill_order)
		if (hv_workload_get(vcpu, vm->fill_order) != LLFREE_OK)
			break;
	while (vcpu->n_held > vcpu->base_held)
		hv_workload_put(vcpu, vcpu->n_held - 1);
}

static void kernel_run(hv_impact *self, hv_impact_task *task)
{
	while (!atomic_load_explicit(&self->stop, memory_order_relaxed)) {
		uint64_t n_bursts = atomic_load_explicit(&self->n_bursts, memory_order_relaxed);
		if (n_bursts != task->bursts_seen)
			burst(self, task);
		task->bursts_seen = n_bursts;
		self->config.kernel->step(task);
	}
}

static void buffers_check(hv_impact *self, hv_impact_task *task)
{
	uint64_t wrong = self->config.kernel->check(task);
	atomic_fetch_add_explicit(&task->vcpu->mismatches, wrong, memory_order_relaxed);
}

/* The CPU of this number among those that the process may use; -1: not enough for all. */
static int cpu_of(const hv_impact_config *config, uint32_t vcpu_idx)
{
	cpu_set_t allowed;
	if (config->floating || sched_getaffinity(0, sizeof(allowed), &allowed) != 0 ||
	    config->rig.vm.n_vcpus > (uint32_t)CPU_COUNT(&allowed))
		return -1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET((size_t)cpu, &allowed) && vcpu_idx-- == 0)
			return cpu;
	return -1;
}

/* Otherwise two vCPUs share one for a while after each wake-up of the host, and the scheduler is measured. */
static void cpu_take(int cpu)
{
	cpu_set_t own;
	if (cpu < 0)
		return;
	CPU_ZERO(&own);
	CPU_SET((size_t)cpu, &own);
	(void)pthread_setaffinity_np(pthread_self(), sizeof(own), &own);
}

static void program(void *context, hv_vcpu *vcpu)
{
	hv_impact *self = context;
	cpu_take(self->tasks[vcpu->cpu_idx].cpu);
	self->phase(self, &self->tasks[vcpu->cpu_idx]);
}

static void phase_begin(hv_impact *self, void (*phase)(hv_impact *self, hv_impact_task *task))
{
	self->phase = phase;
	hv_vm_begin(&self->rig.vm, HV_JOB_PROGRAM, 0);
}

static void phase_do(hv_impact *self, void (*phase)(hv_impact *self, hv_impact_task *task))
{
	phase_begin(self, phase);
	hv_vm_wait(&self->rig.vm);
}

hv_err hv_impact_open(hv_impact *self, const hv_impact_config *config, const char **failed_step)
{
	memset(self, 0, sizeof(*self));
	self->config = *config;
	uint32_t n_vcpus = config->rig.vm.n_vcpus;
	hv_err err = hv_rig_create(&self->rig, &config->rig, failed_step);
	if (err != HV_OK)
		return err;
	*failed_step = "the buffers of the vCPUs";
	self->tasks = calloc(n_vcpus, sizeof(*self->tasks));
	if (self->tasks == NULL)
		err = HV_ERR_SYSTEM;
	self->rig.vm.program = program;
	self->rig.vm.program_context = self;
	for (uint32_t idx = 0; err == HV_OK && idx < n_vcpus; idx++)
		self->tasks[idx] = (hv_impact_task){ .vcpu = &self->rig.vm.vcpus[idx],
						     .cpu = cpu_of(config, idx),
						     .quantum_ns = config->quantum_ns };
	if (err == HV_OK)
		phase_do(self, buffers_get);
	for (uint32_t idx = 0; err == HV_OK && idx < n_vcpus; idx++)
		if (self->tasks[idx].n_runs < config->buffer_bytes / HV_HUGE_BYTES)
			err = HV_ERR_SHORT;
	if (err != HV_OK)
		hv_impact_close(self);
	return err;
}

void hv_impact_close(hv_impact *self)
{
	uint32_t n_vcpus = self->config.rig.vm.n_vcpus;
	hv_rig_destroy(&self->rig);
	for (uint32_t idx = 0; self->tasks != NULL && idx < n_vcpus; idx++)
		hv_tape_clear(&self->tasks[idx].tape);
	free(self->tasks);
	self->tasks = NULL;
	for (hv_impact_side *side = &self->resized;; side = &self->baseline) {
		hv_samples_clear(&side->work);
		hv_samples_clear(&side->vcpu_work);
		hv_samples_clear(&side->window_begin_s);
		if (side == &self->baseline)
			break;
	}
	for (hv_direction at = 0; at < HV_DIRECTIONS; at++) {
		hv_samples_clear(&self->resizes[at].begin_s);
		hv_samples_clear(&self->resizes[at].end_s);
		hv_samples_clear(&self->resizes[at].bytes);
		hv_samples_clear(&self->resizes[at].ns_per_huge);
	}
}

/* All that is free has been touched, and lies in no cache. */
static void memory_touch(hv_impact *self)
{
	hv_vm *vm = &self->rig.vm;
	hv_vm_fill_all(vm);
	hv_vm_begin(vm, HV_JOB_FREE, 0);
	hv_vm_wait(vm);
	vm->config.allocator->drain(vm);
}

/* @return false: interrupted */
static bool sleep_until(const hv_impact *self, uint64_t until_ns)
{
	for (uint64_t now_ns = hv_now_ns(); now_ns < until_ns; now_ns = hv_now_ns()) {
		if (interrupted(self))
			return false;
		hv_sleep_ns(until_ns - now_ns < SLICE_NS ? until_ns - now_ns : SLICE_NS);
	}
	return !interrupted(self);
}

/* Seconds of the resized windows' series. */
static double series_s(const hv_impact *self, uint64_t at_ns)
{
	double before_s = (double)self->resized.work.n_values * (double)self->config.quantum_ns / 1e9;
	return before_s + ((double)at_ns - (double)self->window_begin_ns) / 1e9;
}

static bool resize_note(hv_impact *self, hv_direction direction, hv_move move, uint64_t begin_ns, uint64_t end_ns)
{
	hv_impact_resizes *resizes = &self->resizes[direction];
	if (move.err != HV_OK) {
		refute(self, hv_err_text(move.err));
		return false;
	}
	if (move.bytes == 0)
		return true; /* a pass that had nothing to do */
	/* the first pass of a window takes all there is, as a shrink does; the others are of another kind */
	if (direction == HV_GROW || self->told_bytes == 0)
		keep(self, &resizes->ns_per_huge, (double)move.elapsed_ns * HV_HUGE_BYTES / (double)move.bytes);
	if (direction == HV_SHRINK) {
		self->first_bytes = self->told_bytes == 0 ? move.bytes : self->first_bytes;
		self->told_bytes += move.bytes;
	}
	resizes->moved_bytes += move.bytes;
	keep(self, &resizes->begin_s, series_s(self, begin_ns));
	keep(self, &resizes->end_s, series_s(self, end_ns));
	keep(self, &resizes->bytes, (double)move.bytes);
	return true;
}

static bool resize(hv_impact *self, hv_direction direction)
{
	uint64_t begin_ns = hv_now_ns();
	hv_move move = direction == HV_SHRINK
			       ? hv_monitor_do(&self->rig.monitor, HV_COMMAND_SHRINK, self->config.target_bytes)
			       : hv_monitor_do(&self->rig.monitor, HV_COMMAND_GROW, self->config.rig.vm.memory_bytes);
	return resize_note(self, direction, move, begin_ns, hv_now_ns());
}

static uint64_t later(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns > b_ns ? a_ns : b_ns;
}

/* Down and up again, with time before, between and after. */
static bool window_by_limit(hv_impact *self)
{
	uint64_t begin_ns = self->window_begin_ns, window_ns = self->config.window_ns, pause_ns = window_ns / 5;
	return sleep_until(self, begin_ns + pause_ns) && resize(self, HV_SHRINK) &&
	       sleep_until(self, later(begin_ns + window_ns / 2, hv_now_ns() + pause_ns)) && resize(self, HV_GROW) &&
	       sleep_until(self, later(begin_ns + window_ns, hv_now_ns() + pause_ns));
}

/* Passes with bursts between them; the last thing is a pass, so that memory is away when it is looked at. */
static bool window_by_policy(hv_impact *self)
{
	uint64_t end_ns = self->window_begin_ns + self->config.window_ns;
	for (;;) {
		hv_move move = hv_monitor_next_pass(&self->rig.monitor);
		uint64_t now_ns = hv_now_ns();
		if (!resize_note(self, HV_SHRINK, move, now_ns - move.elapsed_ns, now_ns) || interrupted(self))
			return false;
		if (now_ns >= end_ns)
			return true;
		atomic_fetch_add_explicit(&self->n_bursts, 1, memory_order_relaxed);
	}
}

static bool window_alone(hv_impact *self)
{
	uint64_t window_ns = self->last_length_ns != 0 ? self->last_length_ns : self->config.window_ns;
	uint64_t end_ns = self->window_begin_ns + window_ns, next_ns = self->window_begin_ns;
	if (!self->config.rig.technique->automatic)
		return sleep_until(self, end_ns);
	for (next_ns += self->config.rig.period_ns; next_ns < end_ns; next_ns += self->config.rig.period_ns) {
		if (!sleep_until(self, next_ns))
			return false;
		atomic_fetch_add_explicit(&self->n_bursts, 1, memory_order_relaxed);
	}
	return sleep_until(self, end_ns);
}

/* Append the window that ended to the series of its side. */
static void collect(hv_impact *self, hv_impact_side *side, uint64_t end_ns)
{
	uint64_t quantum_ns = self->config.quantum_ns;
	uint64_t begin_ns = self->window_begin_ns, length_ns = end_ns > begin_ns ? end_ns - begin_ns : 0;
	size_t n_steps = length_ns / quantum_ns, n_second = (SECOND_NS + quantum_ns - 1) / quantum_ns;
	double *steps = calloc(2 * n_steps + 1, sizeof(*steps)), *sums = steps + n_steps;
	self->out_of_memory = self->out_of_memory || steps == NULL;
	if (steps == NULL || n_steps == 0) {
		free(steps);
		return;
	}
	keep(self, &side->window_begin_s, (double)side->work.n_values * (double)quantum_ns / 1e9);
	for (uint32_t idx = 0; idx < self->config.rig.vm.n_vcpus; idx++) {
		memset(steps, 0, n_steps * sizeof(*steps));
		hv_tape_steps(&self->tasks[idx].tape, begin_ns, quantum_ns, steps, n_steps);
		for (size_t at = 0; at < n_steps; at++) {
			sums[at] += steps[at];
			keep(self, &side->vcpu_work, steps[at]);
		}
		self->out_of_memory = self->out_of_memory || self->tasks[idx].tape.cut;
	}
	double worst = hv_worst_mean(sums, n_steps, n_second);
	if (side->work.n_values == 0 || worst < side->worst_second)
		side->worst_second = worst;
	for (size_t at = 0; at < n_steps; at++)
		keep(self, &side->work, sums[at]);
	free(steps);
}

/* Huge frames that R calls evicted and that are resident (H3); what went, and what came. */
static uint64_t compare(const hv_rig *rig, uint64_t *freed_bytes, uint64_t *grown_bytes)
{
	uint64_t evicted_resident = 0;
	*freed_bytes = *grown_bytes = 0;
	for (uint64_t at = 0; at < rig->host.frames.huge_count * HV_LEDGER_HUGE_WORDS; at++) {
		uint64_t before = rig->before.frame_words[at], after = rig->after.frame_words[at];
		*freed_bytes += (uint64_t)__builtin_popcountll(before & ~after) * HV_FRAME_BYTES;
		*grown_bytes += (uint64_t)__builtin_popcountll(after & ~before) * HV_FRAME_BYTES;
	}
	for (uint64_t idx = 0; idx < rig->host.frames.huge_count; idx++) {
		hv_r now = hv_frames_state(&rig->host.frames, idx);
		evicted_resident += (now == HV_R_SOFT || now == HV_R_HARD) && rig->after.resident_frames[idx] != 0;
	}
	return evicted_resident;
}

/* How much of what was taken may be there again: with a neighbour's huge page, or since the guest allocated it. */
static uint64_t back_max_bytes(const hv_impact *self)
{
	const hv_technique *technique = self->config.rig.technique;
	uint64_t caches_bytes = (4 + 3 * (uint64_t)self->config.rig.vm.n_vcpus) * HV_HUGE_BYTES;
	if (technique->automatic)
		return self->config.burst_bytes + caches_bytes;
	bool neighbours = technique->grain_bytes < HV_HUGE_BYTES && !self->rig.vm.memory.backing->small_frames;
	return neighbours ? self->told_bytes / 2 : 0;
}

/* Nothing runs: all free memory was resident before the window, and nothing is touched after a grow. So what a
 * technique with a limit took must have gone, all of it; of passes, what the first one took. */
static void prove(hv_impact *self, hv_err look_err)
{
	hv_rig *rig = &self->rig;
	const hv_technique *technique = self->config.rig.technique;
	uint64_t freed, grown, told = self->told_bytes, back_max = back_max_bytes(self);
	uint64_t least = technique->automatic ? self->first_bytes : told;
	char reason[sizeof(self->detail)];
	if (look_err != HV_OK) {
		refute(self, "the residency oracle failed");
		return;
	}
	uint64_t evicted_resident = compare(rig, &freed, &grown);
	uint64_t file_gone = rig->before.file_bytes - rig->after.file_bytes;
	self->resizes[HV_SHRINK].freed_bytes += freed;
	self->n_proven++;
	if (told == 0 || freed == 0)
		snprintf(reason, sizeof(reason), "%" PRIu64 " bytes were moved, %" PRIu64 " went", told, freed);
	else if (freed > told || freed + back_max < least)
		snprintf(reason, sizeof(reason), "of %" PRIu64 " bytes moved %" PRIu64 " went", told, freed);
	else if (evicted_resident != 0)
		snprintf(reason, sizeof(reason), "%" PRIu64 " evicted huge frames are resident", evicted_resident);
	else if (rig->vm.memory.backing->shared && file_gone != freed - grown)
		snprintf(reason, sizeof(reason), "%" PRIu64 " bytes went by the page cache, %" PRIu64 " by st_blocks",
			 freed - grown, file_gone);
	else
		return;
	refute(self, reason);
}

bool hv_impact_window(hv_impact *self, bool resize)
{
	hv_rig *rig = &self->rig;
	hv_err look_err = HV_OK;
	bool automatic = self->config.rig.technique->automatic;
	uint64_t quantum_ns = self->config.quantum_ns;
	memory_touch(self);
	if (interrupted(self))
		return false;
	for (uint32_t idx = 0; idx < self->config.rig.vm.n_vcpus; idx++)
		hv_tape_rewind(&self->tasks[idx].tape);
	self->told_bytes = self->first_bytes = 0;
	if (resize)
		look_err = hv_residency_look(&rig->residency, &rig->vm.memory, &rig->before);
	atomic_store_explicit(&self->stop, false, memory_order_relaxed);
	phase_begin(self, kernel_run);
	uint64_t lead_ns = self->config.window_ns / 5 < LEAD_NS ? self->config.window_ns / 5 : LEAD_NS;
	self->window_begin_ns = ((hv_now_ns() + lead_ns) / quantum_ns + 1) * quantum_ns;
	bool whole = sleep_until(self, self->window_begin_ns) && (!resize     ? window_alone(self)
								  : automatic ? window_by_policy(self)
									      : window_by_limit(self));
	uint64_t end_ns = hv_now_ns();
	atomic_store_explicit(&self->stop, true, memory_order_relaxed);
	hv_vm_wait(&rig->vm);
	if (!whole)
		return false;
	if (resize) {
		hv_err err = hv_residency_look(&rig->residency, &rig->vm.memory, &rig->after);
		prove(self, look_err != HV_OK ? look_err : err);
		self->last_length_ns = end_ns - self->window_begin_ns;
	}
	collect(self, resize ? &self->resized : &self->baseline, end_ns);
	return !self->refuted && !self->out_of_memory;
}

bool hv_impact_sound(hv_impact *self, char *detail, size_t detail_bytes)
{
	hv_vm *vm = &self->rig.vm;
	hv_vm_begin(vm, HV_JOB_FREE, 0);
	hv_vm_wait(vm);
	phase_do(self, buffers_check);
	return hv_rig_sound(&self->rig, detail, detail_bytes);
}
