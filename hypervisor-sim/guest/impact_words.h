/* SPDX-License-Identifier: MIT
 *
 * What the kernels of stream and ftq do to memory, in pieces that know no guest: vCPUs of the simulator and processes
 * in real guests run the same. */
#ifndef HV_IMPACT_WORDS_H
#define HV_IMPACT_WORDS_H

#include "base/hv_base.h"

enum {
	HV_STREAM_PIECE_WORDS = 256 * 1024 / 8,
	HV_RUN_WORDS = HV_HUGE_BYTES / 8,
	HV_FTQ_FRAME_WORDS = HV_FRAME_BYTES / 8
};

/* stream: a[i] = b[i] over huge frames. Each b[] holds words of its own, each a[] begins as the complement of its b[].
 */

void hv_stream_fill(uint64_t *words, uint32_t vcpu_idx, size_t run_idx, bool complement);
/** One piece of HV_STREAM_PIECE_WORDS. */
void hv_stream_copy(uint64_t *restrict to, const uint64_t *restrict from);
/** @return how many words are not as filled */
uint64_t hv_stream_check(const uint64_t *words, uint32_t vcpu_idx, size_t run_idx, bool complement);

/* ftq: a unit adds one to the first word of each cache line of a frame that began as zeros. */

void hv_ftq_unit(uint64_t *words);
/** @param n_units  those that this frame saw are added  @return how many words are not as they must be */
uint64_t hv_ftq_check(const uint64_t *words, uint64_t *n_units);

#endif
