/* SPDX-License-Identifier: MIT
 *
 * huge-manual: the two halves; see huge_manual_host.c. */
#ifndef HV_HUGE_MANUAL_H
#define HV_HUGE_MANUAL_H

#include "techniques/hv_technique.h"

enum { HV_HUGE_MANUAL_ORDER = LLFREE_HUGE_ORDER };

extern const hv_guest_half hv_huge_manual_guest;

#endif
