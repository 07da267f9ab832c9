/* SPDX-License-Identifier: MIT
 *
 * Take a whole range of frames out of a running guest: what is free in it is isolated, what is allocated and movable is
 * migrated, contents and all, to frames elsewhere. Beside vCPUs that allocate, free and use all of that. */
#ifndef HV_ISOLATE_H
#define HV_ISOLATE_H

#include "guest/driver.h"

typedef enum hv_isolate_result {
	HV_ISOLATE_DONE,      /**< every frame of the range is the caller's */
	HV_ISOLATE_FIXED,     /**< a frame of it can't be moved; nothing has changed hands */
	HV_ISOLATE_NO_MEMORY, /**< no room for what must move; likewise */
	HV_ISOLATE_BUSY       /**< it would not come to rest; likewise */
} hv_isolate_result;

enum { HV_ISOLATE_FRAMES_MAX = 2 * HV_HUGE_FRAMES };

/** @param first_frame  aligned to a huge frame  @param n_frames  whole huge frames, at most HV_ISOLATE_FRAMES_MAX */
HV_MUST_CHECK hv_isolate_result hv_isolate(hv_driver *driver, uint64_t first_frame, uint64_t n_frames);
/** Free a range that was isolated. */
void hv_isolate_undo(hv_driver *driver, uint64_t first_frame, uint64_t n_frames);

#endif
