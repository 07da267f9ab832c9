/* SPDX-License-Identifier: MIT
 *
 * A case is one file cases/case_NAME.c with one descriptor bench_case_NAME; the build collects them. The harness makes
 * the rows of a case out of the options (allocator x order x threads x variant), opens the allocator and a team of
 * threads for each, and calls the descriptor's functions. */
#ifndef BENCH_CASE_H
#define BENCH_CASE_H

#include "bench_allocator.h"
#include "bench_options.h"
#include "bench_rng.h"

enum {
	BENCH_NAME_BYTES = 128,
	BENCH_MAX_METRICS = 16,
	BENCH_MAX_SAMPLES = 1024,
	BENCH_MAX_VARIANTS = 16,
	BENCH_MAX_GROUPS = 512
};

struct bench_gb_state;
typedef struct bench_row bench_row;
typedef struct bench_worker bench_worker;
typedef struct bench_team bench_team;
typedef void (*bench_step)(bench_worker *worker);

/** Operations done in each kind of loop: what instruction counts are divided by. */
typedef struct bench_op_counts {
	uint64_t get, put, pair, swap, get_batch, put_batch;
} bench_op_counts;

/** A thread of a row. The thread that runs the row is worker 0. */
struct bench_worker {
	bench_row *row;
	uint32_t idx;
	bench_cpu cpu;
	void *self;       /* the allocator's first argument on this thread */
	uint64_t *blocks; /* n_blocks entries of its own */
	uint64_t n_blocks;
	bench_rng rng;
	uint64_t step_ns;                  /* what the last step took */
	uint64_t step_ops;                 /* operations that succeeded in it */
	uint64_t kept;                     /* blocks[0..kept) stay allocated, where a case holds a level */
	uint64_t step_filled;              /* how many of blocks are allocated, where a case needs to know */
	uint32_t n_groups;                 /* of operations that were timed by themselves in the last step */
	double group_ns[BENCH_MAX_GROUPS]; /* per operation */
	bool failed;
	bench_op_counts counts;
};

typedef struct bench_variant {
	char suffix[32]; /* appended to the name, such as "full:90"; empty = none */
	uint64_t value;
} bench_variant;

typedef struct bench_case {
	const char *name;
	const char *question; /* what a row of it answers, one line */
	uint32_t rank;        /* place in the output */
	uint32_t min_threads; /* 0 = 1 */
	bool one_thread;      /* rows for one thread only, whatever --threads says */
	bool order0_only;
	bool frames_known; /* only allocators whose blocks are frame numbers */
	bool needs_batch;
	bool backed;                 /* the frames are written */
	bool asks_numa;              /* its figures are about NUMA: a machine with one node is worth a warning */
	bool backed_if_possible;     /* the frames are written where there are any */
	bool shared;                 /* a child process uses the allocator's state */
	bool fresh;                  /* each row in a process of its own, opened anew for each repetition */
	bool once;                   /* one pass, whatever the minimum time */
	bool slots_from_variant;     /* the allocator is made for variant.value CPUs */
	const char *const *subjects; /* rows that stand for no allocator: names, NULL at the end */
	bool subjects_only;
	/* All but pass may be NULL. */
	uint32_t (*variants)(const bench_options *options, bench_variant *variants); /* at most BENCH_MAX_VARIANTS */
	bool (*applies)(const bench_options *options, const bench_allocator *allocator, uint32_t order);
	/* Why no row of this allocator can be: told to the user. */
	bool (*missing)(const bench_options *options, const bench_allocator *allocator, char *why, size_t why_bytes);
	uint64_t (*frames)(const bench_row *row); /* frames to manage; NULL: --memory */
	uint64_t (*blocks)(const bench_row *row); /* blocks array of each worker; 0: too little memory for this row */
	bool (*setup)(bench_row *row);
	bool (*pass)(bench_row *row); /* sets pass_ops and pass_seconds, records metrics */
	void (*teardown)(bench_row *row);
	void (*report)(const bench_row *row, struct bench_gb_state *state); /* more counters, after the passes */
	/* Latency samples: prepare, then op() over and over at rising positions, then finish. */
	bench_step sample_prepare, sample_finish;
	void (*sample_op)(bench_worker *worker, uint64_t first, uint64_t n_ops);
	bool sample_positions; /* op() uses blocks[first..]: a round has at most pass_ops samples */
} bench_case;

typedef struct bench_metric {
	char name[24];
	uint32_t count; /* values recorded; the newest BENCH_MAX_SAMPLES are kept */
	double first;
	double values[BENCH_MAX_SAMPLES];
} bench_metric;

struct bench_row {
	char name[BENCH_NAME_BYTES];
	const bench_case *kind;
	const bench_options *options;
	const bench_allocator *allocator; /* NULL for a subject */
	const char *subject;
	uint32_t order, threads;
	bench_variant variant;
	bool broken; /* it has failed: its other repetitions don't run */
	/* while it is open */
	bool opened, sampled;
	void *state; /* the allocator's */
	bench_team *team;
	void *extra;         /* the case's own */
	double init_seconds; /* what the allocator's init took */
	uint64_t pass_ops;   /* operations of one thread in a pass; set by setup or left at the number of blocks */
	double pass_seconds;
	double percentiles[6];
	bench_metric *metrics;
	uint32_t n_metrics;
	char error[192];
};

/** All cases of this build; generated from the files in cases/. By rank after bench_registry_sort(). */
extern const bench_case *bench_cases[];
extern const size_t bench_case_count;
/** Sort cases and allocators by rank: once, before anything else. */
void bench_registry_sort(void);

/** Record one pass's value of a counter; the row reports the median. */
void bench_metric_add(bench_row *row, const char *name, double value);
/** Remember why the row failed; returns false, to be returned on. */
__attribute__((format(printf, 2, 3))) bool bench_row_fail(bench_row *row, const char *format, ...);

/** Frames that the row's allocator manages, CPUs it is made for. */
uint64_t bench_row_frames(const bench_row *row);
uint32_t bench_row_slots(const bench_row *row);
/** Half of the frames, shared by the threads, in blocks of the row's order. */
uint64_t bench_half_of_memory(const bench_row *row);

#endif
