/* SPDX-License-Identifier: MIT
 *
 * base-manual, host half: the balloon of virtio. 4 KiB frames come in arrays of up to 256, each is discarded by itself.
 * A backing huge page gets split by that, and its memory is the kernel's again only when all of it is gone. What the
 * guest takes back is backed at its next touch. A device that has pinned memory is not told: not DMA-safe. */
#include "techniques/base-manual/base_manual.h"
#include "host/balloon_device.h"

static hv_err base_manual_element(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element,
				  uint32_t *written_bytes)
{
	(void)written_bytes;
	return hv_balloon_element(self, ring_idx, element, HV_BASE_MANUAL_ORDER);
}

static const hv_host_half base_manual_host = {
	.shrink = hv_balloon_shrink,
	.grow = hv_balloon_grow,
	.element = base_manual_element,
};

const hv_technique hv_technique_base_manual = {
	.name = "base-manual",
	.summary = "a balloon of 4 KiB frames (virtio-balloon)",
	.allocator = "buddy",
	.grain_bytes = HV_FRAME_BYTES,
	.discard = "one call per 4 KiB",
	.guest = &hv_base_manual_guest,
	.host = &base_manual_host,
};
