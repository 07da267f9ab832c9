/* SPDX-License-Identifier: MIT
 *
 * The schedule engine: runs a few coroutines, and before each atomic operation decides which of them goes on. One run
 * is one schedule; the same decisions give the same run. Exhaustive with a bound on preemptions (depth first), or
 * random (uniform, or by priorities that change at a few points), or as a replay string says. Knows nothing of the
 * library but the scheduling point. */
#ifndef T_ENGINE_H
#define T_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	T_THREADS_MAX = 3,
	T_STEPS_MAX = 60000,     /* of a whole run: more is a livelock */
	T_SOLO_STEPS_MAX = 8000, /* of one operation while the others stand still: more is a lock */
	T_REPLAY_MAX = 16384
};

typedef enum {
	T_EXHAUSTIVE, /* every schedule with at most `preemptions` */
	T_SERIAL,     /* every order of whole operations */
	T_RANDOM,     /* at each point, another thread with probability 1/8 */
	T_PRIORITY,   /* the highest priority runs; it falls at `preemptions` random points */
	T_REPLAY
} t_strategy;

typedef enum { T_RUN_DONE, T_RUN_STOPPED, T_RUN_FAILED } t_outcome;

typedef struct t_trace_step {
	const void *cell;
	int kind; /* of the scheduling point; -1: an operation begins */
	unsigned thread;
} t_trace_step;

/* What the engine runs. body(thread) is one thread's program. */
typedef void (*t_body_fn)(unsigned thread);

/* --- explore: begin, then while (next) { reset the world; run; check } ------------------------------------------- */
void t_explore_begin(t_strategy strategy, unsigned threads, unsigned preemptions, uint64_t seed);
/* Replay: the schedule, as t_schedule_text() printed it. false: it is not one. */
bool t_explore_replay(unsigned threads, const char *schedule);
/* Run one schedule. stop_at: abandon all threads when that many steps are done (0: never). */
t_outcome t_explore_run(t_body_fn body, uint64_t stop_at);
/* Is there another schedule? Random ones never end. */
bool t_explore_next(void);

/* Of the last run. */
uint64_t t_run_steps(void);
const char *t_run_failure(void);
/* Decisions of the last run, such as "a12b7a": a runs 12 points, b 7, a to its end. "!n": all stop after n steps. */
void t_schedule_text(char *text, size_t text_bytes);

/* --- from inside a thread ---------------------------------------------------------------------------------------- */
bool t_inside_run(void);
unsigned t_this_thread(void);
/* The scheduling points of the library end here. */
void t_point(const void *cell, int kind);
/* A point between operations. */
void t_operation_begins(const void *what);
/* Let others run until ready() holds. */
void t_wait_until(bool (*ready)(const void *), const void *argument);
/* The run is wrong: says why, and ends. Outside a run: remembered the same way. */
void t_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void t_clear_failure(void);

/* --- trace, for replay ------------------------------------------------------------------------------------------- */
void t_trace_enable(void (*sink)(const t_trace_step *step));

#endif
