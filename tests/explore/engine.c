/* SPDX-License-Identifier: MIT
 *
 * Scheduling decisions. A run is a path through a tree of choices; only points with a choice are on the path. The
 * exhaustive search walks this tree depth first by running the program again and again, each time with the last choice
 * that has an untried alternative changed. Thread 0 of a choice is always "go on", so the first schedule has no
 * preemption at all. */
#include "engine.h"

#include "co.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/t_rand.h"

enum { STACK_BYTES = 256 * 1024, SEGMENTS_MAX = 4096, CHANGES_MAX = 8 };

typedef struct {
	t_co *co;
	bool done, started;
	bool (*ready)(const void *);
	const void *ready_argument;
	uint64_t solo_steps, priority;
} thread_state;

typedef struct {
	uint8_t choice, n_options;
} decision;

typedef struct {
	unsigned thread;
	uint64_t points;
} segment;

static struct {
	t_strategy strategy;
	unsigned n_threads, bound;
	t_rand rand;
	thread_state threads[T_THREADS_MAX];
	/* the path */
	decision *path;
	size_t path_length, depth;
	/* this run */
	bool inside;
	unsigned current, preemptions;
	uint64_t steps, stop_at, segment_points;
	uint64_t change_at[CHANGES_MAX], expected_steps;
	segment segments[SEGMENTS_MAX], replay[SEGMENTS_MAX];
	size_t n_segments, n_replay;
	uint64_t replay_stop;
	t_body_fn body;
	t_outcome outcome;
	bool failed;
	char failure[512];
	void (*sink)(const t_trace_step *);
} engine;

bool t_inside_run(void)
{
	return engine.inside;
}

unsigned t_this_thread(void)
{
	return engine.current;
}

uint64_t t_run_steps(void)
{
	return engine.steps;
}

const char *t_run_failure(void)
{
	return engine.failed ? engine.failure : NULL;
}

void t_clear_failure(void)
{
	engine.failed = false;
}

void t_trace_enable(void (*sink)(const t_trace_step *step))
{
	engine.sink = sink;
}

/* --- leaving and entering threads ------------------------------------------------------------------------------- */

static void end_run(t_outcome outcome)
{
	engine.outcome = outcome;
	engine.inside = false;
	t_co_switch(engine.threads[engine.current].co, t_co_main());
}

void t_fail(const char *format, ...)
{
	if (!engine.failed) {
		va_list arguments;
		va_start(arguments, format);
		(void)vsnprintf(engine.failure, sizeof(engine.failure), format, arguments);
		va_end(arguments);
		engine.failed = true;
	}
	if (engine.inside)
		end_run(T_RUN_FAILED);
}

static void close_segment(void)
{
	if (engine.n_segments < SEGMENTS_MAX) {
		engine.segments[engine.n_segments] = (segment){ engine.current, engine.segment_points };
		engine.n_segments++;
	}
	engine.segment_points = 0;
}

static void switch_to(unsigned next)
{
	t_co *from = engine.threads[engine.current].co;
	close_segment();
	engine.current = next;
	engine.threads[next].solo_steps = 0;
	t_co_switch(from, engine.threads[next].co);
}

static bool enabled(unsigned thread)
{
	thread_state *state = &engine.threads[thread];
	if (state->done)
		return false;
	if (state->ready && !state->ready(state->ready_argument))
		return false;
	return true;
}

/* The enabled threads, the current one first if it can go on. */
static unsigned list_options(unsigned *options, bool *can_continue)
{
	unsigned n = 0;
	*can_continue = enabled(engine.current);
	if (*can_continue)
		options[n++] = engine.current;
	for (unsigned i = 0; i < engine.n_threads; i++) {
		if (i != engine.current && enabled(i))
			options[n++] = i;
	}
	return n;
}

/* --- choosing --------------------------------------------------------------------------------------------------- */

static unsigned choose_on_path(unsigned n_options)
{
	if (n_options < 2)
		return 0;
	if (engine.depth == engine.path_length) {
		if (engine.path_length == T_STEPS_MAX) {
			t_fail("more than %d choices in one run", T_STEPS_MAX);
			return 0;
		}
		engine.path[engine.path_length++] = (decision){ 0, (uint8_t)n_options };
	}
	return engine.path[engine.depth++].choice;
}

