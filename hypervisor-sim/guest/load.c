/* SPDX-License-Identifier: MIT
 *
 * Execution of programs; see load.h. */
#define _GNU_SOURCE
#include "guest/load.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { SHRINK_FRAMES = 512 };
#define POLL_NS     UINT64_C(500000)
#define SLICE_NS    UINT64_C(5000000)
#define WAIT_MAX_NS UINT64_C(3000000000)
#define REFAULT_NS  UINT64_C(20000) /* simulated, a frame: 200 MB/s from a disk */

static void count(_Atomic uint64_t *counter, uint64_t add)
{
	/* one writer: the vCPU itself */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + add, memory_order_relaxed);
}

static bool stopped(const hv_load *self)
{
	return atomic_load_explicit(&self->stop, memory_order_relaxed);
}

/* What others, or the host, want of this vCPU's page cache. */
static void requests_serve(hv_task *self)
{
	hv_load *load = self->load;
	uint64_t wanted = atomic_load_explicit(&load->wanted_frames, memory_order_relaxed);
	if (wanted > 0 && hv_cache_part_shrink(&self->part, wanted) > 0)
		atomic_store_explicit(&load->wanted_frames, 0, memory_order_relaxed);
	uint64_t ask = atomic_load_explicit(&load->cache.ask_frames, memory_order_relaxed) / load->program->n_vcpus;
	uint64_t frames = atomic_load_explicit(&self->part.frames, memory_order_relaxed);
	if (frames > ask)
		hv_cache_part_shrink(&self->part, frames - ask);
}

static bool others_shrink(hv_load *self)
{
	for (uint32_t idx = 0; idx < self->program->n_vcpus; idx++)
		if (hv_cache_part_shrink(&self->tasks[idx].part, SHRINK_FRAMES) > 0)
			return true;
	return false;
}

/* There was no memory. @return true: try again; false: give up */
static bool memory_wait(hv_task *self, uint64_t *waited_ns)
{
	hv_load *load = self->load;
	if (stopped(load))
		return false;
	if (hv_cache_part_shrink(&self->part, SHRINK_FRAMES) > 0)
		return true;
	if (load->lockstep)
		return others_shrink(load);
	uint64_t begin_ns = hv_now_ns();
	if (*waited_ns == 0)
		count(&self->n_stalls, 1);
	atomic_store_explicit(&load->wanted_frames, SHRINK_FRAMES, memory_order_relaxed);
	hv_sleep_ns(POLL_NS);
	uint64_t elapsed_ns = hv_now_ns() - begin_ns;
	*waited_ns += elapsed_ns;
	count(&self->stall_ns, elapsed_ns);
	return *waited_ns < load->wait_max_ns;
}

static void process_free(hv_task *self, uint32_t process, uint64_t n_frames)
{
	for (uint64_t freed = 0; freed < n_frames;) {
		uint64_t frames = hv_holding_put(&self->holding, process, true);
		if (frames == 0)
			return;
		freed += frames;
	}
}

/* Memory that can't be had ends the process, as out-of-memory does. */
static void process_killed(hv_task *self, uint32_t process)
{
	if (!stopped(self->load))
		count(&self->n_killed, 1);
	process_free(self, process, UINT64_MAX);
}

static void grow(hv_task *self, uint32_t process, uint64_t n_frames)
{
	unsigned order = self->load->vm->config.fill_order;
	uint64_t got_frames = 0, waited_ns = 0;
	while (got_frames < n_frames && !stopped(self->load)) {
		if (n_frames - got_frames < UINT64_C(1) << order)
			order = 0;
		if (hv_holding_get(&self->holding, process, order) == LLFREE_OK) {
			got_frames += UINT64_C(1) << order;
			waited_ns = 0;
		} else if (order > 0) {
			order = 0;
		} else if (!memory_wait(self, &waited_ns)) {
			process_killed(self, process);
			return;
		}
	}
	if (waited_ns > 0 || atomic_load_explicit(&self->load->wanted_frames, memory_order_relaxed) > 0)
		atomic_store_explicit(&self->load->wanted_frames, 0, memory_order_relaxed);
}

static void think(hv_task *self, uint64_t sim_ns)
{
	hv_load *load = self->load;
	self->now_ns += sim_ns;
	if (load->lockstep)
		return;
	uint64_t until_ns = hv_now_ns() + (uint64_t)((double)sim_ns / load->speed);
	for (uint64_t now_ns; (now_ns = hv_now_ns()) < until_ns && !stopped(load);) {
		hv_sleep_ns(until_ns - now_ns < SLICE_NS ? until_ns - now_ns : SLICE_NS);
		requests_serve(self);
	}
}

