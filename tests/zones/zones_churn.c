/* SPDX-License-Identifier: MIT
 *
 * A zone is added and removed over and over beside eight allocating threads. Each thread stamps its frames and checks
 * the stamps when it puts them: a frame with two owners, or one whose memory went, shows. Removal is honest: while
 * frames are owned it refuses; then the zone goes offline, the threads put what they have of it, and it goes. At the
 * end every frame is back.
 * Usage: zones_churn [CYCLES] */
#include <llfree/zones.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/t_rand.h"

enum { THREADS = 8, HELD = 96, FIXED_MIB = 48, GUEST_MIB = 16, CYCLES = 1000 };

typedef struct worker {
	pthread_t thread;
	uint32_t idx;
	uint64_t frames[HELD], operations, guest_frames;
	uint8_t orders[HELD];
} worker;

static llfree_zones *zones;
static worker workers[THREADS];
static uint32_t stop, leaving; /* atomic; leaving: the zone whose frames are to be put, 0 = none */

static void die(const char *what, uint64_t value)
{
	fprintf(stderr, "zones_churn: %s (%llx)\n", what, (unsigned long long)value);
	abort();
}

static uint64_t stamp_of(const worker *self, uint64_t frame)
{
	return frame * UINT64_C(0x9e3779b97f4a7c15) ^ (self->idx + 1);
}

static void release(worker *self, unsigned i)
{
	uint64_t frame = self->frames[i];
	uint64_t *memory = llfree_zones_address(zones, frame);
	if (!memory || *memory != stamp_of(self, frame))
		die("a frame's contents changed while it was owned", frame);
	*memory = 0;
	llfree_request request = { .cpu = self->idx * 2, .order = self->orders[i], .class_idx = LLFREE_CLASS_MOVABLE };
	llfree_err err = llfree_zones_put(zones, request, frame);
	if (err)
		die(llfree_err_text(err), frame);
	self->frames[i] = 0;
}

static void acquire(worker *self, unsigned i, t_rand *rand)
{
	static const uint8_t orders[8] = { 0, 0, 0, 0, 0, 1, 3, 9 };
	uint8_t order = orders[t_rand_below(rand, 8)];
	if (order == 9 && t_rand_below(rand, 16))
		order = 0;
	llfree_request request = { .cpu = self->idx * 2, .order = order, .class_idx = LLFREE_CLASS_MOVABLE };
	uint64_t frame;
	llfree_err err = llfree_zones_get(zones, request, &frame);
	if (err == LLFREE_ERR_NOMEM && order)
		return;
	if (err)
		die(llfree_err_text(err), order);
	uint64_t *memory = llfree_zones_address(zones, frame);
	if (!memory)
		die("no memory behind a frame that was just got", frame);
	*memory = stamp_of(self, frame);
	self->frames[i] = frame;
	self->orders[i] = order;
	self->guest_frames += llfree_zone_of(frame) % LLFREE_ZONES_MAX != 0;
}

static void *work(void *argument)
{
	worker *self = argument;
	t_rand rand = { t_seed(1) + self->idx };
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		uint32_t zone_id = __atomic_load_n(&leaving, __ATOMIC_ACQUIRE);
		for (unsigned i = 0; zone_id && i < HELD; i++) {
			if (self->frames[i] && llfree_zone_of(self->frames[i]) == zone_id)
				release(self, i);
		}
		unsigned i = (unsigned)t_rand_below(&rand, HELD);
		if (self->frames[i])
			release(self, i);
		else
			acquire(self, i, &rand);
		__atomic_store_n(&self->operations, self->operations + 1, __ATOMIC_RELAXED);
		if (self->operations % 64 == 0) /* more threads than cores: all of them get on */
			sched_yield();
	}
	for (unsigned i = 0; i < HELD; i++) {
		if (self->frames[i])
			release(self, i);
	}
	return NULL;
}

