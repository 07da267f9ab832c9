/* SPDX-License-Identifier: MIT
 *
 * The host's side of a balloon; see balloon_device.h. Frame numbers are the guest's words: each is copied once, must
 * be aligned, and the ledger must agree that the guest has it (or had handed it over). */
#include "host/balloon_device.h"
#include "guest/balloon_driver.h"

hv_err hv_balloon_element_at(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element,
			     unsigned order, hv_balloon_place_fn place)
{
	uint32_t numbers[HV_BALLOON_NUMBERS_MAX];
	hv_err worst = HV_OK;
	if (element->n_read != 1 || element->n_write != 0)
		return HV_ERR_GUEST;
	uint64_t run_frames = UINT64_C(1) << order;
	uint32_t n_numbers =
		hv_ring_host_read(&self->rings[ring_idx], &element->segments[0], numbers, HV_BALLOON_NUMBERS_MAX);
	if (n_numbers == 0)
		return HV_ERR_GUEST;
	for (uint32_t at = 0; at < n_numbers; at++) {
		uint64_t frame = numbers[at];
		if (frame % run_frames != 0 || (place != NULL && !place(self->host, frame, run_frames, &frame)))
			return HV_ERR_GUEST;
		hv_err err = ring_idx == HV_BALLOON_RING_INFLATE ? hv_channel_take(self, frame, run_frames)
								 : hv_channel_give(self, frame, run_frames);
		if (err == HV_ERR_GUEST)
			return err;
		worst = err != HV_OK ? err : worst;
	}
	return worst;
}

hv_err hv_balloon_element(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element, unsigned order)
{
	return hv_balloon_element_at(self, ring_idx, element, order, NULL);
}

/* Memory beyond the limit is what the balloon is to hold. */
static hv_err balloon_set(hv_host *host, uint64_t limit_bytes, uint64_t *out_bytes)
{
	uint64_t memory_bytes = host->memory.huge_count << HV_HUGE_SHIFT;
	*out_bytes = hv_ledger_out_bytes(&host->channel->ledger);
	if (limit_bytes > memory_bytes)
		return HV_ERR_INVAL;
	return hv_channel_target(host->channel, memory_bytes - limit_bytes);
}

hv_err hv_balloon_shrink(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	uint64_t before_bytes;
	*moved_bytes = 0;
	hv_err err = balloon_set(host, limit_bytes, &before_bytes);
	uint64_t out_bytes = hv_ledger_out_bytes(&host->channel->ledger);
	if (out_bytes > before_bytes)
		*moved_bytes = out_bytes - before_bytes;
	if (err != HV_OK)
		return err;
	return out_bytes < (host->memory.huge_count << HV_HUGE_SHIFT) - limit_bytes ? HV_ERR_SHORT : HV_OK;
}

hv_err hv_balloon_grow(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	uint64_t before_bytes;
	hv_err err = balloon_set(host, limit_bytes, &before_bytes);
	uint64_t out_bytes = hv_ledger_out_bytes(&host->channel->ledger);
	*moved_bytes = before_bytes > out_bytes ? before_bytes - out_bytes : 0;
	return err;
}
