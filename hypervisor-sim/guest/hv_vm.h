/* SPDX-License-Identifier: MIT
 *
 * The simulated VM: an arena of guest memory with its allocator, and vCPU threads that allocate, write every frame
 * with a pattern, check it and free it. Knows of the host only the install port of each vCPU. A mismatch is counted,
 * never asserted: scenarios report it as a failed check (H1). */
#ifndef HV_VM_H
#define HV_VM_H

#include "guest/owners.h"
#include "memory/hv_memory.h"
#include "transport/install_port.h"

#include <llfree/arena.h>
#include <pthread.h>

typedef struct hv_vm hv_vm;
typedef struct hv_vcpu hv_vcpu;

/** A guest allocator: one file in guest/allocators/ with one descriptor; the build collects them. */
typedef struct hv_guest_allocator {
	const char *name, *summary;
	bool shared_state; /**< its state is the region that a host can read and write: what llfree-* need */
	bool joins;        /**< a put may give back as one what was got as several runs */
	/** Make and free vm->zone; NULL when all of it lies in the arena. */
	hv_err (*create)(hv_vm *vm);
	void (*destroy)(hv_vm *vm);
	/** A run of 2^order frames for this vCPU. */
	llfree_err (*get)(hv_vcpu *vcpu, unsigned order, uint64_t *frame);
	llfree_err (*put)(hv_vcpu *vcpu, unsigned order, uint64_t frame);
	/** Give back what caches of all vCPUs hold. */
	void (*drain)(hv_vm *vm);
	/** A run that will never move. */
	llfree_err (*get_fixed)(hv_vm *vm, unsigned order, uint64_t *frame);
	/** Take exactly this run out of free memory; what caches hold is not found. */
	bool (*get_at)(hv_vm *vm, unsigned order, uint64_t frame);
	/** The next free run of at least min_order, at or after *cursor, that is not marked reported; a snapshot. */
	bool (*next_unreported)(hv_vm *vm, unsigned min_order, uint64_t *cursor, uint64_t *frame, unsigned *order);
	/** Put back a run that was taken, and mark it reported until it is taken again. */
	void (*put_reported)(hv_vm *vm, unsigned order, uint64_t frame);
	/** Have freed() called whenever memory of that order becomes free; it must be short. NULL: it can't tell. */
	void (*on_freed)(hv_vm *vm, unsigned min_order, void (*freed)(void *context), void *context);
	/** At rest: is it consistent? Counts the free frames. */
	bool (*audit)(hv_vm *vm, uint64_t *free_frames, uint64_t *first_bad);
} hv_guest_allocator;

extern const hv_guest_allocator *const hv_guest_allocators[];
/** @return NULL when unknown */
const hv_guest_allocator *hv_guest_allocator_find(const char *name);

/** What a vCPU does. */
typedef enum hv_job {
	HV_JOB_IDLE,
	HV_JOB_FILL,    /**< allocate and write, until the limit or no memory is left */
	HV_JOB_FREE,    /**< check and free all but the base */
	HV_JOB_WORK,    /**< check and rewrite the base, until the next job */
	HV_JOB_CHURN,   /**< allocate, write, check, free at random, all orders up to 9, until the next job */
	HV_JOB_DEVICE,  /**< drive the device of the VM, until the next job */
	HV_JOB_PROGRAM, /**< what vm->program does */
	HV_JOB_QUIT
} hv_job;

struct hv_vcpu {
	hv_vm *vm;
	uint32_t cpu_idx;
	llfree_t view; /**< of the guest's region, with this vCPU's install function */
	hv_port_guest port;
	pthread_t thread;
	bool started;
	/* held[0..base_held) is the base, the working set; above it what FREE gives back */
	hv_held *held;
	size_t n_held, max_held, base_held;
	uint64_t n_written; /**< runs written so far: the number of the next pattern */
	uint64_t random;
	/* mailbox, under the VM's lock */
	uint64_t begun, done; /**< number of the last job begun and done */
	/* outcome; written by the vCPU, read beside it */
	_Atomic uint64_t mismatches; /**< frames that did not hold what was written */
	_Atomic uint64_t frames_written;
	_Atomic uint64_t frees_refused;
	_Atomic uint64_t installs_failed; /**< gets that ended with LLFREE_ERR_INSTALL */
	_Atomic uint64_t rounds;          /**< of WORK or CHURN */
};

/** What the drivers of some techniques can be told. */
typedef struct hv_tuning {
	bool reports;             /**< the guest reports free memory */
	unsigned report_order;    /**< of the smallest block that is reported, 0..10; usually 9 */
	uint64_t report_delay_ns; /**< from a free to the report; usually two seconds */
	uint32_t report_batch;    /**< blocks per report, 1..HV_RING_SEGMENTS_MAX; 0 = all three are the usual */
	uint64_t block_bytes;     /**< that virtio-mem plugs and unplugs at once, 2 or 4 MiB; 0 = 2 MiB */
} hv_tuning;

