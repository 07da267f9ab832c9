/* SPDX-License-Identifier: MIT
 *
 * Persistent media below a volatile cache. A store goes to the cache; a flush makes it durable; a crash keeps any part
 * of what was not flushed. Of one unit the media show some value that it had since its last flush: a unit is a cache
 * line, whose stores become durable in their order (x86, persistent memory), or eight bytes, any of them before any
 * other. Knows the region of the world, nothing of what is in it but where the durable words lie. */
#ifndef T_MEDIA_H
#define T_MEDIA_H

#include "world.h"

/* All stores so far are durable; the region's durable words begin at this offset. */
void t_media_reset(const uint8_t *region, size_t region_bytes, size_t durable_offset);
/* This cell is changed by the next operation, or by none. */
void t_media_watch(const void *cell);
/* Look whether the cell that was watched has changed. Before anything else is done or asked. */
void t_media_observe(void);
/* A flush function (llfree_flush_fn): one step of the schedule, then the range is durable. */
void t_media_flush(void *context, const void *address, size_t n_bytes);
/* Stores that are not durable yet. */
unsigned t_media_pending(void);

/* What media may show after a crash: each image is put into the region, and visit is called. In all orders of the units
 * of durable words, if these are at most max_exhaustive, else: none, all, each one lost, each one kept, and random
 * ones; each of them with several states of the other words. @return how many */
uint64_t t_media_each(uint8_t *region, bool lines, unsigned max_exhaustive, unsigned n_random, uint64_t seed,
		      void (*visit)(void));

#endif
