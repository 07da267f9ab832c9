/* SPDX-License-Identifier: MIT
 *
 * The sequential model: which frames are taken, in plain arrays, beside the allocator. Random operations are done on
 * both; every result must be the model's, and now and then the whole region must look like it. Where the allocator has
 * a choice (which frame), the model follows and checks that the choice was legal. */
#ifndef T_MODEL_H
#define T_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Operations and their arguments are drawn from bytes (a fuzzer's), or from a seed when there are none.
 * @return operations done. On a difference it prints what, and ends the process by abort(). */
uint64_t t_model_run(const uint8_t *bytes, size_t n_bytes, uint64_t seed, uint64_t max_ops);

#endif
