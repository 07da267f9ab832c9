/* SPDX-License-Identifier: MIT
 *
 * The ledger: which 4 KiB frames of its memory a guest has handed to the host by a driver, and not got back. The
 * host's own record, in memory that no guest sees; what a driver says is checked against it, so nothing is taken or
 * given twice, and nothing beyond this VM is touched (H4). One thread changes it, any may read. */
#ifndef HV_LEDGER_H
#define HV_LEDGER_H

#include "base/hv_base.h"

enum { HV_LEDGER_HUGE_WORDS = HV_HUGE_FRAMES / 64 };

typedef struct hv_ledger {
	_Atomic uint64_t *words; /**< one bit per frame: 1 = out */
	uint64_t frames;
	_Atomic uint64_t out_frames;
} hv_ledger;

/** Nothing is out. */
HV_MUST_CHECK hv_err hv_ledger_create(hv_ledger *self, uint64_t frames);
/** Idempotent. */
void hv_ledger_destroy(hv_ledger *self);

/** Does the run lie in the memory, and are all of its frames out (or all in)? */
HV_MUST_CHECK bool hv_ledger_is(const hv_ledger *self, uint64_t first_frame, uint64_t n_frames, bool out);
/** Note a run as out, or as in again; what is so already stays. @return how many frames changed */
uint64_t hv_ledger_set(hv_ledger *self, uint64_t first_frame, uint64_t n_frames, bool out);
/** 64 frames, from 64 * word_idx on. */
uint64_t hv_ledger_word(const hv_ledger *self, uint64_t word_idx);
uint64_t hv_ledger_out_bytes(const hv_ledger *self);

#endif
