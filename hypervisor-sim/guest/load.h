/* SPDX-License-Identifier: MIT
 *
 * A load: a program that a VM's vCPUs execute, with the page cache between them. In real time each vCPU runs its steps
 * on its own thread, and thinking is sleeping; in lockstep one thread takes the steps of all vCPUs in the order of
 * simulated time, so that the same program gives the same sequence of gets and puts every time.
 *
 * A vCPU that finds no memory shrinks its own page cache, then has the others shrink theirs, and waits for the host to
 * give some; when all of that takes too long, its process is killed, and counted. */
#ifndef HV_LOAD_H
#define HV_LOAD_H

#include "guest/page_cache.h"
#include "guest/program.h"

typedef struct hv_load hv_load;

/** What one vCPU does. */
typedef struct hv_task {
	hv_load *load;
	hv_holding holding;
	hv_cache_part part;
	size_t at;       /**< next step */
	bool arrived;    /**< at a SYNC */
	uint64_t now_ns; /**< lockstep: simulated time */
	bool over;
	/* outcome; read when the load is over */
	uint64_t end_ns; /**< wall clock */
	uint64_t user_ns, system_ns, faults;
	_Atomic uint64_t stall_ns, n_stalls, n_killed;
} hv_task;

struct hv_load {
	hv_vm *vm;
	const hv_program *program;
	hv_page_cache cache;
	hv_task *tasks;
	_Atomic uint32_t *arrived; /**< per SYNC: how many vCPUs are there */
	double speed;              /**< simulated time over wall clock */
	uint64_t wait_max_ns;      /**< wall clock, for memory */
	bool lockstep;
	_Atomic bool stop;
	_Atomic uint64_t wanted_frames; /**< somebody waits for that many: caches give them, and the host should */
	_Atomic uint32_t n_over;
};

typedef struct hv_load_outcome {
	hv_histogram get_ns;
	uint64_t write_ns, end_ns, user_ns, system_ns, faults;
	uint64_t refaults, dropped_frames, stall_ns, n_stalls, n_killed, installs;
} hv_load_outcome;

/** The VM's vCPUs are idle and hold nothing. Program, VM and watch outlive the load. @return HV_OK; HV_ERR_SYSTEM;
 *  HV_ERR_INVAL the program is for another number of vCPUs */
HV_MUST_CHECK hv_err hv_load_open(hv_load *self, hv_vm *vm, const hv_program *program, double speed,
				  const hv_holding_watch *watch);
void hv_load_close(hv_load *self);

/** Begin in real time; returns at once. */
void hv_load_begin(hv_load *self);
/** Have all vCPUs ended? */
bool hv_load_over(const hv_load *self);
/** End now, wherever it is. */
void hv_load_stop(hv_load *self);
/** Run it all in lockstep on this thread, the VM's own being idle. between() is called before each step with the
 * simulated time; it ends the load by returning false. */
void hv_load_lockstep(hv_load *self, bool (*between)(void *context, uint64_t now_ns), void *context);

/** Frames that processes and page cache hold now. */
uint64_t hv_load_used_frames(const hv_load *self);
uint64_t hv_load_cache_frames(const hv_load *self);
/** When over. */
void hv_load_result(const hv_load *self, hv_load_outcome *outcome);

#endif
