/* SPDX-License-Identifier: MIT
 *
 * Programs: what the processes of a guest do with memory, as one list of steps per vCPU, in simulated time. Generators
 * make them from a seed, or from a recorded process tree; a task executes them (task.h). Each generator is one file in
 * programs/ with one descriptor hv_program_kind_NAME; the build collects them. */
#ifndef HV_PROGRAM_H
#define HV_PROGRAM_H

#include "trace/trace.h"

typedef enum hv_step_kind {
	HV_STEP_THINK,  /**< compute for `amount` ns of simulated time */
	HV_STEP_GROW,   /**< process `object` allocates and writes `amount` frames */
	HV_STEP_SHRINK, /**< process `object` frees its oldest `amount` frames, at least */
	HV_STEP_EXIT,   /**< process `object` frees all it has */
	HV_STEP_READ,   /**< have the first `amount` frames of file `object` in the page cache; a write as well */
	HV_STEP_DELETE, /**< file `object` is deleted */
	HV_STEP_DROP,   /**< drop caches: this vCPU's part of the page cache goes */
	HV_STEP_SYNC    /**< wait until all vCPUs have come to their step of this kind, number `object` */
} hv_step_kind;

typedef struct hv_step {
	hv_step_kind kind;
	uint32_t object;
	uint64_t amount;
} hv_step;

typedef struct hv_steps {
	hv_step *all;
	size_t n_all, room;
} hv_steps;

typedef struct hv_program {
	uint32_t n_vcpus, n_processes, n_files, n_syncs;
	hv_steps *steps;    /**< one list per vCPU */
	uint64_t cycle_ns;  /**< after which it peaks again; 0 = it has one peak */
	uint64_t scale_ppm; /**< memory of the program over that of its model, in millionths */
	bool failed;        /**< memory for the steps ran out */
} hv_program;

typedef struct hv_program_config {
	uint64_t seed, memory_bytes; /**< of the guest: what is made fits into it */
	uint32_t n_vcpus;
	uint64_t delay_ns; /**< simulated, before it begins */
	hv_trace *trace;   /**< a process trace, for the kinds that need one */
} hv_program_config;

typedef struct hv_program_kind {
	const char *name, *summary;
	bool needs_trace;
	hv_err (*make)(hv_program *self, const hv_program_config *config);
} hv_program_kind;

extern const hv_program_kind *const hv_program_kinds[];
/** @return NULL when unknown */
const hv_program_kind *hv_program_kind_find(const char *name);

/** @return HV_OK; HV_ERR_SYSTEM; HV_ERR_INVAL the trace has nothing to follow */
HV_MUST_CHECK hv_err hv_program_make(hv_program *self, const hv_program_kind *kind, const hv_program_config *config);
void hv_program_destroy(hv_program *self);

/* For generators. */
void hv_program_step(hv_program *self, uint32_t cpu_idx, hv_step_kind kind, uint32_t object, uint64_t amount);
/** A step for every vCPU. */
void hv_program_step_all(hv_program *self, hv_step_kind kind, uint32_t object, uint64_t amount);
/** All vCPUs wait for each other. */
void hv_program_sync(hv_program *self);
/** Simulated ns of all THINK steps of the slowest vCPU: how long it takes when memory costs nothing. */
uint64_t hv_program_think_ns(const hv_program *self);

#endif