/* Until the threads together have done some operations since. */
static void let_them_work(uint64_t operations)
{
	uint64_t begin = 0, now = 0;
	for (unsigned i = 0; i < THREADS; i++)
		begin += __atomic_load_n(&workers[i].operations, __ATOMIC_RELAXED);
	while (now < begin + operations) {
		sched_yield();
		now = 0;
		for (unsigned i = 0; i < THREADS; i++)
			now += __atomic_load_n(&workers[i].operations, __ATOMIC_RELAXED);
	}
}

static uint64_t cycle(uint32_t node)
{
	llfree_zone_config config = { .node = node, .arena.memory_bytes = (uint64_t)GUEST_MIB << 20 };
	uint32_t zone_id;
	uint64_t refused = 0, owned;
	llfree_err err = llfree_zones_add(zones, &config, &zone_id);
	if (err)
		die(llfree_err_text(err), 0);
	let_them_work(500);
	while ((err = llfree_zones_remove(zones, zone_id, NULL, NULL, &owned)) == LLFREE_ERR_STATE) {
		if (!owned)
			die("refused although nothing is owned", zone_id);
		if (refused++ == 0) /* gets go elsewhere, what is owned is put */
			err = llfree_zones_offline(zones, zone_id, NULL);
		if (err && err != LLFREE_ERR_STATE)
			die(llfree_err_text(err), zone_id);
		__atomic_store_n(&leaving, zone_id, __ATOMIC_RELEASE);
		let_them_work(50);
	}
	if (err || owned)
		die(llfree_err_text(err), owned);
	__atomic_store_n(&leaving, 0, __ATOMIC_RELEASE);
	return refused;
}

static void add_fixed(uint32_t node)
{
	llfree_zone_config config = { .node = node, .arena.memory_bytes = (uint64_t)FIXED_MIB << 20 };
	uint32_t zone_id;
	llfree_err err = llfree_zones_add(zones, &config, &zone_id);
	if (err)
		die(llfree_err_text(err), node);
}

static void check_all_free(void)
{
	uint32_t ids[LLFREE_ZONES_MAX];
	size_t n_zones = llfree_zones_list(zones, ids, LLFREE_ZONES_MAX);
	if (n_zones != 1)
		die("zones that should be gone are there", n_zones);
	llfree_audit_report report;
	const llfree_arena *arena = llfree_zones_arena(zones, ids[0]);
	if (!llfree_audit(&arena->allocator, &report) || report.free_frames != arena->allocator.frames)
		die("frames lost", arena->allocator.frames - report.free_frames);
}

int main(int argc, char **argv)
{
	unsigned long cycles = argc > 1 ? strtoul(argv[1], NULL, 0) : CYCLES;
	uint64_t refused = 0, operations = 0, guest_frames = 0;
	llfree_err err = llfree_zones_create(&zones, &(llfree_zones_config){ .synthetic = "numa:2 l3:1 core:4 pu:2" });
	if (err || cycles < 1) {
		fprintf(stderr, "usage: zones_churn [CYCLES], at least 1\n");
		return 2;
	}
	printf("seed %llu, %lu cycles\n", (unsigned long long)t_seed(1), cycles);
	add_fixed(0);
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i].idx = i;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			die("pthread_create", i);
	}
	for (unsigned long i = 0; i < cycles; i++)
		refused += cycle(i % 2);
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		operations += workers[i].operations;
		guest_frames += workers[i].guest_frames;
	}
	check_all_free();
	llfree_zones_destroy(zones);
	printf("%lu zones added and removed, %llu removals refused first, %llu operations, %llu gets from such a zone, "
	       "no frame lost\n",
	       cycles, (unsigned long long)refused, (unsigned long long)operations, (unsigned long long)guest_frames);
	if (!guest_frames) {
		fprintf(stderr, "zones_churn: no thread ever got a frame of a zone that came and went\n");
		return 1;
	}
	return 0;
}
