/* SPDX-License-Identifier: MIT
 *
 * Memory of a guest process in blocks of 2 MiB, anonymous or of a device file, with a pattern in every page that tells
 * which page of which block it is and how often it was written. A block has one place: its index, its address and its
 * offset in the device belong together. Memory that does not come (SIGBUS, no memory) is an outcome, not a crash. */
#ifndef AGENT_BLOCKS_H
#define AGENT_BLOCKS_H

#include "base/hv_base.h"

typedef struct agent_block {
	uint32_t versions[HV_HUGE_FRAMES]; /**< how often each page was written since it was taken */
	uint32_t takes;
	bool held;
} agent_block;

typedef enum agent_huge { AGENT_HUGE_DEFAULT, AGENT_HUGE_ALWAYS, AGENT_HUGE_NEVER } agent_huge;

/** What was seen; added up by its owner. */
typedef struct agent_seen {
	uint64_t checked, written, taken, dropped, short_of; /**< pages; pages; blocks, three times */
	uint64_t wrong, unzeroed;                            /**< pages that did not hold what they must */
	char first[160];                                     /**< the first of these, in words */
} agent_seen;

typedef struct agent_blocks {
	unsigned char *base; /**< the address of block 0 */
	agent_block *blocks;
	size_t n_places;
	int device_fd; /**< -1: anonymous memory */
	agent_huge huge;
	unsigned step_words; /**< 1: every word holds the pattern; else the first and the last */
	uint64_t seed;
} agent_blocks;

/** Make room for so many blocks; holds none yet. @param device  path; NULL = anonymous  @return false with errno */
HV_MUST_CHECK bool agent_blocks_open(agent_blocks *self, size_t n_places, const char *device);
void agent_blocks_close(agent_blocks *self);

/** Take a block and write it. New pages must be zero. @return false: there is no memory, and nothing is held */
bool agent_block_take(agent_blocks *self, size_t at, agent_seen *seen);
void agent_block_drop(agent_blocks *self, size_t at, agent_seen *seen);
/** Does the page hold what was written last? */
void agent_page_check(const agent_blocks *self, size_t at, size_t page_idx, agent_seen *seen);
/** Write it anew. */
void agent_page_write(agent_blocks *self, size_t at, size_t page_idx, agent_seen *seen);
void agent_block_check(const agent_blocks *self, size_t at, agent_seen *seen);

void agent_seen_add(agent_seen *sum, const agent_seen *more);

#endif