static void read_file(hv_task *self, uint32_t file_idx, uint64_t n_frames)
{
	uint64_t waited_ns = 0, before = atomic_load_explicit(&self->part.refaults, memory_order_relaxed);
	/* a file that does not fit is read on without caching */
	for (uint64_t tries = 0; tries < 2 * n_frames / SHRINK_FRAMES + 2; tries++)
		if (hv_cache_part_read(&self->part, file_idx, n_frames) == HV_CACHE_ALL ||
		    !memory_wait(self, &waited_ns))
			break;
	/* what was cached before comes from a disk again; the first read is in the program's own times */
	uint64_t refaults = atomic_load_explicit(&self->part.refaults, memory_order_relaxed) - before;
	if (refaults > 0)
		think(self, refaults * REFAULT_NS);
}

/* @return false: not all are there yet */
static bool sync_pass(hv_task *self, uint32_t sync)
{
	_Atomic uint32_t *arrived = &self->load->arrived[sync];
	if (!self->arrived)
		atomic_fetch_add_explicit(arrived, 1, memory_order_acq_rel);
	self->arrived = atomic_load_explicit(arrived, memory_order_acquire) < self->load->program->n_vcpus;
	return !self->arrived;
}

/* @return false: it has to wait for others, and nothing was done */
static bool step_run(hv_task *self)
{
	uint32_t cpu_idx = self->holding.vcpu->cpu_idx;
	const hv_step *step = &self->load->program->steps[cpu_idx].all[self->at];
	switch (step->kind) {
	case HV_STEP_THINK:
		think(self, step->amount);
		break;
	case HV_STEP_GROW:
		grow(self, step->object, step->amount);
		break;
	case HV_STEP_SHRINK:
		process_free(self, step->object, step->amount);
		break;
	case HV_STEP_EXIT:
		process_free(self, step->object, UINT64_MAX);
		break;
	case HV_STEP_READ:
		read_file(self, step->object, step->amount);
		break;
	case HV_STEP_DELETE:
		hv_cache_part_delete(&self->part, step->object);
		break;
	case HV_STEP_DROP:
		hv_cache_part_shrink(&self->part, UINT64_MAX);
		break;
	case HV_STEP_SYNC:
		if (!sync_pass(self, step->object))
			return false;
		break;
	}
	self->at++;
	self->over = self->at == self->load->program->steps[cpu_idx].n_all;
	return true;
}

