/* SPDX-License-Identifier: MIT
 *
 * A pass clock: how long a technique worked that nobody outside of the guest drives, and how long it paused, by what
 * its memory files hold. Memory goes in rounds with pauses of seconds between them; within a round it goes without a
 * pause that comes near. A round begins with the last look before memory went, so it has all of the work in it, and at
 * most one look's distance that is none. Pure arithmetic over looks at the files. */
#ifndef QVM_PASS_CLOCK_H
#define QVM_PASS_CLOCK_H

#include "base/hv_base.h"

/** Longer than that without memory that goes is a pause: half of the two seconds that a kernel waits before it reports.
 */
#define QVM_PASS_PAUSE_NS UINT64_C(1000000000)

typedef struct qvm_pass_clock {
	uint64_t begin_bytes, least_bytes;
	uint64_t last_ns;  /**< when memory went last; before that: the begin */
	uint64_t look_ns;  /**< the last look */
	uint64_t work_ns;  /**< up to that, in rounds */
	uint64_t wait_ns;  /**< likewise: before the first round, and between rounds */
	uint64_t n_rounds; /**< begun */
} qvm_pass_clock;

void qvm_pass_clock_begin(qvm_pass_clock *self, uint64_t now_ns, uint64_t bytes);
/** What the files hold now. Less than a huge frame that comes or goes is the guest's own. */
void qvm_pass_clock_look(qvm_pass_clock *self, uint64_t now_ns, uint64_t bytes);

#endif
