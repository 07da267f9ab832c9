/* SPDX-License-Identifier: MIT
 *
 * The process that the user started: worker processes, report, files. */
#ifndef BENCH_DRIVER_H
#define BENCH_DRIVER_H

#include "bench_options.h"

/** Run all rows, each allocator in a process of its own. @return the exit code */
int bench_driver_main(const bench_options *options, int argc, char **argv);

#endif
