/* SPDX-License-Identifier: MIT
 *
 * The guest touches its memory: what was never touched proves nothing when it is taken. */
#ifndef QVM_FILL_H
#define QVM_FILL_H

#include "rig/qvm_rig.h"

/** How much the guest can write: of a device nearly all, of its RAM what its kernel leaves. */
uint64_t qvm_fill_bytes(qvm_rig *rig);
/** The guest writes into each page of so much memory, reads it again and frees it, in a process of its own, so that all
 * of it is free when it has ended. @param filled_bytes  what it got  @return HV_OK; HV_ERR_INVAL a page was not as
 * written; others as qvm_rig_ask(); rig->why says what */
HV_MUST_CHECK hv_err qvm_fill_and_free(qvm_rig *rig, uint64_t bytes, uint64_t *filled_bytes);
/** How far from exact a proof by the memory files may be: the guest keeps some back when it fills, and its kernel runs
 * on. */
uint64_t qvm_fill_slack_bytes(const qvm_rig *rig);

#endif
