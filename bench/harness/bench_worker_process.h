/* SPDX-License-Identifier: MIT
 *
 * The process that runs the rows of one allocator, and the ways to run one. */
#ifndef BENCH_WORKER_PROCESS_H
#define BENCH_WORKER_PROCESS_H

#include "bench_rows.h"

/** Run the rows of options->worker, write the runs to options->worker_fd. @return the exit code */
int bench_worker_main(const bench_options *options);
/** Run four passes of the row options->callgrind in this process and print how many operations each loop did. */
int bench_callgrind_main(const bench_options *options);

/** Built-in allocators and those of --peer; NULL if unknown. Exits when a --peer object can't be used. */
const bench_allocator *bench_allocator_find(const bench_options *options, const char *name);
/** The table in a --peer object, checked. Exits with a message when it can't be used. */
const bench_peer_table *bench_peer_load(const char *path);

#endif
