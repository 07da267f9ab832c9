/* SPDX-License-Identifier: MIT
 *
 * The world of one scenario: a tiny region, who owns which frame, what the host believes about each huge frame, and the
 * operations that threads may do, each checked where it ends. All that a run can change is in t_world, so that a
 * reset is one memcpy. Checks A1 to A5, A8, A9, H1 during and after a run; docs/invariants.md says which where. */
#ifndef T_WORLD_H
#define T_WORLD_H

#include "engine.h"

#include <llfree/handle.h>
#include <llfree/host.h>
#include <llfree/llfree.h>

#ifndef T_COPIES
#define T_COPIES 1 /* of rows, children and trees: 2 where regions are durable */
#endif

enum {
	T_TREES = 2,
	T_HUGE = T_TREES * LLFREE_TREE_HUGE,
	T_FRAMES = T_HUGE * LLFREE_HUGE_FRAMES,
	T_ROWS = T_FRAMES / 64,
	T_REGION_BYTES = 256 + 8 * 64 + T_COPIES * (64 + (T_HUGE * 2 + 63) / 64 * 64 + T_ROWS * 8),
	T_OPS_MAX = 5, /* a thread's program */
	T_SETUP_MAX = 24,
	T_HELD_MAX = 80, /* runs that one owner holds */
	T_BATCH = 70,
	T_LAST = 0xffff, /* as a huge frame index: the last one */
	T_EACH = 0xfffe, /* soft reclaim in a setup: every one that is free */
	/* Owners: the threads, a bystander, the host. */
	T_BYSTANDER = T_THREADS_MAX,
	T_HOST,
	T_OWNERS
};

typedef enum {
	T_END, /* no operation */
	T_GET, /* order, class; the run is held by the thread */
	T_GET_AT,
	T_PUT,       /* the held run number `at`, or its part at `offset` of `order` */
	T_PUT_RACED, /* a run of the bystander, which others put as well: one of them wins */
	T_GET_BATCH,
	T_PUT_BATCH,
	T_DRAIN_SLOT,
	T_DRAIN_ALL,
	T_OFFLINE,
	T_ONLINE,
	T_SOFT,
	T_HARD,
	T_RETURN,
	T_INSTALL,
	T_HANDLE_GET,
	T_HANDLE_PUT,
	T_HANDLE_DRAIN,
	/* only in a setup */
	T_GIVE,   /* the held run `at` becomes the bystander's; with a part: that part becomes thread `other`'s */
	T_FILL,   /* the bystander takes everything but one run of `order` */
	T_REPEAT, /* the next operation `at` times */
	T_KIND_COUNT
} t_kind;

typedef struct t_op {
	t_kind kind;
	uint8_t order;
	uint8_t class_idx;
	uint8_t cpu; /* added to the thread's */
	uint16_t at; /* frame, huge frame or tree index, or index into what is held */
	uint16_t offset;
	uint8_t other;
} t_op;

typedef struct t_scenario {
	char name[96];
	bool exact;
	bool install_fails;
	bool crash;   /* stopped at every step, recovered */
	bool durable; /* the region has durable words */
	llfree_flush_fn flush;
	unsigned trees; /* 1 or 2 */
	unsigned n_threads;
	unsigned cpu[T_THREADS_MAX];
	unsigned n_setup[T_THREADS_MAX];
	/* First what takes and gives, of all threads, then the bystander's, then what drains, reclaims and takes
	 * offline. */
	t_op setup[T_THREADS_MAX][T_SETUP_MAX];
	t_op bystander[T_SETUP_MAX];
	unsigned n_bystander;
	t_op program[T_THREADS_MAX][T_OPS_MAX];
	const llfree_policy *policy;
	int successes; /* exactly so many operations of kind T_PUT_RACED succeed; -1: not checked */
} t_scenario;

/* Make the initial state of a scenario. Fails (t_run_failure) when an operation of the setup does. */
bool t_world_setup(const t_scenario *scenario);
void t_world_reset(void);
/* A thread's program: what the engine runs. */
void t_world_thread(unsigned thread);
/* The state of region, owners and results, for recognising one that was checked already. */
uint64_t t_world_hash(void);
/* Results of all operations, one number. */
uint64_t t_world_results(void);
void t_world_results_text(char *text, size_t text_bytes);
/* Results that no serial order gives: are they of the kind that contention explains? strict: a get that succeeds in
 * every serial order must succeed here as well (more than A5 asks: memory may be on its way while others run). */
bool t_world_result_allowed(const uint64_t *serial, unsigned n_serial, bool strict);
/* At rest, after all threads have ended. */
void t_world_check(void);
/* After all threads have stopped somewhere for ever. */
void t_world_check_crash(void);
/* Before images of another moment, or with other arguments. */
void t_world_media_begin(void);
/* The same after a power failure: world.region is what the media showed. keep_claims: as for llfree_recover(). slots:
 * as threads saw them when they stopped. */
void t_world_check_media(bool keep_claims, const llfree_slot *slots);
/* Of the region alone. */
uint64_t t_world_region_hash(void);
/* What a cell is, for the trace. */
void t_world_cell_text(const void *cell, int kind, char *text, size_t text_bytes);
void t_op_text(const t_op *op, char *text, size_t text_bytes);

#endif
