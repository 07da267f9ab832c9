/* SPDX-License-Identifier: MIT
 *
 * Discrete events: every core has a clock; the one whose clock is behind all others runs to its next atomic operation,
 * pays for it, and lets the next one run. The operation takes place when its core's turn comes again, so the order of
 * operations is that of the clocks: a compare-exchange loses exactly if another core's came between.
 * A cache line is with one core that may write, or with any number that read. Who needs it and has not got it waits
 * until it is free, then for its way; so the cores that want one line stand in a queue. */
#include "scale_machine.h"

#include <llfree/llfree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "bench_rng.h"
#include "co.h"

enum { STACK_BYTES = 64 * 1024, CORE_WORDS = SCALE_MAX_CORES / 64, NO_OWNER = -1 };

typedef struct line {
	double free_ns;
	uint64_t readers[CORE_WORDS]; /* cores that have it */
	int16_t owner;                /* the one that may write it, NO_OWNER: none */
	int16_t last;                 /* where it comes from */
} line;

typedef struct core {
	t_co *co;
	double now_ns, mark_ns;
	uint64_t *frames;
	bench_rng rng;
	bool done, failed;
} core;

typedef struct machine {
	const scale_run *run;
	core cores[SCALE_MAX_CORES];
	uint32_t current;
	bool running; /* inside the coroutines: atomic operations cost */
	/* the zones' metadata, one behind the other, and the state of its lines */
	unsigned char *regions;
	size_t region_bytes;
	line *lines;
	llfree_t zones[SCALE_MAX_NODES];
	uint64_t won, lost, transfers, events[LLF_EVENTS];
	double waits_ns, get_ns, put_ns;
} machine;

static machine *sim; /* of the run that is on; the core's scheduling points have no context */

static uint32_t node_of(uint32_t core_idx)
{
	return (uint32_t)((uint64_t)core_idx * sim->run->nodes / sim->run->cores);
}

/* The core that is behind all others goes on. Cores of equal time take turns by number. */
static void next_core(void)
{
	uint32_t from = sim->current, next = UINT32_MAX;

	for (uint32_t i = 0; i < sim->run->cores; i++) {
		if (!sim->cores[i].done && (next == UINT32_MAX || sim->cores[i].now_ns < sim->cores[next].now_ns))
			next = i;
	}
	if (next == from)
		return;
	if (next == UINT32_MAX) {
		sim->running = false;
		t_co_switch(sim->cores[from].co, t_co_main());
		return;
	}
	sim->current = next;
	t_co_switch(sim->cores[from].co, sim->cores[next].co);
}

static double way_ns(const line *at, uint32_t core_idx)
{
	const scale_costs *costs = &sim->run->costs;

	if (at->last < 0)
		return costs->line_ns; /* from memory: as from another core */
	return node_of((uint32_t)at->last) == node_of(core_idx) ? costs->line_ns : costs->remote_ns;
}

/* The line comes to this core. */
static void fetch(core *self, line *at)
{
	double start = at->free_ns > self->now_ns ? at->free_ns : self->now_ns;

	sim->waits_ns += start - self->now_ns;
	self->now_ns = start + way_ns(at, sim->current);
	sim->transfers++;
	at->last = (int16_t)sim->current;
}

static void touch(line *at, bool writes)
{
	core *self = &sim->cores[sim->current];
	uint64_t bit = UINT64_C(1) << sim->current % 64, *readers = &at->readers[sim->current / 64];
	const scale_costs *costs = &sim->run->costs;

	if (!writes) {
		if (!(*readers & bit))
			fetch(self, at);
		if (at->owner != (int16_t)sim->current)
			at->owner = NO_OWNER;
		*readers |= bit;
		self->now_ns += costs->load_ns;
	} else {
		if (at->owner != (int16_t)sim->current)
			fetch(self, at);
		memset(at->readers, 0, sizeof(at->readers));
		*readers = bit;
		at->owner = (int16_t)sim->current;
		self->now_ns += costs->cas_ns;
	}
	if (self->now_ns > at->free_ns)
		at->free_ns = self->now_ns;
}

void llf_sched_point(const void *cell, int kind)
{
	size_t at = (size_t)((const unsigned char *)cell - sim->regions);

	if (!sim->running)
		return;
	if (at >= sim->region_bytes)
		abort(); /* the core has no other shared words */
	touch(&sim->lines[at / LLFREE_CACHE_LINE], kind != LLF_SCHED_LOAD);
	next_core();
}

void llf_count_cas(const void *cell, bool won)
{
	(void)cell;
	sim->won += sim->running && won;
	sim->lost += sim->running && !won;
}

void llf_count_event(int event)
{
	sim->events[event] += sim->running;
}

/* --- what the cores do ------------------------------------------------------------------------------------------ */

static const llfree_t *zone_of(uint32_t core_idx)
{
	return &sim->zones[sim->run->zones > 1 ? node_of(core_idx) : 0];
}

/* One allocator for all nodes knows nothing of them: those who share a slot may be of different ones. */
static llfree_request request_of(uint32_t core_idx)
{
	const scale_run *run = sim->run;
	uint8_t class_idx = run->order >= LLFREE_HUGE_ORDER ? LLFREE_CLASS_HUGE : LLFREE_CLASS_MOVABLE;

	uint32_t slots = (run->cores + run->cores_per_slot - 1) / run->cores_per_slot;
	uint32_t slot = run->zones > 1 ? core_idx / run->cores_per_slot : core_idx % slots;

	return (llfree_request){ slot, (uint8_t)run->order, class_idx };
}

