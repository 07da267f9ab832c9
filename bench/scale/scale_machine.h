/* SPDX-License-Identifier: MIT
 *
 * A machine with any number of cores, simulated: the allocator's own core runs on it, one coroutine a core, and each of
 * its atomic operations costs what the cache line costs at that moment. Deterministic; its time has nothing to do with
 * how long it runs. docs/scaling.md says what the model is and how far it holds. */
#ifndef SCALE_MACHINE_H
#define SCALE_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

enum { SCALE_MAX_CORES = 128, SCALE_MAX_NODES = 8 };

/** What an operation on a cache line costs, in ns. */
typedef struct scale_costs {
	double work_ns;   /**< of a get or put, beside its atomic operations */
	double load_ns;   /**< line in this core's cache */
	double cas_ns;    /**< the same, compare-exchange or store */
	double line_ns;   /**< the line comes from another core of the node */
	double remote_ns; /**< from a core of another node */
} scale_costs;

typedef enum scale_load { SCALE_BULK, SCALE_REPEAT, SCALE_RAND } scale_load;

typedef struct scale_run {
	uint32_t cores;
	uint32_t cores_per_slot;
	uint32_t nodes; /**< cores are spread over them */
	uint32_t zones; /**< 1: one allocator for all; nodes: one for each */
	uint32_t order;
	bool exact;
	scale_load load;
	uint64_t frames; /**< of all zones together */
	uint64_t ops;    /**< of each core: gets, and as many puts */
	uint64_t seed;
	scale_costs costs;
} scale_run;

/** Per operation, gets and puts together unless it says otherwise. */
typedef struct scale_result {
	double get_ns, put_ns;
	double cas;       /**< compare-exchanges that won */
	double retries;   /**< that lost */
	double transfers; /**< lines that came from another core */
	double waits_ns;  /**< for a line that another core was using */
	double refills;   /**< slot misses of gets: per get */
	double put_misses;
	double searches; /**< for a tree: per get */
	double sweeps;
} scale_result;

/** @return false: out of memory, or a get found nothing */
bool scale_machine_run(const scale_run *run, scale_result *result);

#endif
