/* SPDX-License-Identifier: MIT
 *
 * A guest that checks: it fills memory with a pattern that tells page and version apart, and from then on threads of it
 * pick pages at random, check all of a page and write it anew, give blocks back and take them again. What one of them
 * sees that it must not see is kept (H1). */
#ifndef QVM_CHECKER_H
#define QVM_CHECKER_H

#include "rig/qvm_rig.h"

typedef struct qvm_checker {
	qvm_rig *rig;
	uint64_t job;
	uint64_t n_checked, n_taken; /**< pages; blocks */
	char asked[40];              /**< what the guest was asked last: what failed, when fault is empty (rig->why) */
	char fault[320];             /**< what did not hold; empty: everything */
} qvm_checker;

typedef struct qvm_checker_load {
	uint64_t bytes, seed, threads;
	uint64_t away_bytes, away_ms; /**< that each thread gives back at once now and then, for so long; 0 = never */
	bool device;                  /**< memory of /dev/llfree; else anonymous */
	bool huge;                    /**< anonymous memory in 2 MiB pages of the guest's kernel */
} qvm_checker_load;

/** Fill and begin to work. @return false: self->fault, or the guest did not answer */
HV_MUST_CHECK bool qvm_checker_begin(qvm_checker *self, qvm_rig *rig, const qvm_checker_load *load);
/** Let the guest make so many turns, to see what was done to its memory. @return false: as above, or interrupted */
HV_MUST_CHECK bool qvm_checker_turns(qvm_checker *self, uint64_t n_turns);
/** End the work, and have every page looked at once more. @return false: as above */
HV_MUST_CHECK bool qvm_checker_end(qvm_checker *self);

#endif
