/* SPDX-License-Identifier: MIT
 *
 * Words of the hostile guest; see attacker_words.h. */
#include "guest/attacker_words.h"

__attribute__((no_sanitize("thread"))) void hv_attack_store(void *at, uint64_t value, unsigned bytes)
{
	switch (bytes) {
	case 2:
		*(volatile uint16_t *)at = (uint16_t)value;
		break;
	case 4:
		*(volatile uint32_t *)at = (uint32_t)value;
		break;
	default:
		*(volatile uint64_t *)at = value;
	}
}

__attribute__((no_sanitize("thread"))) uint64_t hv_attack_load(const void *at, unsigned bytes)
{
	return bytes == 2   ? *(const volatile uint16_t *)at
	       : bytes == 4 ? *(const volatile uint32_t *)at
			    : *(const volatile uint64_t *)at;
}

uint64_t hv_attack_below(hv_attacker *self, uint64_t n)
{
	return hv_random(&self->random) % n;
}

uint64_t hv_attack_word(hv_attacker *self, uint64_t now)
{
	static const uint64_t states[] = { 0,
					   UINT64_MAX,
					   0x4000400040004000,
					   0x8200820082008200,
					   0xc000c000c000c000,
					   0x0200020002000200,
					   0x2000100020001000,
					   0x60007fff60007fff,
					   0x000007ffffffffff,
					   0x8000000080000000 };
	switch (hv_attack_below(self, 5)) {
	case 0:
		return now ^ UINT64_C(1) << hv_attack_below(self, 64);
	case 1:
		return now + (hv_attack_below(self, 2) != 0 ? 1 : UINT64_MAX);
	case 2:
		return states[hv_attack_below(self, sizeof(states) / sizeof(states[0]))];
	case 3:
		return hv_random(&self->random) >> hv_attack_below(self, 64);
	default:
		return hv_random(&self->random);
	}
}

void hv_attack_spoil(hv_attacker *self, void *at, unsigned bytes)
{
	hv_attack_store(at, hv_attack_word(self, hv_attack_load(at, bytes)), bytes);
}

void hv_attack_spoil_some(hv_attacker *self, void *cells, uint64_t n_cells, unsigned bytes)
{
	for (uint64_t left = 1 + hv_attack_below(self, HV_ATTACK_SCRIBBLE); left > 0; left--)
		hv_attack_spoil(self, (uint8_t *)cells + hv_attack_below(self, n_cells) * bytes, bytes);
}
