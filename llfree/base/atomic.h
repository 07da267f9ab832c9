/* SPDX-License-Identifier: MIT
 *
 * Every atomic operation of the library, with its memory order in the name, over the __atomic builtins (they compile
 * in a kernel and in C++). Only these helpers touch word_. With LLF_EXPLORE each one is preceded by a scheduling point,
 * so that the schedule explorer of the tests decides who runs next. May include nothing but the public words. */
#ifndef LLF_ATOMIC_H
#define LLF_ATOMIC_H

#include <llfree/shared.h>

enum { LLF_SCHED_LOAD, LLF_SCHED_STORE, LLF_SCHED_RMW };
#ifdef LLF_EXPLORE
void llf_sched_point(const void *cell, int kind);
#else
#define llf_sched_point(cell, kind) ((void)0)
#endif

/* With LLF_COUNT, whoever links the core hears how each compare-exchange ended, and of the rare ways. */
enum { LLF_EVENT_REFILL, LLF_EVENT_PUT_MISS, LLF_EVENT_SEARCH, LLF_EVENT_SWEEP, LLF_EVENTS };
#ifdef LLF_COUNT
void llf_count_cas(const void *cell, bool won);
void llf_count_event(int event);
#else
#define llf_count_cas(cell, won) ((void)0)
#define llf_count_event(event)   ((void)0)
#endif

#define LLF_ATOMIC_OPS(name, cell_t, word_t)                                                                     \
	static inline word_t llf_##name##_load_relaxed(const cell_t *cell)                                       \
	{                                                                                                        \
		llf_sched_point(cell, LLF_SCHED_LOAD);                                                           \
		return __atomic_load_n(&cell->word_, __ATOMIC_RELAXED);                                          \
	}                                                                                                        \
	static inline word_t llf_##name##_load_acquire(const cell_t *cell)                                       \
	{                                                                                                        \
		llf_sched_point(cell, LLF_SCHED_LOAD);                                                           \
		return __atomic_load_n(&cell->word_, __ATOMIC_ACQUIRE);                                          \
	}                                                                                                        \
	static inline void llf_##name##_store_relaxed(cell_t *cell, word_t word)                                 \
	{                                                                                                        \
		llf_sched_point(cell, LLF_SCHED_STORE);                                                          \
		__atomic_store_n(&cell->word_, word, __ATOMIC_RELAXED);                                          \
	}                                                                                                        \
	/* On failure *expected is the word that was there: the caller's next look at it. */                     \
	static inline bool llf_##name##_cas_acqrel(cell_t *cell, word_t *expected, word_t desired)               \
	{                                                                                                        \
		llf_sched_point(cell, LLF_SCHED_RMW);                                                            \
		bool won = __atomic_compare_exchange_n(&cell->word_, expected, desired, false, __ATOMIC_ACQ_REL, \
						       __ATOMIC_ACQUIRE);                                        \
		llf_count_cas(cell, won);                                                                        \
		return won;                                                                                      \
	}                                                                                                        \
	static inline void llf_##name##_xor_acqrel(cell_t *cell, word_t bits)                                    \
	{                                                                                                        \
		llf_sched_point(cell, LLF_SCHED_RMW);                                                            \
		(void)__atomic_fetch_xor(&cell->word_, bits, __ATOMIC_ACQ_REL);                                  \
	}

LLF_ATOMIC_OPS(row, llfree_row_cell, uint64_t)
LLF_ATOMIC_OPS(child, llfree_child_cell, uint16_t)
LLF_ATOMIC_OPS(tree, llfree_tree_cell, uint32_t)
LLF_ATOMIC_OPS(u32, llfree_u32_cell, uint32_t)
LLF_ATOMIC_OPS(u64, llfree_u64_cell, uint64_t)

static inline uint32_t llf_u32_add_acqrel(llfree_u32_cell *cell, uint32_t addend)
{
	llf_sched_point(cell, LLF_SCHED_RMW);
	return __atomic_fetch_add(&cell->word_, addend, __ATOMIC_ACQ_REL);
}

static inline uint64_t llf_u64_add_relaxed(llfree_u64_cell *cell, uint64_t addend)
{
	llf_sched_point(cell, LLF_SCHED_RMW);
	return __atomic_fetch_add(&cell->word_, addend, __ATOMIC_RELAXED);
}

#endif
