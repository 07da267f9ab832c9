/* SPDX-License-Identifier: MIT
 *
 * Threads of a row. Between steps they sleep on a condition variable; when a step is due they meet at a spinning
 * barrier, so that they start within a microsecond of each other. */
#include "bench_team.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include "bench_clock.h"

enum { HUGE_BYTES = 2 << 20 };

struct bench_team {
	bench_worker *workers;
	pthread_t *threads;
	uint32_t n_workers, n_started;
	pthread_mutex_t mutex;
	pthread_cond_t wake, done;
	uint64_t generation; /* of the step; under mutex */
	uint32_t running;
	bench_step step;  /* NULL: leave */
	uint32_t arrived; /* at the barrier of this step */
	cpu_set_t old_affinity;
};

void *bench_map(size_t map_bytes)
{
	void *map = mmap(NULL, map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return NULL;
	if (map_bytes >= HUGE_BYTES)
		(void)madvise(map, map_bytes, MADV_HUGEPAGE); /* fewer faults and TLB misses; works without */
	memset(map, 0, map_bytes);
	return map;
}

void bench_unmap(void *map, size_t map_bytes)
{
	if (map)
		munmap(map, map_bytes);
}

static void pin_to(uint32_t idx)
{
	cpu_set_t allowed, one;
	uint32_t skip;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return;
	skip = idx % (uint32_t)CPU_COUNT(&allowed);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &allowed) || skip-- > 0)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		(void)sched_setaffinity(0, sizeof(one), &one); /* unpinned is still a valid run */
		return;
	}
}

static void step_start(bench_worker *worker)
{
	bench_row *row = worker->row;

	if (row->options->pin)
		pin_to(worker->idx);
	if (!row->allocator)
		return;
	worker->self = row->state;
	if (row->allocator->table.thread_init) {
		worker->self = row->allocator->table.thread_init(row->state, worker->cpu.pinned ? worker->idx
												: llfree_current_cpu());
		worker->failed = !worker->self;
	}
}

static void step_end(bench_worker *worker)
{
	const bench_allocator *allocator = worker->row->allocator;

	if (allocator && allocator->table.thread_exit && worker->self)
		allocator->table.thread_exit(worker->self);
}

static void run_step(bench_team *team, bench_worker *worker, bench_step step)
{
	__atomic_add_fetch(&team->arrived, 1, __ATOMIC_ACQ_REL);
	for (uint32_t spins = 0; __atomic_load_n(&team->arrived, __ATOMIC_ACQUIRE) < team->n_workers;) {
		if (++spins % 1024 == 0)
			sched_yield();
	}
	worker->step_ops = 0;
	worker->n_groups = 0;
	step(worker);
}

static void *thread_main(void *argument)
{
	bench_worker *worker = argument;
	bench_team *team = worker->row->team;
	uint64_t seen = 0;

	for (;;) {
		bench_step step;

		pthread_mutex_lock(&team->mutex);
		while (team->generation == seen)
			pthread_cond_wait(&team->wake, &team->mutex);
		seen = team->generation;
		step = team->step;
		pthread_mutex_unlock(&team->mutex);
		if (!step)
			return NULL;
		run_step(team, worker, step);
		pthread_mutex_lock(&team->mutex);
		if (--team->running == 0)
			pthread_cond_signal(&team->done);
		pthread_mutex_unlock(&team->mutex);
	}
}

static void announce(bench_team *team, bench_step step)
{
	pthread_mutex_lock(&team->mutex);
	team->step = step;
	team->arrived = 0;
	team->running = team->n_started;
	team->generation++;
	pthread_cond_broadcast(&team->wake);
	pthread_mutex_unlock(&team->mutex);
}

bool bench_team_run(bench_team *team, bench_step step)
{
	bool ok = true;

	announce(team, step);
	run_step(team, &team->workers[0], step);
	pthread_mutex_lock(&team->mutex);
	while (team->running > 0)
		pthread_cond_wait(&team->done, &team->mutex);
	pthread_mutex_unlock(&team->mutex);
	for (uint32_t i = 0; i < team->n_workers; i++)
		ok &= !team->workers[i].failed;
	return ok;
}

static bool start_threads(bench_team *team)
{
	for (uint32_t i = 1; i < team->n_workers; i++) {
		if (pthread_create(&team->threads[i], NULL, thread_main, &team->workers[i]))
			return false;
		team->n_started++;
	}
	return true;
}

static bool worker_init(bench_worker *worker, bench_row *row, uint32_t idx, uint64_t n_blocks)
{
	*worker = (bench_worker){ .row = row, .idx = idx, .n_blocks = n_blocks };
	worker->cpu = (bench_cpu){ .pinned = row->options->pin, .idx = idx };
	worker->rng = bench_rng_make(row->options->seed, idx);
	if (n_blocks)
		worker->blocks = bench_map(n_blocks * sizeof(worker->blocks[0]));
	return !n_blocks || worker->blocks;
}

bench_team *bench_team_open(bench_row *row, uint64_t n_blocks)
{
	bench_team *team = calloc(1, sizeof(*team));
	bool ok = true;

	if (!team || !(team->workers = calloc(row->threads, sizeof(*team->workers))) ||
	    !(team->threads = calloc(row->threads, sizeof(*team->threads)))) {
		bench_row_fail(row, "out of memory");
		return NULL;
	}
	row->team = team;
	team->n_workers = row->threads;
	pthread_mutex_init(&team->mutex, NULL);
	pthread_cond_init(&team->wake, NULL);
	pthread_cond_init(&team->done, NULL);
	(void)sched_getaffinity(0, sizeof(team->old_affinity), &team->old_affinity);
	for (uint32_t i = 0; i < team->n_workers && ok; i++)
		ok = worker_init(&team->workers[i], row, i, n_blocks);
	ok = ok && start_threads(team);
	if (ok && bench_team_run(team, step_start))
		return team;
	bench_row_fail(row, "can't start %u threads with %llu blocks each", row->threads, (unsigned long long)n_blocks);
	bench_team_close(team);
	row->team = NULL;
	return NULL;
}

void bench_team_close(bench_team *team)
{
	if (team->n_started + 1 == team->n_workers)
		bench_team_run(team, step_end);
	announce(team, NULL);
	for (uint32_t i = 1; i <= team->n_started; i++)
		pthread_join(team->threads[i], NULL);
	for (uint32_t i = 0; i < team->n_workers; i++)
		bench_unmap(team->workers[i].blocks, team->workers[i].n_blocks * sizeof(uint64_t));
	(void)sched_setaffinity(0, sizeof(team->old_affinity), &team->old_affinity);
	pthread_mutex_destroy(&team->mutex);
	pthread_cond_destroy(&team->wake);
	pthread_cond_destroy(&team->done);
	free(team->threads);
	free(team->workers);
	free(team);
}

bench_worker *bench_team_worker(bench_team *team, uint32_t idx)
{
	return &team->workers[idx];
}

double bench_team_mean_ns(const bench_team *team)
{
	double sum = 0;

	for (uint32_t i = 0; i < team->n_workers; i++)
		sum += (double)team->workers[i].step_ns;
	return sum / team->n_workers;
}

double bench_team_max_ns(const bench_team *team)
{
	uint64_t most = 0;

	for (uint32_t i = 0; i < team->n_workers; i++)
		most = team->workers[i].step_ns > most ? team->workers[i].step_ns : most;
	return (double)most;
}
