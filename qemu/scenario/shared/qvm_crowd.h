/* SPDX-License-Identifier: MIT
 *
 * Several VMs beside each other: each lives on a thread of its own from boot to stop, as its QEMU does not outlive the
 * thread that started it. The scenario's thread begins them, watches their memory, and ends them. */
#ifndef QVM_CROWD_H
#define QVM_CROWD_H

#include "scenario/shared/qvm_series.h"

enum { QVM_MEMBERS_MAX = 16 };

struct qvm_crowd;

typedef struct qvm_member {
	struct qvm_crowd *crowd;
	uint32_t idx;
	char name[64];
	pthread_t thread;
	bool thread_on;
	qvm_rig rig;
	hv_err start_err; /**< HV_OK: it is up */
	qvm_series watch;
	uint64_t resize_ns, n_short; /**< in qvm_member_resize(); resizes for which the guest had too little free */
	bool failed;
	char why[320]; /**< why it failed */
	/* under the crowd's lock */
	bool over, gone; /**< its work is; it was ended, and so is its memory */
	bool lost;       /**< by qvm_member_kill() */
	uint64_t lost_ns;
} qvm_member;

typedef struct qvm_crowd {
	const qvm_options *options;
	qvm_rig_config config; /**< of each; its name is made from it, or from the technique, and a number */
	/** What a VM does between boot and stop, on its own thread. @return false: it failed, member->why */
	bool (*work)(qvm_member *member);
	void *context; /**< of work */
	uint32_t n_members;
	qvm_member members[QVM_MEMBERS_MAX];
	qvm_series watch; /**< all together */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under the lock */
	uint32_t n_started, n_over;
	uint64_t turn; /**< whose turn it is, by its number, counted up */
	bool go, stop, quit;
} qvm_crowd;

/** Boot all of them, side by side. options, config, work, context, n_members are set; the rest zero. @return HV_OK;
 *  HV_ERR_UNAVAILABLE this machine lacks something; others: a failure. Then why of the first that failed is told in
 *  *why. qvm_crowd_end() is to be called in any case. */
HV_MUST_CHECK hv_err qvm_crowd_begin(qvm_crowd *self, const char **why);
/** Have all work; looks at their memory every QVM_SERIES_STEP_NS until all are over. look may be NULL: called after
 * each look. */
void qvm_crowd_run(qvm_crowd *self, void (*look)(qvm_crowd *self));
/** Of those that work, the one that has grown most since the last look, else has most. In look(). @return NULL: none */
qvm_member *qvm_crowd_grown_most(qvm_crowd *self);
/** Does one that was ended still have memory? In look(). */
bool qvm_crowd_losing(qvm_crowd *self);
/** End this VM only, at once, and free its memory; the others go on. What fails in it from now on is no fault. In
 *  look(). @return false: it had come to its end */
bool qvm_member_kill(qvm_member *self);
/** Stop all; afterwards nothing of them is left but what they saw. Idempotent. */
void qvm_crowd_end(qvm_crowd *self);
/** Forget what they saw. */
void qvm_crowd_clear(qvm_crowd *self);

/* For work(), on the member's thread. */

/** What went wrong first. @return false */
bool qvm_member_fault(qvm_member *self, const char *what, const char *detail);
/** Give or take memory by a technique that is given limits; nothing by others. Less than wanted is no fault: the guest
 *  may not have it free. @return false: self->why */
HV_MUST_CHECK bool qvm_member_resize(qvm_member *self, hv_command command, uint64_t limit_bytes);
/** Wait until it is its turn: one after the other, round by round. @return false: it is not to go on */
HV_MUST_CHECK bool qvm_member_turn(qvm_member *self);
/** The turn of the next one that works. */
void qvm_member_turn_over(qvm_member *self);
/** Sleep. @return false: it is not to go on */
HV_MUST_CHECK bool qvm_member_sleep(qvm_member *self, uint64_t ns);

#endif
