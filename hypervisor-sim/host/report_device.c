/* SPDX-License-Identifier: MIT
 *
 * The host's side of free page reporting; see report_device.h. */
#include "host/report_device.h"

hv_err hv_report_element(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element,
			 uint32_t *written_bytes)
{
	hv_err worst = HV_OK;
	uint64_t left_frames = self->ledger.frames;
	(void)ring_idx;
	*written_bytes = 0;
	if (element->n_read != 0)
		return HV_ERR_GUEST;
	for (unsigned at = 0; at < element->n_write; at++) {
		const hv_ring_segment *segment = &element->segments[at];
		if (segment->address % HV_FRAME_BYTES != 0 || segment->bytes % HV_FRAME_BYTES != 0)
			return HV_ERR_GUEST;
		uint64_t n_frames = segment->bytes / HV_FRAME_BYTES;
		if (n_frames > left_frames)
			return HV_ERR_GUEST; /* more than there is: some frame stands in it twice */
		left_frames -= n_frames;
		hv_err err = hv_channel_report(self, segment->address / HV_FRAME_BYTES, n_frames);
		if (err == HV_ERR_GUEST)
			return err;
		worst = err != HV_OK ? err : worst;
	}
	return worst;
}

hv_err hv_report_pass(hv_host *host, uint64_t *moved_bytes)
{
	return hv_channel_pass(host->channel, moved_bytes);
}

uint64_t hv_report_pass_ns(const hv_host *host, uint64_t *wait_ns)
{
	return hv_channel_pass_ns(host->channel, wait_ns);
}
