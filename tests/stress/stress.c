/* SPDX-License-Identifier: MIT
 *
 * 32 threads: gets and puts of all orders and classes, batches, handles, drains, trees offline and online, and a host
 * that reclaims, returns and installs. Every frame has an owner cell that is exchanged when it is got and put: two
 * owners meet there. Its contents are a plain word, so that the thread sanitizer sees a hand-over without order. At the
 * end all is put back, audited, and must be free. usage: stress [--fast|--exact] [--threads N] [--operations N] [--seed
 * N] */
#define _POSIX_C_SOURCE 200809L
#include <llfree/handle.h>
#include <llfree/host.h>
#include <llfree/llfree.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/t_rand.h"

enum { TREES = 12, FRAMES = TREES * LLFREE_TREE_FRAMES + 700, HUGE = FRAMES / 512, HELD = 64, CPUS = 8 };

typedef enum { R_INSTALLED, R_BUSY, R_SOFT, R_HARD } host_record;

typedef struct {
	pthread_t thread;
	unsigned idx;
	t_rand rand;
	uint64_t operations, gets, refused;
	llfree_handle handle;
	struct {
		uint64_t frame;
		unsigned order;
	} held[HELD];
	unsigned n_held;
} worker;

static struct {
	llfree_t a;
	uint32_t owner[FRAMES]; /* thread + 1 */
	uint32_t record[HUGE + 1];
	uint32_t contents[FRAMES]; /* plain words, as the memory of a frame: put must happen before the next get */
	uint32_t failed;
	unsigned n_threads;
	uint64_t operations, seed;
} stress;

static void fail(const char *what, uint64_t frame, uint64_t detail)
{
	if (!__atomic_exchange_n(&stress.failed, 1, __ATOMIC_SEQ_CST))
		fprintf(stderr, "stress: seed %llu: %s: frame %llu (%llu)\n", (unsigned long long)stress.seed, what,
			(unsigned long long)frame, (unsigned long long)detail);
}

static bool failed(void)
{
	return __atomic_load_n(&stress.failed, __ATOMIC_RELAXED);
}

/* --- host --------------------------------------------------------------------------------------------------------- */

