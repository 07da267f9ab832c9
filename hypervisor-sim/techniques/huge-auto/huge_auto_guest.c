/* SPDX-License-Identifier: MIT
 *
 * huge-auto, guest half: reports free memory by huge frames; larger blocks are cut. */
#include "techniques/huge-auto/huge_auto.h"
#include "guest/report_driver.h"

static void huge_auto_drive(hv_driver *driver)
{
	hv_report_drive(driver, LLFREE_HUGE_ORDER, LLFREE_HUGE_ORDER);
}

const hv_guest_half hv_huge_auto_guest = { .drive = huge_auto_drive, .n_rings = HV_REPORT_RINGS, .reports = true };
