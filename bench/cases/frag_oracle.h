/* SPDX-License-Identifier: MIT
 *
 * The reference of the fragmentation curve: an allocator without any constraint of speed that always takes from the
 * tree (8 huge frames) with the fewest free frames, and inside a tree the lowest free frame. */
#ifndef BENCH_FRAG_ORACLE_H
#define BENCH_FRAG_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct frag_oracle frag_oracle;

/** frames: a multiple of a tree. NULL on failure. */
frag_oracle *frag_oracle_new(uint64_t frames);
void frag_oracle_free(frag_oracle *oracle);
bool frag_oracle_get(frag_oracle *oracle, uint64_t *frame);
void frag_oracle_put(frag_oracle *oracle, uint64_t frame);

#endif
