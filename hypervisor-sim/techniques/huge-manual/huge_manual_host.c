/* SPDX-License-Identifier: MIT
 *
 * huge-manual, host half: the balloon of base-manual with 2 MiB frames; each is discarded by itself. Not DMA-safe. */
#include "techniques/huge-manual/huge_manual.h"
#include "host/balloon_device.h"

static hv_err huge_manual_element(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element,
				  uint32_t *written_bytes)
{
	(void)written_bytes;
	return hv_balloon_element(self, ring_idx, element, HV_HUGE_MANUAL_ORDER);
}

static const hv_host_half huge_manual_host = {
	.shrink = hv_balloon_shrink,
	.grow = hv_balloon_grow,
	.element = huge_manual_element,
};

const hv_technique hv_technique_huge_manual = {
	.name = "huge-manual",
	.summary = "a balloon of 2 MiB frames",
	.allocator = "buddy",
	.grain_bytes = HV_HUGE_BYTES,
	.discard = "one call per 2 MiB",
	.guest = &hv_huge_manual_guest,
	.host = &huge_manual_host,
};