static uint64_t timeval_ns(struct timeval time)
{
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

/* One vCPU, on its own thread. */
static void task_run(void *context, hv_vcpu *vcpu)
{
	hv_load *load = context;
	hv_task *self = &load->tasks[vcpu->cpu_idx];
	struct rusage before = { 0 }, after = { 0 };
	getrusage(RUSAGE_THREAD, &before);
	while (!self->over && !stopped(load)) {
		if (!step_run(self))
			hv_sleep_ns(POLL_NS);
		requests_serve(self);
	}
	getrusage(RUSAGE_THREAD, &after);
	self->user_ns = timeval_ns(after.ru_utime) - timeval_ns(before.ru_utime);
	self->system_ns = timeval_ns(after.ru_stime) - timeval_ns(before.ru_stime);
	self->faults = (uint64_t)(after.ru_minflt - before.ru_minflt);
	self->end_ns = hv_now_ns();
	atomic_fetch_add_explicit(&load->n_over, 1, memory_order_acq_rel);
}

static hv_err tasks_open(hv_load *self, const hv_holding_watch *watch)
{
	const hv_program *program = self->program;
	for (uint32_t idx = 0; idx < program->n_vcpus; idx++) {
		hv_task *task = &self->tasks[idx];
		hv_err err =
			hv_holding_open(&task->holding, &self->vm->vcpus[idx], program->n_processes + program->n_files);
		if (err != HV_OK)
			return err;
		task->load = self;
		task->holding.watch = watch;
		task->part = (hv_cache_part){ .cache = &self->cache,
					      .holding = &task->holding,
					      .first_list = program->n_processes };
		task->over = program->steps[idx].n_all == 0;
	}
	return HV_OK;
}

hv_err hv_load_open(hv_load *self, hv_vm *vm, const hv_program *program, double speed, const hv_holding_watch *watch)
{
	*self = (hv_load){ .vm = vm, .program = program, .speed = speed, .wait_max_ns = WAIT_MAX_NS };
	if (program->n_vcpus != vm->config.n_vcpus)
		return HV_ERR_INVAL;
	hv_err err = hv_page_cache_open(&self->cache, program->n_files);
	self->tasks = calloc(program->n_vcpus, sizeof(*self->tasks));
	self->arrived = calloc(program->n_syncs + 1, sizeof(*self->arrived));
	if (err == HV_OK && (self->tasks == NULL || self->arrived == NULL))
		err = HV_ERR_SYSTEM;
	if (err == HV_OK)
		err = tasks_open(self, watch);
	if (err != HV_OK)
		hv_load_close(self);
	return err;
}

void hv_load_close(hv_load *self)
{
	for (uint32_t idx = 0; self->tasks != NULL && idx < self->program->n_vcpus; idx++)
		if (self->tasks[idx].holding.vcpu != NULL)
			hv_holding_close(&self->tasks[idx].holding);
	free(self->tasks);
	free((void *)self->arrived);
	hv_page_cache_close(&self->cache);
	self->tasks = NULL;
	self->arrived = NULL;
}

void hv_load_begin(hv_load *self)
{
	self->vm->program = task_run;
	self->vm->program_context = self;
	hv_vm_begin(self->vm, HV_JOB_PROGRAM, 0);
}

bool hv_load_over(const hv_load *self)
{
	return atomic_load_explicit(&self->n_over, memory_order_acquire) == self->program->n_vcpus;
}

void hv_load_stop(hv_load *self)
{
	atomic_store_explicit(&self->stop, true, memory_order_relaxed);
	hv_vm_wait(self->vm);
}

/* The first vCPU of those that can go on, by simulated time; who waits at a SYNC has its turn when all are there. */
static hv_task *task_next(hv_load *self)
{
	hv_task *next = NULL;
	for (uint32_t idx = 0; idx < self->program->n_vcpus; idx++) {
		hv_task *task = &self->tasks[idx];
		if (task->over)
			continue;
		if (task->arrived) {
			uint32_t sync = self->program->steps[idx].all[task->at].object;
			if (atomic_load_explicit(&self->arrived[sync], memory_order_relaxed) < self->program->n_vcpus)
				continue;
		}
		if (next == NULL || task->now_ns < next->now_ns)
			next = task;
	}
	return next;
}

void hv_load_lockstep(hv_load *self, bool (*between)(void *context, uint64_t now_ns), void *context)
{
	uint64_t now_ns = 0;
	self->lockstep = true;
	for (hv_task *task; (task = task_next(self)) != NULL;) {
		/* who waited for others goes on at their time */
		task->now_ns = task->now_ns > now_ns ? task->now_ns : now_ns;
		now_ns = task->now_ns;
		if (!between(context, now_ns))
			break;
		(void)step_run(task);
	}
}

uint64_t hv_load_used_frames(const hv_load *self)
{
	uint64_t frames = 0;
	for (uint32_t idx = 0; idx < self->program->n_vcpus; idx++)
		frames += atomic_load_explicit(&self->tasks[idx].holding.frames, memory_order_relaxed);
	return frames;
}

uint64_t hv_load_cache_frames(const hv_load *self)
{
	uint64_t frames = 0;
	for (uint32_t idx = 0; idx < self->program->n_vcpus; idx++)
		frames += atomic_load_explicit(&self->tasks[idx].part.frames, memory_order_relaxed);
	return frames;
}

void hv_load_result(const hv_load *self, hv_load_outcome *outcome)
{
	memset(outcome, 0, sizeof(*outcome));
	for (uint32_t idx = 0; idx < self->program->n_vcpus; idx++) {
		const hv_task *task = &self->tasks[idx];
		hv_histogram_merge(&outcome->get_ns, &task->holding.get_ns);
		outcome->write_ns += task->holding.write_ns;
		outcome->end_ns = task->end_ns > outcome->end_ns ? task->end_ns : outcome->end_ns;
		outcome->user_ns += task->user_ns;
		outcome->system_ns += task->system_ns;
		outcome->faults += task->faults;
		outcome->refaults += atomic_load_explicit(&task->part.refaults, memory_order_relaxed);
		outcome->dropped_frames += atomic_load_explicit(&task->part.dropped, memory_order_relaxed);
		outcome->stall_ns += atomic_load_explicit(&task->stall_ns, memory_order_relaxed);
		outcome->n_stalls += atomic_load_explicit(&task->n_stalls, memory_order_relaxed);
		outcome->n_killed += atomic_load_explicit(&task->n_killed, memory_order_relaxed);
		outcome->installs += task->holding.vcpu->port.calls;
	}
}
