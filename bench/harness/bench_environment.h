/* SPDX-License-Identifier: MIT
 *
 * What a result has to say about where it comes from. */
#ifndef BENCH_ENVIRONMENT_H
#define BENCH_ENVIRONMENT_H

#include "bench_options.h"

/** Add machine, build and parameters to the context of the reports. */
void bench_environment_add(const bench_options *options);
/** A sanitizer brings its own malloc: no malloc can be measured then. */
bool bench_built_with_sanitizer(void);

#endif
