/* SPDX-License-Identifier: MIT
 *
 * base-manual: the two halves; see base_manual_host.c. */
#ifndef HV_BASE_MANUAL_H
#define HV_BASE_MANUAL_H

#include "techniques/hv_technique.h"

enum { HV_BASE_MANUAL_ORDER = 0 };

extern const hv_guest_half hv_base_manual_guest;

#endif
