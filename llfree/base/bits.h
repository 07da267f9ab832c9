/* SPDX-License-Identifier: MIT
 *
 * Bit counting and searching on plain words, and the one macro for internal assertions. No atomics, no libcalls:
 * gcc turns __builtin_popcountll into a call to libgcc where the target has no instruction for it. */
#ifndef LLF_BITS_H
#define LLF_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define LLF_LIKELY(x)   __builtin_expect(!!(x), 1)
#define LLF_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define LLF_NOINLINE    __attribute__((__noinline__)) /* keeps the register saves of a long way out of the short one */
#define LLF_INLINE      inline __attribute__((__always_inline__))
/* Cheap checks of what this library itself established; never on a word that a guest can write. */
#ifdef LLF_DEBUG
#define LLF_ASSERT(x) ((x) ? (void)0 : __builtin_trap())
#else
#define LLF_ASSERT(x) ((void)sizeof(x))
#endif

static inline unsigned llf_popcount(uint64_t word)
{
#ifdef __POPCNT__
	return (unsigned)__builtin_popcountll(word);
#else
	word -= (word >> 1) & UINT64_C(0x5555555555555555);
	word = (word & UINT64_C(0x3333333333333333)) + ((word >> 2) & UINT64_C(0x3333333333333333));
	word = (word + (word >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
	return (unsigned)((word * UINT64_C(0x0101010101010101)) >> 56);
#endif
}

/* Index of the lowest set bit. word must not be 0. */
static inline unsigned llf_lowest(uint64_t word)
{
	LLF_ASSERT(word != 0);
	return (unsigned)__builtin_ctzll(word);
}

/* The count lowest set bits of word, or all when it has fewer. */
static inline uint64_t llf_lowest_bits(uint64_t word, unsigned count)
{
	uint64_t rest = word;
	while (count-- && rest)
		rest &= rest - 1;
	return word & ~rest;
}

/* 2^order ones at bit 0; order 0..6. */
static inline uint64_t llf_run_mask(unsigned order)
{
	LLF_ASSERT(order <= 6);
	return order == 6 ? UINT64_MAX : (UINT64_C(1) << (1u << order)) - 1;
}

/* Lowest aligned run of 2^order zero bits in row, as a mask; 0 when there is none. order 0..6. */
static inline uint64_t llf_free_run(uint64_t row, unsigned order)
{
	static const uint64_t aligned[7] = { UINT64_MAX,
					     UINT64_C(0x5555555555555555),
					     UINT64_C(0x1111111111111111),
					     UINT64_C(0x0101010101010101),
					     UINT64_C(0x0001000100010001),
					     UINT64_C(0x0000000100000001),
					     1 };
	uint64_t start = ~row;
	for (unsigned i = 0; i < order; i++)
		start &= start >> (1u << i);
	start &= aligned[order];
	return start ? llf_run_mask(order) << llf_lowest(start) : 0;
}

/* The next multiple of unit, a power of two. */
static inline uint64_t llf_align_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) & ~(unit - 1);
}

static inline uint64_t llf_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

#endif
