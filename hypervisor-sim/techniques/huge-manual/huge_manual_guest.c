/* SPDX-License-Identifier: MIT
 *
 * huge-manual, guest half: a balloon of huge frames. */
#include "techniques/huge-manual/huge_manual.h"
#include "guest/balloon_driver.h"

static void huge_manual_drive(hv_driver *driver)
{
	hv_balloon_drive(driver, HV_HUGE_MANUAL_ORDER);
}

const hv_guest_half hv_huge_manual_guest = { .drive = huge_manual_drive, .n_rings = HV_BALLOON_RINGS };
