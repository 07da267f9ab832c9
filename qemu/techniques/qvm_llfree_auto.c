/* SPDX-License-Identifier: MIT
 *
 * llfree-auto: the host half of hvsim over the frames that the guest driver serves: state and memory lie behind BAR 2.
 */
#include "monitor/qvm_link.h"
#include "techniques/qvm_technique.h"

extern const hv_technique hv_technique_llfree_auto;

const qvm_technique qvm_technique_llfree_auto = {
	.technique = &hv_technique_llfree_auto,
	.device = "ivshmem-doorbell",
	.device_frames = true,
	.prepare = qvm_link_frames_prepare,
	.attach = qvm_link_frames_attach,
	.guest_numbers = qvm_link_frames_numbers,
	.leave = qvm_link_leave,
	.detach = qvm_link_detach,
};
