/* SPDX-License-Identifier: MIT
 *
 * The driver, one state per vCPU; see dma_driver.h. A round: allocate a buffer per lane, write what shall be carried at
 * its source and something else at its destination, transfer all lanes at once, wait, check the destinations, free. */
#define _GNU_SOURCE
#include "device/dma_driver.h"
#include "base/hv_socket.h"
#include "guest/pattern.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	LANES = HV_DMA_LANES,
	LANE_ORDER_MAX = HV_DMA_LANE_ORDER_MAX,
	LANE_BYTES = HV_DMA_LANE_BYTES,
	LANE_FRAMES = 1 << LANE_ORDER_MAX,
	MEDIUM_BYTES = HV_DMA_MEDIUM_BYTES,
	PARKED_MAX = 16,     /* huge runs kept for a while, so that others come into use */
	HUNT_MAX = 256,      /* huge frames tried for one that the window shows */
	WINDOW_ROUNDS = 128, /* between two rests with all of the window free */
	REST_MS = 20         /* 1, 2, 4 or 8 times that: a report waits for as long, a balloon takes longer */
};

typedef struct dma_lane {
	hv_dma_transfer transfer;
	uint64_t frame;
	unsigned order;
	uint64_t key;
} dma_lane;

typedef struct cpu_driver {
	dma_lane lanes[LANES];
	hv_dma_transfer abandoned;
	uint64_t parked[PARKED_MAX]; /* first frame of a huge run, plus 1; 0 = none */
	int medium_fd;
	bool medium_owned;
	uint8_t *medium; /* as the CPU sees it */
	uint64_t n_keys, n_rounds, random;
	/* outcome; one writer, read beside it */
	_Atomic uint64_t transfers, stale_writes, stale_reads, unmapped, errors, n_abandoned, outside;
} cpu_driver;

struct hv_dma_driver {
	hv_dma_link link;
	hv_vm *vm;
	bool whole; /* the device sees all of the memory */
	cpu_driver *cpus;
	uint32_t n_cpus;
};

static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

static uint64_t *frame_words(const hv_vm *vm, uint64_t frame)
{
	return (uint64_t *)(void *)(vm->memory.base + frame * HV_FRAME_BYTES);
}

static uint64_t *medium_words(const cpu_driver *cpu, size_t lane_idx, uint64_t frame)
{
	return (uint64_t *)(void *)(cpu->medium + lane_idx * LANE_BYTES + frame * HV_FRAME_BYTES);
}

/* No two transfers carry the same pattern, nor does anything that lies at a destination before. */
static uint64_t key_next(const hv_vcpu *vcpu, cpu_driver *cpu)
{
	return hv_mix(vcpu->vm->config.seed ^ UINT64_C(0xd3a) << 48 ^ (uint64_t)vcpu->cpu_idx << 40) +
	       ++cpu->n_keys * (2 * LANE_FRAMES);
}

/* A buffer is pinned by its driver: nobody may migrate it. */
static llfree_err run_get(hv_vcpu *vcpu, unsigned order, uint64_t *frame)
{
	llfree_err err = vcpu->vm->config.allocator->get(vcpu, order, frame);
	if (err == LLFREE_OK)
		hv_owner_set(&vcpu->vm->owners, *frame, (hv_owner){ .kind = HV_OWNER_FIXED });
	return err;
}

static void run_put(hv_vcpu *vcpu, unsigned order, uint64_t frame)
{
	hv_owner_set(&vcpu->vm->owners, frame, (hv_owner){ .kind = HV_OWNER_NONE });
	if (vcpu->vm->config.allocator->put(vcpu, order, frame) != LLFREE_OK)
		count(&vcpu->frees_refused);
}