static void do_get(uint32_t core_idx, uint64_t *frame)
{
	core *self = &sim->cores[core_idx];
	double begin = self->now_ns;

	self->failed |= llfree_get(zone_of(core_idx), request_of(core_idx), frame) != LLFREE_OK;
	self->now_ns += sim->run->costs.work_ns;
	sim->get_ns += self->now_ns - begin;
}

static void do_put(uint32_t core_idx, uint64_t frame)
{
	core *self = &sim->cores[core_idx];
	double begin = self->now_ns;

	self->failed |= llfree_put(zone_of(core_idx), request_of(core_idx), frame) != LLFREE_OK;
	self->now_ns += sim->run->costs.work_ns;
	sim->put_ns += self->now_ns - begin;
}

static void run_core(void *argument)
{
	core *self = argument;
	uint32_t core_idx = (uint32_t)(self - sim->cores);
	uint64_t ops = sim->run->ops;

	for (uint64_t i = 0; i < ops && !self->failed; i++) {
		if (sim->run->load == SCALE_REPEAT) {
			do_get(core_idx, &self->frames[0]);
			if (!self->failed)
				do_put(core_idx, self->frames[0]);
		} else if (sim->run->load == SCALE_RAND) {
			uint64_t *frame = &self->frames[bench_rng_below(&self->rng, ops)];

			do_put(core_idx, *frame);
			if (!self->failed)
				do_get(core_idx, frame);
		} else {
			do_get(core_idx, &self->frames[i]);
		}
	}
	for (uint64_t i = 0; i < ops && !self->failed && sim->run->load == SCALE_BULK; i++)
		do_put(core_idx, self->frames[i]);
	self->done = true;
	next_core();
}

/* --- a run ------------------------------------------------------------------------------------------------------ */

static bool make_zones(machine *self)
{
	const scale_run *run = self->run;
	llfree_config config = { .frames = run->frames / run->zones / LLFREE_TREE_FRAMES * LLFREE_TREE_FRAMES,
				 .cpus = (run->cores + run->cores_per_slot - 1) / run->cores_per_slot,
				 .exact = run->exact };
	size_t one_bytes = llfree_metadata_bytes(&config);

	self->region_bytes = one_bytes * run->zones;
	self->regions = one_bytes ? aligned_alloc(LLFREE_CACHE_LINE, self->region_bytes) : NULL;
	self->lines = calloc(self->region_bytes / LLFREE_CACHE_LINE + 1, sizeof(line));
	if (!self->regions || !self->lines)
		return false;
	for (size_t i = 0; i <= self->region_bytes / LLFREE_CACHE_LINE; i++)
		self->lines[i].owner = self->lines[i].last = NO_OWNER;
	for (uint32_t i = 0; i < run->zones; i++) {
		if (llfree_init(&self->zones[i], &config, self->regions + i * one_bytes, one_bytes, false) != LLFREE_OK)
			return false;
	}
	return true;
}

static bool make_cores(machine *self)
{
	for (uint32_t i = 0; i < self->run->cores; i++) {
		core *each = &self->cores[i];

		each->co = t_co_new(STACK_BYTES);
		each->frames = calloc(self->run->ops, sizeof(uint64_t));
		each->rng = bench_rng_make(self->run->seed, i);
		each->now_ns = (double)bench_rng_below(&each->rng, 1000) / 10; /* nobody starts in step */
		if (!each->frames)
			return false;
		/* rand begins with its memory allocated, in the order of a mixture of cores */
		for (uint64_t op = 0; self->run->load == SCALE_RAND && op < self->run->ops; op++)
			do_get(i, &each->frames[op]);
		if (each->failed)
			return false;
		t_co_prepare(each->co, run_core, each);
	}
	self->get_ns = 0;
	return true;
}

static void report(const machine *self, scale_result *result)
{
	double ops = (double)self->run->ops * self->run->cores, both = 2 * ops;

	*result = (scale_result){ .get_ns = self->get_ns / ops,
				  .put_ns = self->put_ns / ops,
				  .cas = (double)self->won / both,
				  .retries = (double)self->lost / both,
				  .transfers = (double)self->transfers / both,
				  .waits_ns = self->waits_ns / both,
				  .refills = (double)self->events[LLF_EVENT_REFILL] / ops,
				  .put_misses = (double)self->events[LLF_EVENT_PUT_MISS] / ops,
				  .searches = (double)self->events[LLF_EVENT_SEARCH] / ops,
				  .sweeps = (double)self->events[LLF_EVENT_SWEEP] / ops };
}

bool scale_machine_run(const scale_run *run, scale_result *result)
{
	bool ok;

	sim = calloc(1, sizeof(*sim));
	if (!sim)
		return false;
	sim->run = run;
	ok = make_zones(sim) && make_cores(sim);
	if (ok) {
		sim->running = true;
		sim->current = 0;
		t_co_switch(t_co_main(), sim->cores[0].co);
		for (uint32_t i = 0; i < run->cores; i++)
			ok &= !sim->cores[i].failed;
		report(sim, result);
	}
	for (uint32_t i = 0; i < run->cores; i++) {
		if (sim->cores[i].co)
			t_co_free(sim->cores[i].co);
		free(sim->cores[i].frames);
	}
	free(sim->regions);
	free(sim->lines);
	free(sim);
	sim = NULL;
	return ok;
}