static bool record_change(uint64_t huge, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(&stress.record[huge], &from, to, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static void record_set(uint64_t huge, uint32_t to)
{
	__atomic_store_n(&stress.record[huge], to, __ATOMIC_RELEASE);
}

/* Called by gets: waits while the monitor is busy with this huge frame, as a real request does. */
static bool install(void *context, uint64_t huge)
{
	(void)context;
	for (;;) {
		uint32_t record = __atomic_load_n(&stress.record[huge], __ATOMIC_ACQUIRE);
		if (record == R_INSTALLED)
			return true; /* someone else's request was served */
		if (record == R_HARD) {
			fail("H1: install of a hard-reclaimed huge frame", huge, record);
			return false;
		}
		if (record == R_SOFT && record_change(huge, R_SOFT, R_BUSY)) {
			llfree_err err = llfree_install(&stress.a, huge);
			if (err != LLFREE_OK)
				fail("install", huge, err);
			record_set(huge, R_INSTALLED);
			return true;
		}
		(void)sched_yield();
	}
}

static void check_unowned(uint64_t huge)
{
	for (uint64_t frame = huge * 512; frame < huge * 512 + 512; frame++) {
		uint32_t owner = __atomic_load_n(&stress.owner[frame], __ATOMIC_RELAXED);
		if (owner)
			fail("H1: discarded while owned", frame, owner);
	}
}

static void host_step(worker *self)
{
	uint64_t huge = t_rand_below(&self->rand, HUGE);
	uint32_t record = __atomic_load_n(&stress.record[huge], __ATOMIC_ACQUIRE);
	bool was_evicted = false;
	if (record == R_BUSY || !record_change(huge, record, R_BUSY))
		return;
	if (record == R_HARD) {
		llfree_err err = llfree_return(&stress.a, huge);
		if (err != LLFREE_OK)
			fail("return", huge, err);
		record_set(huge, R_SOFT);
		return;
	}
	if (t_rand_below(&self->rand, 2) && record == R_INSTALLED) {
		if (llfree_reclaim_soft(&stress.a, huge) == LLFREE_OK) {
			check_unowned(huge);
			record = R_SOFT;
		}
	} else if (llfree_reclaim_hard(&stress.a, huge, &was_evicted) == LLFREE_OK) {
		if (was_evicted != (record == R_SOFT))
			fail("A8: evicted mark of a reclaimed huge frame", huge, was_evicted);
		check_unowned(huge);
		record = R_HARD;
	} else if (record == R_SOFT && t_rand_below(&self->rand, 4) == 0) {
		if (llfree_install(&stress.a, huge) != LLFREE_OK)
			fail("A8: not evicted, but soft-reclaimed", huge, 0);
		record = R_INSTALLED;
	}
	record_set(huge, record);
}

/* --- guests ------------------------------------------------------------------------------------------------------- */

static void own(worker *self, uint64_t frame, unsigned order)
{
	for (uint64_t i = frame; i < frame + (UINT64_C(1) << order); i++) {
		uint32_t before = __atomic_exchange_n(&stress.owner[i], self->idx + 1, __ATOMIC_RELAXED);
		if (before)
			fail("A1: two owners", i, before);
		stress.contents[i] = self->idx + 1;
	}
	uint32_t record =
		frame / 512 < HUGE ? __atomic_load_n(&stress.record[frame / 512], __ATOMIC_ACQUIRE) : R_INSTALLED;
	if (record == R_HARD)
		fail("H1: handed out, but hard-reclaimed", frame, record);
	self->gets++;
}

static void disown(worker *self, uint64_t frame, unsigned order)
{
	for (uint64_t i = frame; i < frame + (UINT64_C(1) << order); i++) {
		if (stress.contents[i] != self->idx + 1)
			fail("A1: written by another thread", i, stress.contents[i]);
		uint32_t before = __atomic_exchange_n(&stress.owner[i], 0, __ATOMIC_RELAXED);
		if (before != self->idx + 1)
			fail("A1: lost to", i, before);
	}
}

static void keep(worker *self, uint64_t frame, unsigned order)
{
	self->held[self->n_held].frame = frame;
	self->held[self->n_held].order = order;
	self->n_held++;
}

static llfree_request any_request(worker *self)
{
	static const uint8_t orders[] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 10 };
	return (llfree_request){ (uint32_t)t_rand_below(&self->rand, 4) ? self->idx
									: (uint32_t)t_rand_next(&self->rand),
				 orders[t_rand_below(&self->rand, sizeof(orders))],
				 (uint8_t)t_rand_below(&self->rand, 3) };
}

static void step_get(worker *self)
{
	llfree_request request = any_request(self);
	uint64_t frame = 0;
	llfree_err err;
	if (self->n_held == HELD)
		return;
	unsigned how = (unsigned)t_rand_below(&self->rand, 8);
	if (how == 0) {
		frame = t_rand_below(&self->rand, FRAMES) >> request.order << request.order;
		if (frame + (UINT64_C(1) << request.order) > FRAMES)
			return;
		err = llfree_get_at(&stress.a, request, frame);
	} else if (how < 3) {
		request.order = 0;
		err = llfree_handle_get(&self->handle, &frame);
	} else {
		err = llfree_get(&stress.a, request, &frame);
	}
	self->refused += err != LLFREE_OK;
	if (err == LLFREE_OK) {
		own(self, frame, request.order);
		keep(self, frame, request.order);
	} else if (err != LLFREE_ERR_NOMEM && err != LLFREE_ERR_STATE && err != LLFREE_ERR_OFFLINE) {
		fail("get", frame, err);
	}
}

static void step_put(worker *self)
{
	if (!self->n_held)
		return;
	unsigned at = (unsigned)t_rand_below(&self->rand, self->n_held);
	uint64_t frame = self->held[at].frame;
	unsigned order = self->held[at].order;
	self->n_held--;
	self->held[at] = self->held[self->n_held];
	disown(self, frame, order);
	llfree_request request = any_request(self);
	/* Whole, or in parts of some smaller order. */
	unsigned part = t_rand_below(&self->rand, 3) ? order : (unsigned)t_rand_below(&self->rand, order + 1u);
	request.order = (uint8_t)part;
	if (order - part > 6)
		request.order = (uint8_t)(part = order - 6);
	for (uint64_t i = frame; i < frame + (UINT64_C(1) << order); i += UINT64_C(1) << part) {
		llfree_err err = !part && t_rand_below(&self->rand, 3) == 0 ? llfree_handle_put(&self->handle, i)
									    : llfree_put(&stress.a, request, i);
		if (err != LLFREE_OK)
			fail("A4: put", i, err);
	}
}

static void step_batch(worker *self)
{
	uint64_t frames[200];
	llfree_err err;
	size_t n = llfree_get_batch(&stress.a, (llfree_request){ self->idx, 0, (uint8_t)(self->idx % 3) }, frames,
				    1 + t_rand_below(&self->rand, 200));
	for (size_t i = 0; i < n; i++)
		own(self, frames[i], 0);
	for (size_t i = 0; i < n; i++)
		disown(self, frames[i], 0);
	if (llfree_put_batch(&stress.a, (llfree_request){ self->idx, 0, 0 }, frames, n, &err) != n)
		fail("A4: put of a batch", frames[0], err);
}

static void step_rare(worker *self)
{
	uint64_t tree = t_rand_below(&self->rand, TREES / 4);
	switch (t_rand_below(&self->rand, 6)) {
	case 0:
		llfree_drain_all(&stress.a);
		break;
	case 1:
		if (llfree_tree_offline(&stress.a, tree) != LLFREE_OK)
			fail("offline", tree, 0);
		break;
	case 2:
		if (llfree_tree_online(&stress.a, tree) != LLFREE_OK)
			fail("online", tree, 0);
		break;
	case 3:
		llfree_drain_cpu(&stress.a, (uint32_t)t_rand_below(&self->rand, CPUS));
		break;
	case 4:
		llfree_handle_drain(&self->handle);
		break;
	default:
		llfree_drain_slot(&stress.a, (uint32_t)t_rand_below(&self->rand, CPUS),
				  (uint32_t)t_rand_below(&self->rand, 3));
	}
}

static void *work(void *argument)
{
	worker *self = argument;
	bool host = self->idx == 0 && stress.n_threads > 1;
	for (; self->operations < stress.operations && !failed(); self->operations++) {
		uint64_t choice = t_rand_below(&self->rand, 1000);
		if (host)
			host_step(self);
		else if (choice < 20)
			step_batch(self);
		else if (choice < 25)
			step_rare(self);
		else if (choice < 520)
			step_get(self);
		else
			step_put(self);
	}
	while (self->n_held)
		step_put(self);
	llfree_handle_close(&self->handle);
	return NULL;
}

static void check_end(void)
{
	llfree_audit_report report;
	for (uint64_t huge = 0; huge < HUGE; huge++) {
		if (stress.record[huge] != R_HARD)
			continue;
		if (llfree_return(&stress.a, huge) != LLFREE_OK)
			fail("return at the end", huge, 0);
		stress.record[huge] = R_SOFT;
	}
	if (!llfree_audit(&stress.a, &report))
		fail("A2: audit", report.first_bad, report.tree_count_wrong);
	for (uint64_t tree = 0; tree < TREES; tree++) {
		if (llfree_tree_online(&stress.a, tree) != LLFREE_OK)
			fail("online", tree, 0);
	}
	llfree_drain_all(&stress.a);
	llfree_stats stats;
	llfree_stats_fast(&stress.a, &stats);
	if (!llfree_audit(&stress.a, &report) || report.free_frames != FRAMES || stats.free_frames != FRAMES ||
	    stats.free_huge != HUGE || stats.cached_frames || stats.reserved_trees)
		fail("A2: not all free at the end", report.free_frames, stats.free_frames);
	uint64_t frame;
	for (unsigned n = 0; n < TREES; n++) {
		if (llfree_get(&stress.a, (llfree_request){ n, LLFREE_MAX_ORDER, 0 }, &frame) != LLFREE_OK)
			fail("A5: a whole tree", n, 0);
	}
}

static uint64_t number(const char *text)
{
	return text ? strtoull(text, NULL, 0) : 0;
}

int main(int argc, char **argv)
{
	bool exact = false;
	stress.n_threads = 32;
	stress.operations = 12000;
	stress.seed = t_seed(1);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--exact") || !strcmp(argv[i], "--fast"))
			exact = argv[i][2] == 'e';
		else if (!strcmp(argv[i], "--threads"))
			stress.n_threads = (unsigned)number(argv[++i]);
		else if (!strcmp(argv[i], "--operations"))
			stress.operations = number(argv[++i]);
		else if (!strcmp(argv[i], "--seed"))
			stress.seed = number(argv[++i]);
		else
			stress.n_threads = 0;
	}
	worker *workers = calloc(stress.n_threads, sizeof(worker));
	if (!workers || !stress.n_threads) {
		fprintf(stderr, "usage: stress [--fast|--exact] [--threads N] [--operations N] [--seed N]\n");
		return 2;
	}
	printf("stress: %s, %u threads, %llu operations each, seed %llu\n", exact ? "exact" : "fast", stress.n_threads,
	       (unsigned long long)stress.operations, (unsigned long long)stress.seed);
	(void)fflush(stdout);
	llfree_config config = { .frames = FRAMES, .cpus = CPUS, .exact = exact };
	size_t bytes = llfree_metadata_bytes(&config);
	void *region = aligned_alloc(64, bytes);
	if (!region || llfree_init(&stress.a, &config, region, bytes, false) != LLFREE_OK)
		return 2;
	llfree_set_install(&stress.a, install, NULL);
	for (unsigned i = 0; i < stress.n_threads; i++) {
		workers[i].idx = i;
		workers[i].rand.state = stress.seed * 1000 + i;
		if (llfree_handle_open(&workers[i].handle, &stress.a, i, (uint8_t)(i % 3)) != LLFREE_OK ||
		    pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 2;
	}
	uint64_t gets = 0, refused = 0;
	for (unsigned i = 0; i < stress.n_threads; i++) {
		(void)pthread_join(workers[i].thread, NULL);
		gets += workers[i].gets;
		refused += workers[i].refused;
	}
	check_end();
	printf("%llu gets, %llu refused\n", (unsigned long long)gets, (unsigned long long)refused);
	free(region);
	free(workers);
	return failed() || !gets;
}
