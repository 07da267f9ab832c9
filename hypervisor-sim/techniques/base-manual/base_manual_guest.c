/* SPDX-License-Identifier: MIT
 *
 * base-manual, guest half: a balloon of single frames. */
#include "techniques/base-manual/base_manual.h"
#include "guest/balloon_driver.h"

static void base_manual_drive(hv_driver *driver)
{
	hv_balloon_drive(driver, HV_BASE_MANUAL_ORDER);
}

const hv_guest_half hv_base_manual_guest = { .drive = base_manual_drive, .n_rings = HV_BALLOON_RINGS };
