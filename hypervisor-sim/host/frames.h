/* SPDX-License-Identifier: MIT
 *
 * R: the host's own record of each huge frame, two bits, in memory that no guest sees. Lock-free; every transition
 * goes through busy, and whoever makes a frame busy owns it until it ends the transition. busy is set before the guest
 * word changes and cleared after memory has followed, so a frame that is not busy is what R says (H1, H3, H4). */
#ifndef HV_FRAMES_H
#define HV_FRAMES_H

#include "base/hv_base.h"

typedef enum hv_r {
	HV_R_INSTALLED = 0, /**< the guest may use it; present or not yet touched */
	HV_R_BUSY = 1,      /**< one host thread is changing it */
	HV_R_SOFT = 2,      /**< no memory behind it, the guest may allocate it after an install */
	HV_R_HARD = 3       /**< no memory behind it, taken from the guest */
} hv_r;

typedef struct hv_frames {
	_Atomic uint64_t *words; /**< 32 huge frames each */
	uint64_t huge_count;
} hv_frames;

/** All installed. */
HV_MUST_CHECK hv_err hv_frames_create(hv_frames *self, uint64_t huge_count);
void hv_frames_destroy(hv_frames *self);

/** The state now; huge_idx must be in range. */
hv_r hv_frames_state(const hv_frames *self, uint64_t huge_idx);
/** from -> busy, in one step. @return false when R is not from (any more); true: the caller owns the transition.
 *  from must not be busy. */
HV_MUST_CHECK bool hv_frames_begin(hv_frames *self, uint64_t huge_idx, hv_r from);
/** busy -> to, by the owner of the transition. */
void hv_frames_end(hv_frames *self, uint64_t huge_idx, hv_r to);

/** Huge frames in this state; exact at rest. */
uint64_t hv_frames_count(const hv_frames *self, hv_r state);
/** The first huge frame from begin on in this state; huge_count when there is none. */
uint64_t hv_frames_find(const hv_frames *self, hv_r state, uint64_t begin);

#endif
