/* SPDX-License-Identifier: MIT
 *
 * The reporting driver: some time after memory became free it isolates free blocks, lends them to the host in batches,
 * and puts them back, marked, when the host has used the batch. It never takes memory that somebody uses, and never
 * asks for more. */
#ifndef HV_REPORT_DRIVER_H
#define HV_REPORT_DRIVER_H

#include "guest/driver.h"

enum { HV_REPORT_RINGS = 1 };

/** The run function of a driver that reports blocks of at least min_order, cut into pieces of at most max_order. */
void hv_report_drive(hv_driver *driver, unsigned min_order, unsigned max_order);

#endif
