/* SPDX-License-Identifier: MIT
 *
 * llfree-auto: the two halves; see llfree_auto_host.c. */
#ifndef HV_LLFREE_AUTO_H
#define HV_LLFREE_AUTO_H

#include "techniques/hv_technique.h"

extern const hv_guest_half hv_llfree_auto_guest;

#endif
