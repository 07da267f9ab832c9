/* SPDX-License-Identifier: MIT
 *
 * The threads of a row, the steps that cases run on them, and what they time. Each step starts on all threads at a
 * barrier; each thread takes its own time. */
#ifndef BENCH_TEAM_H
#define BENCH_TEAM_H

#include "bench_case.h"

/** Make the threads, pin them if asked to, call the allocator's thread_init, make the blocks arrays.
 *  @return NULL on failure (reason in row->error) */
bench_team *bench_team_open(bench_row *row, uint64_t n_blocks);
void bench_team_close(bench_team *team);
/** Run a step on all threads, and wait. @return false when a worker set failed */
bool bench_team_run(bench_team *team, bench_step step);
bench_worker *bench_team_worker(bench_team *team, uint32_t idx);
/** Mean over the threads of what the last step took, in ns. */
double bench_team_mean_ns(const bench_team *team);
/** The longest. */
double bench_team_max_ns(const bench_team *team);

/** Operations of a step, from position first on. */
typedef void (*bench_ops)(bench_worker *worker, uint64_t first, uint64_t n_ops);
/** Run n_ops of them in groups of 8192 with the clock read between the groups; sets step_ns and group_ns. */
void bench_groups(bench_worker *worker, bench_ops ops, uint64_t first, uint64_t n_ops);

/** Run a step and add its ns per operation to the metric: the median of its groups, averaged over the threads, so that
 * a group in which the kernel ran something else does not count. ns_per_op: the plain mean. @return false: it failed */
bool bench_timed(bench_row *row, bench_step step, const char *metric, double *ns_per_op);

/* Steps over worker->blocks. */
void bench_step_get(bench_worker *worker);       /* fill blocks */
void bench_step_put(bench_worker *worker);       /* put blocks, in order */
void bench_step_get_batch(bench_worker *worker); /* the same, 64 at a time */
void bench_step_put_batch(bench_worker *worker);
void bench_step_shuffle(bench_worker *worker); /* blocks in random order; not timed */

/** Loops with bookkeeping, for steps and samples: they count operations and set failed. */
void bench_do_get(bench_worker *worker, uint64_t first, uint64_t n_ops);
void bench_do_put(bench_worker *worker, uint64_t first, uint64_t n_ops);
void bench_do_pair(bench_worker *worker, uint64_t first, uint64_t n_ops); /* first is ignored */
void bench_do_swap(bench_worker *worker, uint64_t first, uint64_t n_ops); /* likewise */

/** Samples of a row's percentiles: see sample.c. */
bool bench_sample_row(bench_row *row);
extern const char *const bench_percentile_names[6];

/** mmap without the malloc under test; prefaulted. NULL on failure. */
void *bench_map(size_t map_bytes);
void bench_unmap(void *map, size_t map_bytes);

#endif
