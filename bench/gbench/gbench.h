/* SPDX-License-Identifier: MIT
 *
 * Google Benchmark for C. Two sides: a worker registers and runs rows and sends every finished run as a line over a
 * pipe; the sink, in the process that the user started, feeds those lines to Google Benchmark's own reporters. So the
 * rows of several processes come out as one console table and one JSON file. */
#ifndef BENCH_GBENCH_H
#define BENCH_GBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bench_gb_state bench_gb_state;
typedef void (*bench_gb_fn)(bench_gb_state *state, void *context);

/** Parse and remove Google Benchmark's flags; argv keeps the rest. Exits with its own message on a bad value. */
void bench_gb_initialize(int *argc, char **argv);
void bench_gb_print_help(void);

/* --- worker ------------------------------------------------------------------------------------------------------ */

/** Register a row under exactly this name. once: one iteration whatever the minimum time. */
void bench_gb_register(const char *name, bool once, bench_gb_fn fn, void *context);
/** Ask for another batch of n operations; false: enough. */
bool bench_gb_keep_running(bench_gb_state *state, uint64_t n_ops);
/** The time of this batch (manual time). */
void bench_gb_batch_time(bench_gb_state *state, double seconds);
/** What lies between is not counted as CPU time. */
void bench_gb_pause(bench_gb_state *state);
void bench_gb_resume(bench_gb_state *state);
void bench_gb_counter(bench_gb_state *state, const char *name, double value);
/** Mark the row as failed; its function returns then. */
void bench_gb_fail(bench_gb_state *state, const char *message);
/** Run what is registered, write each run to fd as a line. */
void bench_gb_run(int fd);
/** A map of a row at one round, two numbers per cell; from within the row's function. See docs/bench.md, "The map". */
typedef struct bench_gb_map {
	const char *row;
	uint64_t huge_frames, huge_per_cell, round;
	const uint16_t *free_frames, *free_huge; /**< of each cell */
	size_t n_cells;
} bench_gb_map;
void bench_gb_send_map(const bench_gb_map *map);

/* --- sink -------------------------------------------------------------------------------------------------------- */

typedef struct bench_gb_counter_value {
	const char *name;
	double value;
} bench_gb_counter_value;

/** A finished run, as the sink's caller sees it. */
typedef struct bench_gb_run_info {
	const char *name;      /**< without the aggregate's suffix */
	const char *aggregate; /**< "" for a plain run, else mean, median, stddev, ... */
	const char *error;     /**< NULL, or why the row failed */
	const bench_gb_counter_value *counters;
	size_t n_counters;
} bench_gb_run_info;
typedef void (*bench_gb_on_run)(const bench_gb_run_info *run, void *context);

typedef struct bench_gb_sink_config {
	bool quiet;             /**< nothing on stdout */
	const char *out_path;   /**< NULL = no file; else a file that the caller has created */
	const char *out_format; /**< json, console or csv */
	size_t name_width;      /**< longest row name */
	bench_gb_on_run on_run; /**< called for each run of the display side; may be NULL */
	void *context;
} bench_gb_sink_config;

/** Add a key to the context of the reports; before bench_gb_sink_open(). */
void bench_gb_sink_context(const char *key, const char *value);
bool bench_gb_sink_open(const bench_gb_sink_config *config);
/** One line from a worker. @return false: not a run line */
bool bench_gb_sink_line(const char *line);
/** A worker is done: the next one's families are numbered on from here. */
void bench_gb_sink_next_worker(void);
/** Complete the file and close it. @return false: it could not be written */
bool bench_gb_sink_close(void);

#ifdef __cplusplus
}
#endif
#endif