static unsigned choose_priority(const unsigned *options, unsigned n_options)
{
	unsigned best = 0;
	for (unsigned i = 0; i < CHANGES_MAX && i < engine.bound; i++) {
		if (engine.change_at[i] == engine.steps)
			engine.threads[engine.current].priority = i; /* below all that began with more */
	}
	for (unsigned i = 1; i < n_options; i++) {
		if (engine.threads[options[i]].priority > engine.threads[options[best]].priority)
			best = i;
	}
	return best;
}

static unsigned choose_replay(const unsigned *options, unsigned n_options, bool can_continue)
{
	size_t at = engine.n_segments;
	if (at >= engine.n_replay)
		return 0;
	if (can_continue && engine.segment_points < engine.replay[at].points)
		return 0;
	if (at + 1 >= engine.n_replay)
		return 0;
	for (unsigned i = 0; i < n_options; i++) {
		if (options[i] == engine.replay[at + 1].thread)
			return i;
	}
	return 0;
}

static unsigned choose(const unsigned *options, unsigned n_options, bool can_continue, bool operation)
{
	switch (engine.strategy) {
	case T_EXHAUSTIVE:
		/* When the current thread can't go on, the switch is free. */
		return choose_on_path(can_continue && engine.preemptions >= engine.bound ? 1 : n_options);
	case T_SERIAL:
		return choose_on_path(can_continue && !operation ? 1 : n_options);
	case T_RANDOM:
		if (can_continue && t_rand_below(&engine.rand, 8))
			return 0;
		return (unsigned)t_rand_below(&engine.rand, n_options);
	case T_PRIORITY:
		return choose_priority(options, n_options);
	case T_REPLAY:
		return choose_replay(options, n_options, can_continue);
	}
	return 0;
}

/* Decide who goes on, and switch. */
static void decide(bool operation)
{
	unsigned options[T_THREADS_MAX];
	bool can_continue;
	unsigned n = list_options(options, &can_continue);
	if (!n) {
		t_fail("every thread waits for another one");
		return;
	}
	unsigned next = options[choose(options, n, can_continue, operation)];
	if (next == engine.current)
		return;
	engine.preemptions += can_continue;
	switch_to(next);
}

static void count_step(void)
{
	thread_state *self = &engine.threads[engine.current];
	if (engine.stop_at && engine.steps == engine.stop_at)
		end_run(T_RUN_STOPPED);
	engine.steps++;
	if (engine.steps > T_STEPS_MAX)
		t_fail("no end after %d steps: livelock", T_STEPS_MAX);
	if (++self->solo_steps > T_SOLO_STEPS_MAX)
		t_fail("thread %c makes no progress alone: %d steps in one operation", 'a' + (int)engine.current,
		       T_SOLO_STEPS_MAX);
}

void t_point(const void *cell, int kind)
{
	if (!engine.inside)
		return;
	thread_state *self = &engine.threads[engine.current];
	/* Nothing was done since this thread was chosen: leaving now would be the same as not having come. */
	if (self->started)
		decide(false);
	self->started = true;
	engine.segment_points++;
	count_step();
	if (engine.sink)
		engine.sink(&(t_trace_step){ cell, kind, engine.current });
}

void t_operation_begins(const void *what)
{
	if (!engine.inside)
		return;
	thread_state *self = &engine.threads[engine.current];
	if (engine.strategy == T_SERIAL && self->started)
		decide(true);
	self->started = self->started || engine.strategy == T_SERIAL;
	self->solo_steps = 0;
	if (engine.sink)
		engine.sink(&(t_trace_step){ what, -1, engine.current });
}

void t_wait_until(bool (*ready)(const void *), const void *argument)
{
	if (!engine.inside) {
		if (!ready(argument))
			t_fail("waits for another thread, and there is none");
		return;
	}
	thread_state *self = &engine.threads[engine.current];
	self->ready = ready;
	self->ready_argument = argument;
	while (!ready(argument)) {
		decide(false);
		count_step();
	}
	self->ready = NULL;
}

/* --- a run ------------------------------------------------------------------------------------------------------ */

static void thread_main(void *argument)
{
	unsigned self = (unsigned)(uintptr_t)argument;
	engine.body(self);
	engine.threads[self].done = true;
	for (unsigned i = 0; i < engine.n_threads; i++) {
		if (!engine.threads[i].done) {
			decide(false);
			break;
		}
	}
	close_segment();
	end_run(T_RUN_DONE);
	abort();
}

