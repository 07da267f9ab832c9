/* SPDX-License-Identifier: MIT
 *
 * What a guest writes into its frames, so that memory which vanished, came back as zeros or was handed out twice is
 * seen (H1, A1): nine words spread over the frame, from a key that names owner and frame. */
#ifndef HV_PATTERN_H
#define HV_PATTERN_H

#include "base/hv_base.h"

void hv_pattern_write(uint64_t *frame, uint64_t key);
/** @return false when a word is not what was written */
HV_MUST_CHECK bool hv_pattern_check(const uint64_t *frame, uint64_t key);

#endif
