/* SPDX-License-Identifier: MIT
 *
 * base-auto, host half: free page reporting of virtio. Some time after frees the guest isolates free blocks, reports
 * them in batches, and puts them back when the host has discarded them. Only free memory, and not what per-CPU lists
 * hold. The host does nothing by itself, and knows nothing of what became of a block: not DMA-safe. */
#include "techniques/base-auto/base_auto.h"
#include "host/report_device.h"

static const hv_host_half base_auto_host = {
	.pass = hv_report_pass,
	.pass_ns = hv_report_pass_ns,
	.element = hv_report_element,
};

const hv_technique hv_technique_base_auto = {
	.name = "base-auto",
	.summary = "the guest reports free blocks some time after frees (free page reporting)",
	.allocator = "buddy",
	.grain_bytes = HV_HUGE_BYTES,
	.automatic = true,
	.discard = "one call per block",
	.guest = &hv_base_auto_guest,
	.host = &base_auto_host,
};
