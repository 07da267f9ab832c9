/* SPDX-License-Identifier: MIT
 *
 * What a technique with the guest driver has: BAR 2, its bells, and the services of hypervisor-sim/host over them:
 * installs for LLFree, the channel for the balloon of 2 MiB pages. The parts of a qvm_technique: prepare, attach,
 * leave, detach. serve is attach without the guest: the host halves work on whatever stands in BAR 2. */
#ifndef QVM_LINK_H
#define QVM_LINK_H

#include "rig/qvm_rig.h"

/* LLFree: the frames behind /dev/llfree are the memory. */
HV_MUST_CHECK hv_err qvm_link_frames_prepare(qvm_rig *rig);
HV_MUST_CHECK hv_err qvm_link_frames_serve(qvm_rig *rig);
HV_MUST_CHECK hv_err qvm_link_frames_attach(qvm_rig *rig);
/** What guest processes hold of the frames, by the shared state; see hv_guest_numbers_fn. */
void qvm_link_frames_numbers(void *rig, uint64_t *used_bytes, uint64_t *wanted_bytes);

/* The balloon: the guest's RAM is the memory. */
HV_MUST_CHECK hv_err qvm_link_balloon_prepare(qvm_rig *rig);
HV_MUST_CHECK hv_err qvm_link_balloon_serve(qvm_rig *rig);
HV_MUST_CHECK hv_err qvm_link_balloon_attach(qvm_rig *rig);

/** Answer no install any more, as a monitor that hangs: what tests want to see of the guest. */
void qvm_link_hush(qvm_rig *rig);
void qvm_link_leave(qvm_rig *rig);
void qvm_link_detach(qvm_rig *rig);

#endif
