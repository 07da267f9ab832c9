/* SPDX-License-Identifier: MIT
 *
 * A region for a test, in memory of exactly the size it asked for, and the checks that most tests end with. */
#ifndef T_REGION_H
#define T_REGION_H

#include <llfree/handle.h>
#include <llfree/host.h>
#include <llfree/llfree.h>

typedef struct t_region {
	llfree_t a;
	llfree_config config;
	uint8_t *bytes;
	size_t n_bytes;
	unsigned installs; /* asked for so far */
	bool install_fails;
} t_region;

enum { T_TREE = LLFREE_TREE_FRAMES, T_HUGE_FRAMES = LLFREE_HUGE_FRAMES };

/* Every mode: for each of them the body runs once. */
#define T_EACH_MODE(exact) for (unsigned exact = 0; exact < 2; exact++)

t_region t_region_make(uint64_t frames, uint32_t cpus, bool exact);
t_region t_region_of(const llfree_config *config, bool all_taken);
void t_region_free(t_region *region);

llfree_request t_request(uint32_t cpu, unsigned order, unsigned class_idx);
/* Must succeed. */
uint64_t t_get(t_region *region, unsigned order);
uint64_t t_get_class(t_region *region, uint32_t cpu, unsigned order, unsigned class_idx);
void t_get_at(t_region *region, unsigned order, uint64_t frame);
void t_put(t_region *region, unsigned order, uint64_t frame);
/* Audit is clean; so many frames are free, by exact and by fast statistics. */
void t_check(const t_region *region, uint64_t free_frames);
uint64_t t_free_frames(const t_region *region);
/* All that an observer can see, as one number: bits, E marks, taken marks, offline. */
uint64_t t_observed(const t_region *region);

#endif
