/* SPDX-License-Identifier: MIT
 *
 * none: a VM whose memory nobody takes. */
#ifndef HV_NONE_H
#define HV_NONE_H

#include "techniques/hv_technique.h"

extern const hv_guest_half hv_none_guest;

#endif