static void prepare_threads(void)
{
	for (unsigned i = 0; i < engine.n_threads; i++) {
		thread_state *state = &engine.threads[i];
		if (!state->co)
			state->co = t_co_new(STACK_BYTES);
		t_co_prepare(state->co, thread_main, (void *)(uintptr_t)i);
		state->done = state->started = false;
		state->ready = NULL;
		state->solo_steps = 0;
		/* Above every priority that a change can give. */
		state->priority = CHANGES_MAX + t_rand_next(&engine.rand) % 1000;
	}
	for (unsigned i = 0; i < CHANGES_MAX; i++)
		engine.change_at[i] = 1 + t_rand_below(&engine.rand, engine.expected_steps);
}

static unsigned first_thread(void)
{
	if (engine.strategy == T_REPLAY)
		return engine.n_replay ? engine.replay[0].thread : 0;
	if (engine.strategy == T_RANDOM || engine.strategy == T_PRIORITY)
		return (unsigned)t_rand_below(&engine.rand, engine.n_threads);
	return choose_on_path(engine.n_threads);
}

t_outcome t_explore_run(t_body_fn body, uint64_t stop_at)
{
	engine.body = body;
	engine.failed = false;
	engine.steps = engine.preemptions = 0;
	engine.segment_points = 0;
	engine.n_segments = 0;
	engine.depth = 0;
	engine.stop_at = stop_at ? stop_at : engine.replay_stop;
	prepare_threads();
	engine.current = first_thread();
	engine.inside = true;
	t_co_switch(t_co_main(), engine.threads[engine.current].co);
	engine.inside = false;
	if (engine.outcome != T_RUN_DONE)
		close_segment();
	if (engine.steps)
		engine.expected_steps = engine.steps;
	return engine.outcome;
}

void t_explore_begin(t_strategy strategy, unsigned threads, unsigned preemptions, uint64_t seed)
{
	if (!engine.path)
		engine.path = malloc(sizeof(decision) * T_STEPS_MAX);
	if (!engine.path || threads > T_THREADS_MAX) {
		fprintf(stderr, "the engine runs up to %d threads\n", T_THREADS_MAX);
		exit(2);
	}
	engine.strategy = strategy;
	engine.n_threads = threads;
	engine.bound = preemptions;
	engine.rand.state = seed;
	engine.path_length = 0;
	engine.expected_steps = 64;
	engine.replay_stop = 0;
	engine.n_replay = 0;
}

bool t_explore_next(void)
{
	if (engine.strategy == T_REPLAY)
		return false;
	if (engine.strategy == T_RANDOM || engine.strategy == T_PRIORITY)
		return true;
	while (engine.path_length) {
		decision *last = &engine.path[engine.path_length - 1];
		if (++last->choice < last->n_options)
			return true;
		engine.path_length--;
	}
	return false;
}

bool t_explore_replay(unsigned threads, const char *schedule)
{
	t_explore_begin(T_REPLAY, threads, 0, 0);
	while (*schedule && *schedule != '!') {
		unsigned thread = (unsigned)(*schedule - 'a');
		if (thread >= threads || engine.n_replay == SEGMENTS_MAX)
			return false;
		char *end;
		uint64_t points = strtoull(schedule + 1, &end, 10);
		if (end == schedule + 1)
			points = UINT64_MAX;
		engine.replay[engine.n_replay++] = (segment){ thread, points };
		schedule = end;
	}
	if (*schedule == '!')
		engine.replay_stop = strtoull(schedule + 1, NULL, 10);
	return engine.n_replay > 0;
}

void t_schedule_text(char *text, size_t text_bytes)
{
	size_t at = 0;
	text[0] = 0;
	for (size_t i = 0; i < engine.n_segments && at + 24 < text_bytes; i++)
		at += (size_t)snprintf(text + at, text_bytes - at, "%c%llu", 'a' + (int)engine.segments[i].thread,
				       (unsigned long long)engine.segments[i].points);
	if (engine.outcome == T_RUN_STOPPED && at + 24 < text_bytes)
		(void)snprintf(text + at, text_bytes - at, "!%llu", (unsigned long long)engine.stop_at);
}
