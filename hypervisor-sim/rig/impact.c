/* SPDX-License-Identifier: MIT
 *
 * Impact of resizes on a guest; see impact.h. Tapes are cut into steps when a window is over. */
#define _GNU_SOURCE
#include "rig/impact.h"

#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void burst_ask(void *context)
{
	hv_impact *self = context;
	atomic_fetch_add_explicit(&self->n_bursts, 1, memory_order_relaxed);
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
	self->course.plan = (hv_impact_plan){ .monitor = &self->rig.monitor,
					      .memory_bytes = config->rig.vm.memory_bytes,
					      .target_bytes = config->target_bytes,
					      .window_ns = config->window_ns,
					      .quantum_ns = config->quantum_ns,
					      .period_ns = config->rig.period_ns,
					      .interrupted = config->interrupted,
					      .burst = burst_ask,
					      .context = self };
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
	hv_impact_course_clear(&self->course);
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

/* Cut the tapes of the window that ended. */
static void collect(hv_impact *self, bool resize, uint64_t end_ns)
{
	hv_impact_course *course = &self->course;
	uint32_t n_vcpus = self->config.rig.vm.n_vcpus;
	size_t n_steps = hv_impact_course_steps(course, end_ns);
	double *steps = calloc(n_vcpus * n_steps + 1, sizeof(*steps));
	course->out_of_memory = course->out_of_memory || steps == NULL;
	for (uint32_t idx = 0; steps != NULL && idx < n_vcpus; idx++) {
		hv_tape_steps(&self->tasks[idx].tape, course->window_begin_ns, self->config.quantum_ns,
			      steps + idx * n_steps, n_steps);
		course->out_of_memory = course->out_of_memory || self->tasks[idx].tape.cut;
	}
	if (steps != NULL)
		hv_impact_course_add(course, resize, steps, n_vcpus, n_steps);
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
	return neighbours ? self->course.told_bytes / 2 : 0;
}

/* Nothing runs: all free memory was resident before the window, and nothing is touched after a grow. So what a
 * technique with a limit took must have gone, all of it; of passes, what the first one took. */
static void prove(hv_impact *self, hv_err look_err)
{
	hv_rig *rig = &self->rig;
	const hv_technique *technique = self->config.rig.technique;
	uint64_t freed, grown, told = self->course.told_bytes, back_max = back_max_bytes(self);
	uint64_t least = technique->automatic ? self->course.first_bytes : told;
	char reason[sizeof(self->course.detail)];
	if (look_err != HV_OK) {
		hv_impact_course_refute(&self->course, "the residency oracle failed");
		return;
	}
	uint64_t evicted_resident = compare(rig, &freed, &grown);
	uint64_t file_gone = rig->before.file_bytes - rig->after.file_bytes;
	self->course.resizes[HV_SHRINK].freed_bytes += freed;
	self->course.n_proven++;
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
	hv_impact_course_refute(&self->course, reason);
}

static bool interrupted(const hv_impact *self)
{
	return self->config.interrupted != NULL && self->config.interrupted();
}

bool hv_impact_window(hv_impact *self, bool resize)
{
	hv_rig *rig = &self->rig;
	hv_impact_course *course = &self->course;
	hv_err look_err = HV_OK;
	uint64_t quantum_ns = self->config.quantum_ns, end_ns;
	memory_touch(self);
	if (interrupted(self))
		return false;
	for (uint32_t idx = 0; idx < self->config.rig.vm.n_vcpus; idx++)
		hv_tape_rewind(&self->tasks[idx].tape);
	if (resize)
		look_err = hv_residency_look(&rig->residency, &rig->vm.memory, &rig->before);
	atomic_store_explicit(&self->stop, false, memory_order_relaxed);
	phase_begin(self, kernel_run);
	uint64_t ready_ns = hv_now_ns() + hv_impact_course_lead_ns(course);
	bool whole = hv_impact_course_window(course, resize, (ready_ns / quantum_ns + 1) * quantum_ns, &end_ns);
	atomic_store_explicit(&self->stop, true, memory_order_relaxed);
	hv_vm_wait(&rig->vm);
	if (!whole)
		return false;
	if (resize) {
		hv_err err = hv_residency_look(&rig->residency, &rig->vm.memory, &rig->after);
		prove(self, look_err != HV_OK ? look_err : err);
	}
	collect(self, resize, end_ns);
	return !course->refuted && !course->out_of_memory;
}

bool hv_impact_sound(hv_impact *self, char *detail, size_t detail_bytes)
{
	hv_vm *vm = &self->rig.vm;
	hv_vm_begin(vm, HV_JOB_FREE, 0);
	hv_vm_wait(vm);
	phase_do(self, buffers_check);
	return hv_rig_sound(&self->rig, detail, detail_bytes);
}