/* Source and destination get their patterns; the CPU touches all of the buffer. */
static void lane_prepare(hv_dma_driver *self, hv_vcpu *vcpu, cpu_driver *cpu, size_t at)
{
	dma_lane *lane = &cpu->lanes[at];
	uint64_t key = key_next(vcpu, cpu), other = key_next(vcpu, cpu);
	bool to_memory = hv_random(&cpu->random) & 1;
	for (uint64_t each = 0; each < UINT64_C(1) << lane->order; each++) {
		hv_pattern_write(frame_words(self->vm, lane->frame + each), hv_mix((to_memory ? other : key) + each));
		hv_pattern_write(medium_words(cpu, at, each), hv_mix((to_memory ? key : other) + each));
	}
	lane->key = key;
	lane->transfer = (hv_dma_transfer){
		.direction = to_memory ? HV_DMA_WRITES_MEMORY : HV_DMA_READS_MEMORY,
		.memory_offset = lane->frame * HV_FRAME_BYTES,
		.bytes = (uint32_t)HV_FRAME_BYTES << lane->order,
		.medium_fd = cpu->medium_fd,
		.medium_offset = at * LANE_BYTES,
		.queued = hv_random(&cpu->random) % 8 == 0,
	};
}

static void lane_check(hv_dma_driver *self, const hv_vcpu *vcpu, cpu_driver *cpu, size_t at)
{
	dma_lane *lane = &cpu->lanes[at];
	bool to_memory = lane->transfer.direction == HV_DMA_WRITES_MEMORY, fresh = true;
	self->link.wait(self->link.context, vcpu->cpu_idx, &lane->transfer);
	count(&cpu->transfers);
	if (lane->transfer.result != (int32_t)lane->transfer.bytes) {
		count(lane->transfer.result == -EFAULT ? &cpu->unmapped : &cpu->errors);
		return;
	}
	for (uint64_t each = 0; each < UINT64_C(1) << lane->order; each++)
		fresh = hv_pattern_check(to_memory ? frame_words(self->vm, lane->frame + each)
						   : medium_words(cpu, at, each),
					 hv_mix(lane->key + each)) &&
			fresh;
	if (!fresh)
		count(to_memory ? &cpu->stale_writes : &cpu->stale_reads);
}

static void device_rest(void *context, hv_vcpu *vcpu);

/* A huge run that the device sees; those that it does not see are kept until one is found, then freed. */
static bool huge_get(hv_dma_driver *self, hv_vcpu *vcpu, cpu_driver *cpu, uint64_t *frame)
{
	uint64_t tried[HUNT_MAX];
	size_t n_tried = 0;
	bool found = false;
	while (!found && n_tried < HUNT_MAX && run_get(vcpu, LLFREE_HUGE_ORDER, frame) == LLFREE_OK) {
		found = hv_dma_window_sees(self->vm->memory.huge_count, self->link.window_huge,
					   *frame / HV_HUGE_FRAMES);
		if (!found) {
			tried[n_tried++] = *frame;
			count(&cpu->outside);
		}
	}
	while (n_tried > 0)
		run_put(vcpu, LLFREE_HUGE_ORDER, tried[--n_tried]);
	if (!found) /* what there is may be parked */
		device_rest(self, vcpu);
	return found;
}

/* A buffer in each lane, each a run of its own. @return how many there are */
static size_t lanes_get_runs(hv_vcpu *vcpu, cpu_driver *cpu)
{
	size_t n_lanes = 0;
	while (n_lanes < LANES) {
		dma_lane *lane = &cpu->lanes[n_lanes];
		lane->order = (unsigned)hv_random(&cpu->random) % (LANE_ORDER_MAX + 1);
		if (run_get(vcpu, lane->order, &lane->frame) != LLFREE_OK)
			break;
		n_lanes++;
	}
	return n_lanes;
}

/* All lanes in one huge run, at places of their own. */
static size_t lanes_share(cpu_driver *cpu, uint64_t huge_frame)
{
	uint64_t shift = hv_random(&cpu->random);
	for (size_t at = 0; at < LANES; at++) {
		dma_lane *lane = &cpu->lanes[at];
		lane->order = (unsigned)hv_random(&cpu->random) % (LANE_ORDER_MAX + 1);
		lane->frame = huge_frame + (at + shift) % (HV_HUGE_FRAMES / LANE_FRAMES) * LANE_FRAMES;
	}
	return LANES;
}

