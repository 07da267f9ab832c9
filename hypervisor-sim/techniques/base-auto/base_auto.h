/* SPDX-License-Identifier: MIT
 *
 * base-auto: the two halves; see base_auto_host.c. */
#ifndef HV_BASE_AUTO_H
#define HV_BASE_AUTO_H

#include "techniques/hv_technique.h"

extern const hv_guest_half hv_base_auto_guest;

#endif
