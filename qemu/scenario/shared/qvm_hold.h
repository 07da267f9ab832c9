/* SPDX-License-Identifier: MIT
 *
 * Memory that a guest's process holds, seen from the host: fill it, check every page, let it go. A process of its own
 * for each, so that all of it is free again at its end. */
#ifndef QVM_HOLD_H
#define QVM_HOLD_H

#include "rig/qvm_rig.h"

#include <argp.h>

/** How much a guest of so much memory holds at most: --fill, 0 = half of it; the guest's kernel and agent need the
 * rest. Ends the program with a usage error. @return in whole blocks of 2 MiB */
uint64_t qvm_hold_option(const struct argp_state *state, uint64_t memory_bytes, uint64_t fill_bytes);

typedef struct qvm_hold {
	qvm_rig *rig;
	uint64_t job; /**< of the agent; 0 = there is none */
	uint64_t held_bytes;
	char why[300]; /**< what went wrong first; empty = nothing */
} qvm_hold;

/** Begin with nothing. @return false: self->why; qvm_hold_end() is still to be called, here and below */
HV_MUST_CHECK bool qvm_hold_begin(qvm_hold *self, qvm_rig *rig);
/** Hold so much from now on, in blocks of 2 MiB, from the memory that the technique resizes: what is more is written
 *  page by page, what is less is given back. @return false: self->why, also when the guest got less than asked for or
 *  its pages were not zero */
HV_MUST_CHECK bool qvm_hold_set(qvm_hold *self, uint64_t bytes);
/** Read it all again. @return false: self->why, also when a page is not as it was written */
HV_MUST_CHECK bool qvm_hold_verify(qvm_hold *self);
/** Let go of it; nothing when it holds nothing. @return false: self->why */
HV_MUST_CHECK bool qvm_hold_end(qvm_hold *self);

#endif