static void lanes_transfer(hv_dma_driver *self, hv_vcpu *vcpu, cpu_driver *cpu, size_t n_lanes)
{
	hv_dma_transfer *transfers[LANES];
	for (size_t at = 0; at < n_lanes; at++) {
		lane_prepare(self, vcpu, cpu, at);
		transfers[at] = &cpu->lanes[at].transfer;
	}
	if (n_lanes == 0)
		return;
	if (self->link.submit(self->link.context, vcpu->cpu_idx, transfers, n_lanes) != HV_OK) {
		count(&cpu->errors);
		return;
	}
	for (size_t at = 0; at < n_lanes; at++)
		lane_check(self, vcpu, cpu, at);
}

/* The whole huge run is sent, slowly, and freed before that is over. */
static void abandon(hv_dma_driver *self, const hv_vcpu *vcpu, cpu_driver *cpu, uint64_t huge_frame)
{
	hv_dma_transfer *transfer = &cpu->abandoned;
	if (hv_dma_transfer_state(transfer) == HV_DMA_IN_FLIGHT)
		return;
	*transfer = (hv_dma_transfer){ .direction = HV_DMA_READS_MEMORY,
				       .memory_offset = huge_frame * HV_FRAME_BYTES,
				       .bytes = HV_HUGE_BYTES,
				       .medium_fd = cpu->medium_fd,
				       .medium_offset = LANES * LANE_BYTES,
				       .queued = true };
	if (self->link.submit(self->link.context, vcpu->cpu_idx, &transfer, 1) == HV_OK)
		count(&cpu->n_abandoned);
	else
		count(&cpu->errors);
}

/* Keep a huge run instead of one that was kept until now, which is freed, at times beside a transfer. */
static void park(hv_dma_driver *self, hv_vcpu *vcpu, cpu_driver *cpu, uint64_t huge_frame)
{
	uint64_t dice = hv_random(&cpu->random);
	uint64_t *place = &cpu->parked[(dice >> 8) % PARKED_MAX];
	if (*place != 0) {
		if (dice % 4 == 0)
			abandon(self, vcpu, cpu, *place - 1);
		run_put(vcpu, LLFREE_HUGE_ORDER, *place - 1);
	}
	*place = huge_frame + 1;
}

/* One of the few that the window shows; they are to be reclaimed, not kept, and now and then there is time for it. */
static void window_round(hv_dma_driver *self, hv_vcpu *vcpu, cpu_driver *cpu, uint64_t dice)
{
	uint64_t huge_frame;
	if (++cpu->n_rounds % WINDOW_ROUNDS == 0) {
		vcpu->vm->config.allocator->drain(vcpu->vm);
		hv_sleep_ns(((uint64_t)REST_MS << (dice >> 32) % 4) * 1000000u);
	}
	if (!huge_get(self, vcpu, cpu, &huge_frame))
		return;
	lanes_transfer(self, vcpu, cpu, lanes_share(cpu, huge_frame));
	if (dice % 4 == 0)
		abandon(self, vcpu, cpu, huge_frame);
	run_put(vcpu, LLFREE_HUGE_ORDER, huge_frame);
}

static void device_round(void *context, hv_vcpu *vcpu)
{
	hv_dma_driver *self = context;
	cpu_driver *cpu = &self->cpus[vcpu->cpu_idx];
	uint64_t huge_frame, dice = hv_random(&cpu->random);
	if ((dice >> 8) % 64 == 0)
		vcpu->vm->config.allocator->drain(vcpu->vm);
	if (!self->whole) {
		window_round(self, vcpu, cpu, dice);
		return;
	}
	if (dice % 4 == 0) {
		if (!huge_get(self, vcpu, cpu, &huge_frame))
			return;
		lanes_transfer(self, vcpu, cpu, lanes_share(cpu, huge_frame));
		park(self, vcpu, cpu, huge_frame);
		return;
	}
	size_t n_lanes = lanes_get_runs(vcpu, cpu);
	lanes_transfer(self, vcpu, cpu, n_lanes);
	for (size_t at = 0; at < n_lanes; at++)
		run_put(vcpu, cpu->lanes[at].order, cpu->lanes[at].frame);
}

