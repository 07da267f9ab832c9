/* SPDX-License-Identifier: MIT
 *
 * huge-manual: a balloon of 2 MiB pages. The guest driver allocates them from the guest's kernel and names them over
 * BAR 2; QEMU has no part in it: the host half is hvsim's, and punches the RAM file. */
#include "host/balloon_device.h"
#include "monitor/qvm_link.h"
#include "techniques/qvm_technique.h"

static const hv_host_half host_half = { .shrink = hv_balloon_shrink, .grow = hv_balloon_grow };

static const hv_technique technique = {
	.name = "huge-manual",
	.summary = "a balloon of 2 MiB pages (the guest driver's)",
	.allocator = "linux",
	.grain_bytes = HV_HUGE_BYTES,
	.discard = "punch, one call per 2 MiB",
	.host = &host_half,
};

const qvm_technique qvm_technique_huge_manual = {
	.technique = &technique,
	.device = "ivshmem-doorbell",
	.prepare = qvm_link_balloon_prepare,
	.attach = qvm_link_balloon_attach,
	.leave = qvm_link_leave,
	.detach = qvm_link_detach,
};
