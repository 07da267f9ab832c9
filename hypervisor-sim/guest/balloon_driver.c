/* SPDX-License-Identifier: MIT
 *
 * The balloon driver; see balloon_driver.h. Runs that it gives back are free only after the host has used the element
 * that names them. When memory runs out, the target counts as settled where it is: the host asks again if it wants. */
#include "guest/balloon_driver.h"

static bool tell_host(hv_driver *driver, unsigned ring_idx, unsigned n_numbers)
{
	hv_ring_segment segment = { driver->buffer_address, n_numbers * (uint32_t)sizeof(uint32_t) };
	return hv_driver_request(driver, ring_idx, &segment, 1, 0);
}

/* One array more. @return false: the driver is to end; *n_runs: 0 when the guest has no memory left */
static bool inflate(hv_driver *driver, unsigned order, uint64_t max_runs, unsigned *n_runs)
{
	uint32_t *numbers = hv_driver_buffer(driver);
	uint64_t frame;
	*n_runs = 0;
	while (*n_runs < max_runs && *n_runs < HV_BALLOON_NUMBERS_MAX && hv_driver_get(driver, order, &frame)) {
		driver->frames[driver->n_frames + *n_runs] = frame;
		numbers[(*n_runs)++] = (uint32_t)frame;
	}
	if (*n_runs == 0)
		return true;
	driver->n_frames += *n_runs;
	return tell_host(driver, HV_BALLOON_RING_INFLATE, *n_runs);
}

static bool deflate(hv_driver *driver, unsigned order, uint64_t max_runs)
{
	uint32_t *numbers = hv_driver_buffer(driver);
	unsigned n_runs = 0;
	while (n_runs < max_runs && n_runs < HV_BALLOON_NUMBERS_MAX) {
		numbers[n_runs] = (uint32_t)driver->frames[driver->n_frames - 1 - n_runs];
		n_runs++;
	}
	if (!tell_host(driver, HV_BALLOON_RING_DEFLATE, n_runs))
		return false;
	while (n_runs-- > 0)
		hv_driver_put(driver, order, driver->frames[--driver->n_frames]);
	return true;
}

void hv_balloon_drive(hv_driver *driver, unsigned order)
{
	uint64_t target_bytes;
	uint32_t number;
	unsigned n_runs = 0;
	for (;;) {
		if (!hv_driver_target(driver, &target_bytes, &number)) {
			if (!hv_driver_wait(driver))
				return;
			continue;
		}
		uint64_t target_runs = target_bytes / HV_FRAME_BYTES >> order;
		bool more = true;
		if (driver->n_frames < target_runs)
			more = inflate(driver, order, target_runs - driver->n_frames, &n_runs);
		else if (driver->n_frames > target_runs)
			more = deflate(driver, order, driver->n_frames - target_runs);
		if (!more)
			return;
		if (driver->n_frames == target_runs || (driver->n_frames < target_runs && n_runs == 0))
			hv_driver_settle(driver, number);
	}
}
