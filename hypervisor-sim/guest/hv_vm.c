/* SPDX-License-Identifier: MIT
 *
 * The simulated VM: memory, vCPU threads and the mailbox that gives them jobs; see hv_vm.h. The mailbox belongs to the
 * experiment, not to the guest: no frame is handed from vCPU to vCPU through it. */
#define _GNU_SOURCE
#include "guest/hv_vm.h"
#include "guest/driver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

const hv_guest_allocator *hv_guest_allocator_find(const char *name)
{
	for (const hv_guest_allocator *const *each = hv_guest_allocators; *each != NULL; each++)
		if (strcmp((*each)->name, name) == 0)
			return *each;
	return NULL;
}

static hv_err arena_create(hv_vm *self)
{
	const hv_backing *backing = self->config.backing;
	llfree_arena_config config = {
		.memory_bytes = self->config.memory_bytes,
		.backing = backing->kind,
		.small_frames = backing->small_frames,
		.allocator = { .cpus = self->config.n_vcpus, .exact = self->config.exact },
	};
	char path[64];
	int fd = backing->open != NULL ? backing->open(config.memory_bytes) : -1;
	if (backing->open != NULL && fd < 0)
		return HV_ERR_SYSTEM;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd); /* the arena opens a descriptor of its own */
	config.path = fd >= 0 ? path : NULL;
	llfree_err err = llfree_arena_create(&self->arena, &config);
	if (fd >= 0) {
		int why = errno;
		close(fd);
		errno = why;
	}
	if (err != LLFREE_OK)
		return err == LLFREE_ERR_SYSTEM ? HV_ERR_SYSTEM : HV_ERR_LIBRARY;
	self->memory = (hv_memory){ .base = self->arena.memory,
				    .huge_count = self->arena.memory_bytes >> HV_HUGE_SHIFT,
				    .fd = self->arena.memory_fd,
				    .backing = backing };
	return HV_OK;
}

static hv_err ports_create(hv_vm *self)
{
	self->ports_fd = hv_ports_file(self->config.n_vcpus);
	return self->ports_fd >= 0 ? hv_ports_map(&self->ports, self->ports_fd, self->config.n_vcpus) : HV_ERR_SYSTEM;
}

