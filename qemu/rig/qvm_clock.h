/* SPDX-License-Identifier: MIT
 *
 * The guest's clock beside the host's: what the guest did when, in our time. */
#ifndef QVM_CLOCK_H
#define QVM_CLOCK_H

#include "rig/qvm_rig.h"

typedef struct qvm_clock {
	int64_t ahead_ns;  /**< of the guest's monotonic clock: guest = host + ahead */
	uint64_t error_ns; /**< it lies this near: half of the shortest round trip */
} qvm_clock;

/** Ask for the guest's time a few times, and keep the quickest answer. @return as qvm_rig_ask() */
HV_MUST_CHECK hv_err qvm_clock_read(qvm_rig *rig, qvm_clock *clock);
/** What one reading before and one after leave open in between: the larger error, and how far the clocks drifted apart.
 */
uint64_t qvm_clock_error_ns(const qvm_clock *before, const qvm_clock *after);

#endif
