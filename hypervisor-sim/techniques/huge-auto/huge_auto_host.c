/* SPDX-License-Identifier: MIT
 *
 * huge-auto, host half: free page reporting by huge frames; each 2 MiB frame is discarded by itself. Not DMA-safe. */
#include "techniques/huge-auto/huge_auto.h"
#include "host/report_device.h"

static const hv_host_half huge_auto_host = {
	.pass = hv_report_pass,
	.pass_ns = hv_report_pass_ns,
	.element = hv_report_element,
};

const hv_technique hv_technique_huge_auto = {
	.name = "huge-auto",
	.summary = "the guest reports free 2 MiB frames some time after frees",
	.allocator = "buddy",
	.grain_bytes = HV_HUGE_BYTES,
	.automatic = true,
	.discard = "one call per 2 MiB",
	.guest = &hv_huge_auto_guest,
	.host = &huge_auto_host,
};
