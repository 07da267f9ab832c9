/* SPDX-License-Identifier: MIT
 *
 * base-auto, guest half: reports free blocks of at least --report-order, as large as they are. */
#include "techniques/base-auto/base_auto.h"
#include "guest/report_driver.h"

enum { LARGEST_ORDER = 10 };

static void base_auto_drive(hv_driver *driver)
{
	hv_report_drive(driver, driver->vm->config.tuning.report_order, LARGEST_ORDER);
}

const hv_guest_half hv_base_auto_guest = { .drive = base_auto_drive, .n_rings = HV_REPORT_RINGS, .reports = true };
