/* SPDX-License-Identifier: MIT
 *
 * The map of the frames: how many frames of each huge frame are free after some of the rounds of frag, so that a report
 * can draw it. Large memories are shown by cells of several huge frames. docs/bench.md describes what is written. */
#ifndef BENCH_FRAG_MAP_H
#define BENCH_FRAG_MAP_H

#include <stdint.h>

typedef struct frag_map frag_map;

/** @return NULL when out of memory */
frag_map *frag_map_new(uint64_t n_huge, uint32_t rounds, uint32_t most_cells);
/** map may be NULL in these: nothing happens. used: allocated frames of each huge frame. */
void frag_map_add(frag_map *map, uint32_t round, const uint16_t *used);
void frag_map_send(const frag_map *map, const char *row);
void frag_map_free(frag_map *map);

#endif