/** Fill in the usual where there is nothing. */
void hv_tuning_defaults(hv_tuning *tuning);

typedef struct hv_vm_config {
	const char *name;      /**< for messages; NULL = it needs none. Outlives the VM */
	uint64_t memory_bytes; /**< multiple of 2 MiB */
	const hv_backing *backing;
	const hv_guest_allocator *allocator;
	uint32_t n_vcpus;    /**< 1..HV_VM_VCPUS_MAX */
	unsigned fill_order; /**< of the runs that FILL gets, 0..9 */
	uint64_t install_timeout_ns;
	uint64_t seed;
	bool exact; /**< the allocator without claim words */
	hv_tuning tuning;
} hv_vm_config;

enum { HV_VM_VCPUS_MAX = 256 };

struct hv_vm {
	hv_vm_config config;
	llfree_arena arena;
	hv_memory memory;
	hv_ports *ports;
	int ports_fd; /**< the file of the ports, for a host in another process */
	hv_vcpu *vcpus;
	hv_owners owners;
	void *zone;                     /**< the allocator's own, see hv_guest_allocator.create */
	hv_vcpu kernel;                 /**< threads of the kernel and its drivers allocate as this one, on CPU 0 */
	struct hv_driver *driver;       /**< of the technique; NULL = none */
	_Atomic uint64_t kernel_frames; /**< held by the kernel: fixed, or a driver's */
	_Atomic uint64_t migrated_frames;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	hv_job job;
	_Atomic uint64_t
		job_number; /**< written under the lock; a job that has no end of its own ends when it moves on */
	uint64_t fill_max_frames;
	/* of HV_JOB_DEVICE, on the vCPU's own thread: one round, and at the end of the job: free all that is held */
	void (*device_round)(void *context, hv_vcpu *vcpu);
	void (*device_rest)(void *context, hv_vcpu *vcpu);
	void *device_context;
	/* of HV_JOB_PROGRAM, on the vCPU's own thread; it returns when it is over */
	void (*program)(void *context, hv_vcpu *vcpu);
	void *program_context;
};

/** Make memory and allocator; no vCPU runs yet. @return HV_OK; HV_ERR_INVAL; HV_ERR_SYSTEM (errno); HV_ERR_LIBRARY */
HV_MUST_CHECK hv_err hv_vm_create(hv_vm *self, const hv_vm_config *config);
/** Start the vCPU threads, idle. */
HV_MUST_CHECK hv_err hv_vm_start(hv_vm *self);
/** Stop the vCPUs after what they are doing; what they hold stays allocated. Idempotent. */
void hv_vm_stop(hv_vm *self);
/** Stop the vCPUs, unmap everything. */
void hv_vm_destroy(hv_vm *self);

/** Give all vCPUs a job; ends the one that runs. Returns when all have begun it. fill_max_frames: of FILL, per vCPU. */
void hv_vm_begin(hv_vm *self, hv_job job, uint64_t fill_max_frames);
/** Wait until all vCPUs have done the job (FILL, FREE, IDLE end by themselves; WORK and CHURN by the next job). */
void hv_vm_wait(hv_vm *self);
/** The same for a time. @return false: not all have done it yet */
HV_MUST_CHECK bool hv_vm_wait_for(hv_vm *self, uint64_t timeout_ns);

/** FILL until nothing at all is left: fill, drain the caches, fill again. */
void hv_vm_fill_all(hv_vm *self);
/** Fill the base, about this many bytes of all vCPUs together; it is kept by FREE and used by WORK. */
void hv_vm_fill_base(hv_vm *self, uint64_t base_bytes);
/** What the vCPUs hold now is the base. */
void hv_vm_keep_base(hv_vm *self);

/** Memory for the kernel that can't be moved and is never given back. */
HV_MUST_CHECK hv_err hv_vm_get_fixed(hv_vm *self, unsigned order, uint64_t *frame);
/** At rest: is the allocator consistent (A2), and does every frame have one holder or none (A1)? detail says what not.
 *  strict: all frames that are not free must be held by somebody in the guest. */
HV_MUST_CHECK bool hv_vm_audit(hv_vm *self, bool strict, char *detail, size_t detail_bytes);

typedef struct hv_vm_outcome {
	uint64_t mismatches, frees_refused, installs_failed, frames_written, rounds;
} hv_vm_outcome;
/** Sums over the vCPUs; may be asked beside them. */
hv_vm_outcome hv_vm_result(const hv_vm *self);

/* guest/workload.c: one job on the vCPU's own thread */
void hv_workload_run(hv_vcpu *vcpu, hv_job job, uint64_t fill_max_frames);

/* guest/workload.c: single steps, for programs */

/** Get a run, write it, hold it as the last. @return as the allocator; LLFREE_ERR_NOMEM also: no entry is free */
HV_MUST_CHECK llfree_err hv_workload_get(hv_vcpu *vcpu, unsigned order);
/** Check and free the run held at this position; the last one takes its place. @return its order */
unsigned hv_workload_put(hv_vcpu *vcpu, size_t at);

#endif
