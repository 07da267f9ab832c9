/* SPDX-License-Identifier: MIT
 *
 * What scale_line.h declares. The two threads write each other's number into a word in turn: each turn is one way. */
#include "scale_line.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <llfree/arena.h>
#include "bench_clock.h"

enum { BURSTS = 15, TURNS = 400, ONE_CPU_NS = 100, SPINS = 20000 };

typedef struct shared_line {
	_Alignas(128) uint64_t turn;
} shared_line;

/* Wait for the word to be even or odd. With more threads than free CPUs the other one has to get its turn. */
static void wait_for(uint64_t *turn, uint64_t parity)
{
	uint32_t spins = 0;

	while ((__atomic_load_n(turn, __ATOMIC_ACQUIRE) & 1) != parity) {
		if (++spins % SPINS == 0)
			sched_yield();
	}
}

static void *answer(void *argument)
{
	shared_line *line = argument;

	for (uint32_t i = 0; i < BURSTS * TURNS; i++) {
		wait_for(&line->turn, 1);
		__atomic_fetch_add(&line->turn, 1, __ATOMIC_ACQ_REL);
	}
	return NULL;
}

double scale_line_ns(void)
{
	static shared_line line;
	double best = 0;
	pthread_t thread;

	line.turn = 0;
	if (llfree_machine_cpus() < 2 || pthread_create(&thread, NULL, answer, &line))
		return ONE_CPU_NS;
	for (uint32_t burst = 0; burst < BURSTS; burst++) {
		uint64_t start = bench_now_ns();

		for (uint32_t i = 0; i < TURNS; i++) {
			wait_for(&line.turn, 0);
			__atomic_fetch_add(&line.turn, 1, __ATOMIC_ACQ_REL);
		}
		double turn_ns = (double)(bench_now_ns() - start) / (2 * TURNS);

		if (!burst || turn_ns < best)
			best = turn_ns;
	}
	pthread_join(thread, NULL);
	return best;
}
