/* SPDX-License-Identifier: MIT
 *
 * CPU time of a QEMU: what its vCPUs ran in user mode is the guest's (and an emulator's, where one is at work), all
 * else is the host's. How long threads ran is exact; how that splits into user and system mode the kernel tells in
 * ticks, so the ticks only give the proportion. A look takes some microseconds and disturbs nobody. */
#ifndef QVM_CPU_TIME_H
#define QVM_CPU_TIME_H

#include "vm/qvm_vm.h"

enum { QVM_CPU_THREADS_MAX = 64 };

/** Whose time; the threads are asked for once. */
typedef struct qvm_cpu_clock {
	pid_t pid;
	size_t n_threads;
	int threads[QVM_CPU_THREADS_MAX]; /**< of the vCPUs */
} qvm_cpu_clock;

/** Sums since QEMU began, or between two looks. */
typedef struct qvm_cpu_time {
	uint64_t run_ns, vcpu_run_ns;          /**< of all threads; of the vCPUs */
	uint64_t vcpu_user_ns, vcpu_system_ns; /**< in ticks */
} qvm_cpu_time;

/** Of a QEMU that runs, by QMP. @return HV_OK; HV_ERR_GONE, HV_ERR_INVAL, others of QMP */
HV_MUST_CHECK hv_err qvm_cpu_clock_open(qvm_cpu_clock *self, qvm_vm *vm);
/** What it has used so far; what can't be had any more is 0. */
qvm_cpu_time qvm_cpu_clock_look(const qvm_cpu_clock *self);

/** Add what was used between two looks. */
void qvm_cpu_time_add(qvm_cpu_time *self, const qvm_cpu_time *before, const qvm_cpu_time *after);
uint64_t qvm_cpu_time_guest(const qvm_cpu_time *self);
uint64_t qvm_cpu_time_host(const qvm_cpu_time *self);

#endif
