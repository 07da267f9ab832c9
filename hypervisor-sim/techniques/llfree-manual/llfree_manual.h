/* SPDX-License-Identifier: MIT
 *
 * llfree-manual: the two halves; see llfree_manual_host.c. */
#ifndef HV_LLFREE_MANUAL_H
#define HV_LLFREE_MANUAL_H

#include "techniques/hv_technique.h"

extern const hv_guest_half hv_llfree_manual_guest;

#endif