static void device_rest(void *context, hv_vcpu *vcpu)
{
	hv_dma_driver *self = context;
	cpu_driver *cpu = &self->cpus[vcpu->cpu_idx];
	for (size_t at = 0; at < PARKED_MAX; at++) {
		if (cpu->parked[at] != 0)
			run_put(vcpu, LLFREE_HUGE_ORDER, cpu->parked[at] - 1);
		cpu->parked[at] = 0;
	}
	self->link.wait(self->link.context, vcpu->cpu_idx, &cpu->abandoned);
}

/* medium_fd: -1 = the driver makes it */
static hv_err cpu_open(cpu_driver *cpu, uint64_t seed, int medium_fd)
{
	cpu->random = seed;
	cpu->medium_owned = medium_fd < 0;
	cpu->medium_fd = medium_fd >= 0 ? medium_fd : hv_shared_file("hv-dma-medium", MEDIUM_BYTES);
	if (cpu->medium_fd < 0)
		return HV_ERR_SYSTEM;
	void *medium = mmap(NULL, MEDIUM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->medium_fd, 0);
	if (medium == MAP_FAILED)
		return HV_ERR_SYSTEM;
	cpu->medium = medium;
	return HV_OK;
}

hv_err hv_dma_driver_create(hv_dma_driver **driver, const hv_dma_link *link, hv_vm *vm,
			    int (*medium_fd)(void *context, uint32_t cpu_idx), void *context)
{
	uint32_t n_cpus = vm->config.n_vcpus;
	hv_dma_driver *self = calloc(1, sizeof(*self));
	cpu_driver *cpus = calloc(n_cpus, sizeof(*cpus));
	*driver = NULL;
	if (self == NULL || cpus == NULL) {
		free(self);
		free(cpus);
		return HV_ERR_SYSTEM;
	}
	*self = (hv_dma_driver){ *link, vm, link->window_huge == vm->memory.huge_count, cpus, n_cpus };
	for (uint32_t idx = 0; idx < n_cpus; idx++)
		cpus[idx].medium_fd = -1;
	hv_err err = HV_OK;
	for (uint32_t idx = 0; idx < n_cpus && err == HV_OK; idx++)
		err = cpu_open(&cpus[idx], hv_mix(vm->config.seed + 1000 + idx),
			       medium_fd != NULL ? medium_fd(context, idx) : -1);
	if (err != HV_OK) {
		hv_dma_driver_destroy(self);
		return err;
	}
	vm->device_round = device_round;
	vm->device_rest = device_rest;
	vm->device_context = self;
	*driver = self;
	return HV_OK;
}

void hv_dma_driver_destroy(hv_dma_driver *self)
{
	if (self == NULL)
		return;
	for (uint32_t idx = 0; idx < self->n_cpus; idx++) {
		cpu_driver *cpu = &self->cpus[idx];
		self->link.wait(self->link.context, idx, &cpu->abandoned);
		if (cpu->medium != NULL)
			munmap(cpu->medium, MEDIUM_BYTES);
		if (cpu->medium_fd >= 0 && cpu->medium_owned)
			close(cpu->medium_fd);
	}
	free(self->cpus);
	free(self);
}

hv_dma_outcome hv_dma_driver_result(const hv_dma_driver *self)
{
	hv_dma_outcome sum = { 0 };
	for (uint32_t idx = 0; idx < self->n_cpus; idx++) {
		const cpu_driver *cpu = &self->cpus[idx];
		sum.transfers += atomic_load_explicit(&cpu->transfers, memory_order_relaxed);
		sum.stale_writes += atomic_load_explicit(&cpu->stale_writes, memory_order_relaxed);
		sum.stale_reads += atomic_load_explicit(&cpu->stale_reads, memory_order_relaxed);
		sum.unmapped += atomic_load_explicit(&cpu->unmapped, memory_order_relaxed);
		sum.errors += atomic_load_explicit(&cpu->errors, memory_order_relaxed);
		sum.abandoned += atomic_load_explicit(&cpu->n_abandoned, memory_order_relaxed);
		sum.outside += atomic_load_explicit(&cpu->outside, memory_order_relaxed);
	}
	return sum;
}
