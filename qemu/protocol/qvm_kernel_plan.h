/* SPDX-License-Identifier: MIT
 *
 * What /dev/llfree-bench of the guest driver is asked for: cases, orders and numbers of threads, point by point. The
 * same options and the same table for `llfree-guest bench` inside a guest and for `llfree-qemu run --scenario
 * kernel-bench` around one; host and guest both compile it. */
#ifndef QVM_KERNEL_PLAN_H
#define QVM_KERNEL_PLAN_H

#include "base/hv_base.h"

#include <argp.h>

enum { QVM_KERNEL_ORDERS = 11, QVM_KERNEL_CASES = 3, QVM_KERNEL_THREADS_MAX = 64, QVM_KERNEL_LINE_BYTES = 400 };

typedef struct qvm_kernel_plan {
	bool cases[QVM_KERNEL_CASES], orders[QVM_KERNEL_ORDERS];
	unsigned threads[QVM_KERNEL_THREADS_MAX];
	size_t n_threads;
	const char *bind;      /**< CPUs of the guest as a list such as 0-3; NULL = all */
	const char *allocator; /**< both, llfree or alloc_pages */
	bool shared_region;    /**< LLFree on the region that is shared with the monitor */
	uint64_t mib, rounds;
	uint64_t ops;  /**< of repeat; 0 = by the order */
	uint64_t node; /**< UINT64_MAX = any */
} qvm_kernel_plan;

/** One question to the driver. */
typedef struct qvm_kernel_point {
	const char *name; /**< of the case */
	unsigned order, threads;
} qvm_kernel_point;

/** What its answer has of one allocator and one phase: "get" and "put" of bulk, "pair" of the others. */
extern const char *const qvm_kernel_phases[]; /* ends with NULL */

/** Child parser; its input is a qvm_kernel_plan. */
extern const struct argp qvm_kernel_plan_argp;
qvm_kernel_plan qvm_kernel_plan_default(void);
/** Case by case, order by order, threads within. *at begins with 0. @return false: there is none left */
HV_MUST_CHECK bool qvm_kernel_plan_next(const qvm_kernel_plan *plan, size_t *at, qvm_kernel_point *point);
size_t qvm_kernel_plan_points(const qvm_kernel_plan *plan);
/** The line that the driver reads; returns text. */
const char *qvm_kernel_line(const qvm_kernel_plan *plan, const qvm_kernel_point *point, char *text, size_t text_bytes);

/** The table: nanoseconds per operation of each allocator; a figure of 0 is shown as a dash. */
void qvm_kernel_table_head(char *text, size_t text_bytes);
void qvm_kernel_table_line(const qvm_kernel_point *point, const char *phase, double llfree_ns, double pages_ns,
			   char *text, size_t text_bytes);

#endif
