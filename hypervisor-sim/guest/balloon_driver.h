/* SPDX-License-Identifier: MIT
 *
 * The balloon driver: allocates memory until it holds the target, tells the host which, and waits for the host after
 * each array of frame numbers; gives it back the same way. The order of its runs is the technique's. */
#ifndef HV_BALLOON_DRIVER_H
#define HV_BALLOON_DRIVER_H

#include "guest/driver.h"

/** An element holds up to this many 32-bit frame numbers. */
enum { HV_BALLOON_NUMBERS_MAX = 256, HV_BALLOON_RING_INFLATE = 0, HV_BALLOON_RING_DEFLATE = 1, HV_BALLOON_RINGS = 2 };

/** The run function of a driver whose balloon holds runs of this order. */
void hv_balloon_drive(hv_driver *driver, unsigned order);

#endif
