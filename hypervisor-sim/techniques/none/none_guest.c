/* SPDX-License-Identifier: MIT
 *
 * none, guest half: nothing. */
#include "techniques/none/none.h"

const hv_guest_half hv_none_guest = { .attach = NULL };