static hv_err vcpus_create(hv_vm *self)
{
	uint32_t n_vcpus = self->config.n_vcpus;
	self->vcpus = calloc(n_vcpus, sizeof(*self->vcpus));
	if (self->vcpus == NULL)
		return HV_ERR_SYSTEM;
	for (uint32_t idx = 0; idx < n_vcpus; idx++) {
		hv_vcpu *vcpu = &self->vcpus[idx];
		vcpu->vm = self;
		vcpu->cpu_idx = idx;
		vcpu->view = self->arena.allocator;
		vcpu->port = (hv_port_guest){ .ports = self->ports,
					      .port_idx = idx,
					      .timeout_ns = self->config.install_timeout_ns };
		vcpu->random = hv_mix(self->config.seed + idx + 1);
		vcpu->max_held = self->memory.huge_count * HV_HUGE_FRAMES;
		/* any vCPU may come to hold all frames; only what is used becomes memory */
		void *held = mmap(NULL, vcpu->max_held * sizeof(*vcpu->held), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (held == MAP_FAILED)
			return HV_ERR_SYSTEM;
		vcpu->held = held;
	}
	return HV_OK;
}

void hv_tuning_defaults(hv_tuning *tuning)
{
	if (tuning->report_batch == 0) {
		tuning->report_order = LLFREE_HUGE_ORDER;
		tuning->report_delay_ns = UINT64_C(2000000000);
		tuning->report_batch = 32;
	}
	if (tuning->block_bytes == 0)
		tuning->block_bytes = HV_HUGE_BYTES;
}

hv_err hv_vm_create(hv_vm *self, const hv_vm_config *config)
{
	memset(self, 0, sizeof(*self));
	self->config = *config;
	hv_tuning_defaults(&self->config.tuning);
	if (config->n_vcpus == 0 || config->n_vcpus > HV_VM_VCPUS_MAX || config->memory_bytes == 0 ||
	    config->memory_bytes % HV_HUGE_BYTES != 0 || config->fill_order > LLFREE_HUGE_ORDER)
		return HV_ERR_INVAL;
	hv_err err = arena_create(self);
	if (err != HV_OK)
		return err;
	self->kernel = (hv_vcpu){ .vm = self, .view = self->arena.allocator };
	self->ports_fd = -1;
	pthread_mutex_init(&self->lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&self->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	err = hv_owners_create(&self->owners, self->memory.huge_count * HV_HUGE_FRAMES);
	if (err == HV_OK && config->allocator->create != NULL)
		err = config->allocator->create(self);
	if (err == HV_OK)
		err = ports_create(self);
	if (err == HV_OK)
		err = vcpus_create(self);
	if (err != HV_OK)
		hv_vm_destroy(self);
	return err;
}

/* Wait for the next job; false when it is to quit. */
static bool next_job(hv_vcpu *vcpu, hv_job *job, uint64_t *fill_max_frames)
{
	hv_vm *vm = vcpu->vm;
	pthread_mutex_lock(&vm->lock);
	vcpu->done = vcpu->begun;
	pthread_cond_broadcast(&vm->changed);
	while (vm->job_number == vcpu->begun)
		pthread_cond_wait(&vm->changed, &vm->lock);
	vcpu->begun = vm->job_number;
	*job = vm->job;
	*fill_max_frames = vm->fill_max_frames;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	return *job != HV_JOB_QUIT;
}

static void *vcpu_thread(void *context)
{
	hv_vcpu *vcpu = context;
	hv_job job;
	uint64_t fill_max_frames;
	while (next_job(vcpu, &job, &fill_max_frames))
		hv_workload_run(vcpu, job, fill_max_frames);
	return NULL;
}

hv_err hv_vm_start(hv_vm *self)
{
	for (uint32_t idx = 0; idx < self->config.n_vcpus; idx++) {
		hv_vcpu *vcpu = &self->vcpus[idx];
		if (pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu) != 0)
			return HV_ERR_SYSTEM;
		vcpu->started = true;
	}
	return HV_OK;
}

void hv_vm_begin(hv_vm *self, hv_job job, uint64_t fill_max_frames)
{
	pthread_mutex_lock(&self->lock);
	self->job = job;
	self->fill_max_frames = fill_max_frames;
	self->job_number++;
	pthread_cond_broadcast(&self->changed);
	for (uint32_t idx = 0; idx < self->config.n_vcpus; idx++)
		while (self->vcpus[idx].started && self->vcpus[idx].begun != self->job_number)
			pthread_cond_wait(&self->changed, &self->lock);
	pthread_mutex_unlock(&self->lock);
}

void hv_vm_wait(hv_vm *self)
{
	pthread_mutex_lock(&self->lock);
	for (uint32_t idx = 0; idx < self->config.n_vcpus; idx++)
		while (self->vcpus[idx].started && self->vcpus[idx].done != self->job_number)
			pthread_cond_wait(&self->changed, &self->lock);
	pthread_mutex_unlock(&self->lock);
}

bool hv_vm_wait_for(hv_vm *self, uint64_t timeout_ns)
{
	uint64_t until_ns = hv_now_ns() + timeout_ns;
	struct timespec until = { (time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u) };
	bool done = true;
	pthread_mutex_lock(&self->lock);
	for (uint32_t idx = 0; idx < self->config.n_vcpus && done; idx++)
		while (done && self->vcpus[idx].started && self->vcpus[idx].done != self->job_number)
			done = pthread_cond_timedwait(&self->changed, &self->lock, &until) == 0;
	pthread_mutex_unlock(&self->lock);
	return done;
}

void hv_vm_stop(hv_vm *self)
{
	if (self->vcpus != NULL)
		hv_vm_begin(self, HV_JOB_QUIT, 0);
	for (uint32_t idx = 0; self->vcpus != NULL && idx < self->config.n_vcpus; idx++) {
		if (self->vcpus[idx].started)
			pthread_join(self->vcpus[idx].thread, NULL);
		self->vcpus[idx].started = false;
	}
	if (self->driver != NULL)
		hv_driver_stop(self->driver);
}

void hv_vm_destroy(hv_vm *self)
{
	hv_vm_stop(self);
	for (uint32_t idx = 0; self->vcpus != NULL && idx < self->config.n_vcpus; idx++)
		if (self->vcpus[idx].held != NULL)
			munmap(self->vcpus[idx].held, self->vcpus[idx].max_held * sizeof(*self->vcpus[idx].held));
	free(self->vcpus);
	self->vcpus = NULL;
	hv_driver_destroy(self->driver);
	self->driver = NULL;
	hv_ports_destroy(self->ports, self->config.n_vcpus);
	if (self->ports_fd >= 0)
		close(self->ports_fd);
	if (self->zone != NULL)
		self->config.allocator->destroy(self);
	self->zone = NULL;
	hv_owners_destroy(&self->owners);
	llfree_arena_destroy(&self->arena);
	pthread_cond_destroy(&self->changed);
	pthread_mutex_destroy(&self->lock);
}

void hv_vm_fill_all(hv_vm *self)
{
	hv_vm_begin(self, HV_JOB_FILL, UINT64_MAX);
	hv_vm_wait(self);
	self->config.allocator->drain(self);
	hv_vm_begin(self, HV_JOB_FILL, UINT64_MAX);
	hv_vm_wait(self);
}

void hv_vm_fill_base(hv_vm *self, uint64_t base_bytes)
{
	hv_vm_begin(self, HV_JOB_FILL, base_bytes / HV_FRAME_BYTES / self->config.n_vcpus);
	hv_vm_wait(self);
	hv_vm_keep_base(self);
}

void hv_vm_keep_base(hv_vm *self)
{
	for (uint32_t idx = 0; idx < self->config.n_vcpus; idx++)
		self->vcpus[idx].base_held = self->vcpus[idx].n_held;
}

hv_err hv_vm_get_fixed(hv_vm *self, unsigned order, uint64_t *frame)
{
	if (self->config.allocator->get_fixed(self, order, frame) != LLFREE_OK)
		return HV_ERR_SHORT;
	hv_owner_set(&self->owners, *frame, (hv_owner){ .kind = HV_OWNER_FIXED });
	atomic_fetch_add_explicit(&self->kernel_frames, UINT64_C(1) << order, memory_order_relaxed);
	return HV_OK;
}

static uint64_t held_frames(hv_vm *self)
{
	uint64_t frames = atomic_load_explicit(&self->kernel_frames, memory_order_relaxed);
	for (uint32_t idx = 0; idx < self->config.n_vcpus; idx++) {
		hv_vcpu *vcpu = &self->vcpus[idx];
		for (size_t at = 0; at < vcpu->n_held; at++) {
			hv_run run = hv_held_lock(&vcpu->held[at]);
			hv_held_unlock(&vcpu->held[at], run);
			frames += UINT64_C(1) << run.order;
		}
	}
	return frames;
}

bool hv_vm_audit(hv_vm *self, bool strict, char *detail, size_t detail_bytes)
{
	uint64_t free_frames = 0, first_bad = UINT64_MAX, frames = self->memory.huge_count * HV_HUGE_FRAMES;
	if (self->driver != NULL && !hv_driver_rest(self->driver)) {
		snprintf(detail, detail_bytes, "the guest's driver does not come to rest");
		return false;
	}
	if (!self->config.allocator->audit(self, &free_frames, &first_bad)) {
		snprintf(detail, detail_bytes, "the allocator's audit fails, first at %" PRIu64, first_bad);
		return false;
	}
	uint64_t held = held_frames(self);
	if (held + free_frames > frames || (strict && held + free_frames != frames)) {
		snprintf(detail, detail_bytes, "%" PRIu64 " frames are held and %" PRIu64 " free, of %" PRIu64, held,
			 free_frames, frames);
		return false;
	}
	return true;
}

hv_vm_outcome hv_vm_result(const hv_vm *self)
{
	hv_vm_outcome sum = { 0 };
	for (uint32_t idx = 0; idx < self->config.n_vcpus; idx++) {
		const hv_vcpu *vcpu = &self->vcpus[idx];
		sum.mismatches += atomic_load_explicit(&vcpu->mismatches, memory_order_relaxed);
		sum.frees_refused += atomic_load_explicit(&vcpu->frees_refused, memory_order_relaxed);
		sum.installs_failed += atomic_load_explicit(&vcpu->installs_failed, memory_order_relaxed);
		sum.frames_written += atomic_load_explicit(&vcpu->frames_written, memory_order_relaxed);
		sum.rounds += atomic_load_explicit(&vcpu->rounds, memory_order_relaxed);
	}
	return sum;
}
