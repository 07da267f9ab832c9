/* SPDX-License-Identifier: MIT
 *
 * The command line: what to run, on what, and where results go. Parsed once; a worker parses the same arguments. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	BENCH_MAX_LIST = 64,
	BENCH_MAX_THREADS = 1024,
	BENCH_MAX_ORDER = 10,
	BENCH_MAX_PEERS = 8,
	BENCH_EXIT_FAILED = 1,
	BENCH_EXIT_USAGE = 2,
	BENCH_EXIT_INTERRUPTED = 130
};

typedef enum bench_summary {
	BENCH_NO_SUMMARY,
	BENCH_SUMMARY_LATENCY,
	BENCH_SUMMARY_WRITE,
	BENCH_SUMMARY_FRAG
} bench_summary;

typedef struct bench_numbers {
	uint32_t values[BENCH_MAX_LIST];
	uint32_t count;
} bench_numbers;

typedef struct bench_names {
	const char *values[BENCH_MAX_LIST];
	uint32_t count;
} bench_names;

/** Weights of the orders in the case mixed. */
typedef struct bench_mix {
	uint32_t weights[BENCH_MAX_ORDER + 1];
	char orders[32]; /* those with a weight: "0,1,9" */
	uint32_t max_order;
} bench_mix;

typedef struct bench_options {
	uint64_t memory_bytes; /* managed by the allocators */
	uint64_t malloc_bytes; /* instead of memory_bytes for mallocs that write into what they hand out */
	uint64_t write_bytes;  /* touched by the case write */
	bench_numbers threads, orders, frag_slots;
	uint32_t slots; /* per-CPU structures; 0 = as many as CPUs or threads */
	struct {
		double values[3]; /* compare-exchange, line, line of another node, in ns */
		uint32_t count;   /* 0: measured */
	} line_costs;
	uint32_t tuning;
	uint32_t rounds;         /* of frag */
	uint32_t frag_map_cells; /* most cells of its map; 0: no map */
	bench_mix mix;
	uint32_t mix_fill; /* percent of the memory that is allocated */
	const char *trace_path;
	uint64_t seed;
	bool pin, list, force;
	bench_names allocators, cases, peers;
	const char *filter; /* regular expression over row names; a leading '-' excludes */
	const char *out_path, *out_format;
	bench_summary summary;
	const char *callgrind;  /* row to run in this process for instruction counts */
	const char *worker;     /* internal: run the rows of this allocator, write to worker_fd */
	const char *worker_row; /* only this row; NULL = all that do not ask for a process of their own */
	int worker_fd;
	int gb_argc; /* Google Benchmark's flags, argv[0] first */
	char *gb_argv[BENCH_MAX_LIST];
} bench_options;

/** Parse; prints a message and exits with BENCH_EXIT_USAGE when something is wrong, with 0 after --help. */
void bench_options_parse(bench_options *options, int argc, char **argv);
/** Frames managed. */
uint64_t bench_options_frames(const bench_options *options);
uint64_t bench_machine_memory_bytes(void);
/** Path of the trace that is replayed unless another one is named; it may not exist. */
const char *bench_default_trace(void);
bool bench_names_contain(const bench_names *names, const char *name);
/** Print "llfree-bench: ..." and leave with BENCH_EXIT_USAGE. */
__attribute__((noreturn, format(printf, 1, 2))) void bench_usage_error(const char *format, ...);

#endif
