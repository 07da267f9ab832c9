/* SPDX-License-Identifier: MIT
 *
 * Resizing by a device of QEMU: set a goal, look until it is reached or nothing moves any more. */
#ifndef QVM_RESIZE_H
#define QVM_RESIZE_H

#include "rig/qvm_rig.h"

typedef struct qvm_resize {
	/** Set the size of the guest. */
	hv_err (*set)(qvm_rig *rig, uint64_t bytes);
	/** The size that it has now. */
	hv_err (*get)(qvm_rig *rig, uint64_t *bytes);
	uint64_t idle_ns; /**< after so long without a move it is over */
} qvm_resize;

/** A limit that the guest can bear: what it uses, and something to live on, stays. A device that takes more than that
 *  ends in a guest without memory. */
uint64_t qvm_resize_bearable(qvm_rig *rig, uint64_t size_bytes, uint64_t limit_bytes);
/** Move to the limit. *moved_bytes: how much the size changed, also on error.
 *  @return HV_OK; HV_ERR_SHORT the guest did not come so far; HV_ERR_GONE; HV_ERR_TIMEOUT interrupted */
HV_MUST_CHECK hv_err qvm_resize_to(qvm_rig *rig, const qvm_resize *how, uint64_t limit_bytes, uint64_t *moved_bytes);

#endif
