/* SPDX-License-Identifier: MIT
 *
 * What the hostile guest writes words with, and the kinds of bad input that concern rings (attacker_ring.c). */
#ifndef HV_ATTACKER_WORDS_H
#define HV_ATTACKER_WORDS_H

#include "guest/attacker.h"

enum { HV_ATTACK_SCRIBBLE = 64 /**< words at once, at most */ };

/* Plain accesses of 2, 4 or 8 bytes. Thread sanitizers are not told: the host must cope with what no driver would
 * write, while it reads. */
void hv_attack_store(void *at, uint64_t value, unsigned bytes);
uint64_t hv_attack_load(const void *at, unsigned bytes);

uint64_t hv_attack_below(hv_attacker *self, uint64_t n);
/** What to write where a word of this value stands now. */
uint64_t hv_attack_word(hv_attacker *self, uint64_t now);
void hv_attack_spoil(hv_attacker *self, void *at, unsigned bytes);
/** Some of n_cells cells of an array. */
void hv_attack_spoil_some(hv_attacker *self, void *cells, uint64_t n_cells, unsigned bytes);

void hv_attack_ring_descriptor_address(hv_attacker *self);
void hv_attack_ring_descriptor_length(hv_attacker *self);
void hv_attack_ring_descriptor_flags(hv_attacker *self);
void hv_attack_ring_descriptor_next(hv_attacker *self);
void hv_attack_ring_descriptor_loop(hv_attacker *self);
void hv_attack_ring_available_idx(hv_attacker *self);
void hv_attack_ring_available_head(hv_attacker *self);
void hv_attack_ring_used_words(hv_attacker *self);
void hv_attack_ring_ring_anywhere(hv_attacker *self);
void hv_attack_ring_ring_payload(hv_attacker *self);

#endif
