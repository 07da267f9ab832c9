/* SPDX-License-Identifier: MIT
 *
 * huge-auto: the two halves; see huge_auto_host.c. */
#ifndef HV_HUGE_AUTO_H
#define HV_HUGE_AUTO_H

#include "techniques/hv_technique.h"

extern const hv_guest_half hv_huge_auto_guest;

#endif
