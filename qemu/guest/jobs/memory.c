/* SPDX-License-Identifier: MIT
 *
 * Job: hold memory. fill takes blocks and writes a pattern into every page, free gives blocks back, verify reads all
 * pages; between work and rest threads check and rewrite pages at random, and give blocks back and take them again.
 * With away_bytes each thread now and then gives back so much at once, and for away_ms takes nothing again: only memory
 * that stays free for seconds is reported to a host. */
#define _GNU_SOURCE
#include "agent_blocks.h"
#include "agent_job.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { WORKERS_MAX = 16, PLACES = 1 << 15, TURNS_PER_CHURN = 64, TURNS_PER_BLOCK = 256 };

typedef struct memory_job memory_job;

typedef struct worker {
	memory_job *job;
	pthread_t thread;
	size_t idx;
	uint64_t random;
	uint64_t away_until_ns, next_away_ns; /**< takes nothing before the one, gives much back after the other */
	agent_seen seen;
	_Atomic uint64_t n_turns;
} worker;

struct memory_job {
	agent_blocks blocks;
	bool opened;
	size_t n_used; /**< blocks that were ever taken: the others need no look */
	worker workers[WORKERS_MAX];
	size_t n_workers;
	uint64_t away_blocks, away_ns; /**< 0 = never */
	_Atomic bool stop;
};

static void seen_tell(const agent_seen *seen, agent_reply *reply)
{
	agent_tell_count(reply, "checked", seen->checked);
	agent_tell_count(reply, "written", seen->written);
	agent_tell_count(reply, "taken", seen->taken);
	agent_tell_count(reply, "dropped", seen->dropped);
	agent_tell_count(reply, "short", seen->short_of);
	agent_tell_count(reply, "wrong", seen->wrong);
	agent_tell_count(reply, "unzeroed", seen->unzeroed);
	if (seen->first[0] != '\0')
		agent_tell_text(reply, "first", seen->first);
}

static void held_tell(const memory_job *self, agent_reply *reply)
{
	uint64_t n_held = 0;
	for (size_t at = 0; at < self->n_used; at++)
		n_held += self->blocks.blocks[at].held;
	agent_tell_count(reply, "held", n_held * HV_HUGE_BYTES);
}

static bool choice(const json_t *request, const char *key, const char *const *words, unsigned *chosen,
		   agent_reply *reply)
{
	const char *text = agent_text_or(request, key, words[0]);
	for (*chosen = 0; words[*chosen] != NULL; ++*chosen)
		if (strcmp(text, words[*chosen]) == 0)
			return true;
	return agent_refuse(reply, "\"%s\" must be %s, %s%s%s", key, words[0], words[1], words[2] != NULL ? " or " : "",
			    words[2] != NULL ? words[2] : "");
}

/* The first fill says what all blocks are like. */
static bool open_once(memory_job *self, const json_t *request, agent_reply *reply)
{
	static const char *const huge_words[] = { "default", "always", "never", NULL };
	static const char *const pattern_words[] = { "full", "touch", NULL };
	const char *device = agent_text_or(request, "device", NULL);
	unsigned huge, pattern;
	if (self->opened)
		return true;
	if (!choice(request, "huge", huge_words, &huge, reply) ||
	    !choice(request, "pattern", pattern_words, &pattern, reply) ||
	    !agent_ask_count_or(request, "seed", 1, 0, UINT32_MAX, &self->blocks.seed, reply))
		return false;
	self->blocks.huge = (agent_huge)huge;
	self->blocks.step_words = pattern == 0 ? 1 : HV_FRAME_BYTES / 8 - 1;
	if (!agent_blocks_open(&self->blocks, PLACES, device)) {
		(void)agent_refuse(reply, "%.100s: %s", device != NULL ? device : "memory", strerror(errno));
		agent_blocks_close(&self->blocks);
		return false;
	}
	self->opened = true;
	return true;
}

static bool resting(const memory_job *self, agent_reply *reply)
{
	return self->n_workers == 0 || agent_refuse(reply, "it works: let it rest first");
}

static bool fill(void *context, const json_t *request, agent_reply *reply)
{
	memory_job *self = context;
	uint64_t bytes;
	agent_seen seen = { 0 };
	bool enough = true;
	if (!resting(self, reply) ||
	    !agent_ask_count(request, "bytes", HV_HUGE_BYTES, (uint64_t)PLACES * HV_HUGE_BYTES, &bytes, reply) ||
	    !open_once(self, request, reply))
		return false;
	uint64_t begin_ns = hv_now_ns();
	for (size_t at = 0; at < PLACES && enough && seen.taken < bytes / HV_HUGE_BYTES; at++) {
		if (self->blocks.blocks[at].held)
			continue;
		enough = agent_block_take(&self->blocks, at, &seen);
		self->n_used = at + 1 > self->n_used ? at + 1 : self->n_used;
	}
	agent_tell_number(reply, "elapsed_s", (double)(hv_now_ns() - begin_ns) / 1e9);
	seen_tell(&seen, reply);
	held_tell(self, reply);
	return true;
}

static bool give(void *context, const json_t *request, agent_reply *reply)
{
	memory_job *self = context;
	uint64_t bytes;
	agent_seen seen = { 0 };
	if (!resting(self, reply) || !agent_ask_count_or(request, "bytes", UINT64_MAX, HV_HUGE_BYTES,
							 (uint64_t)PLACES * HV_HUGE_BYTES, &bytes, reply))
		return false;
	for (size_t at = self->n_used; at-- > 0 && seen.dropped < bytes / HV_HUGE_BYTES;)
		if (self->blocks.blocks[at].held)
			agent_block_drop(&self->blocks, at, &seen);
	seen_tell(&seen, reply);
	held_tell(self, reply);
	return true;
}

static bool verify(void *context, const json_t *request, agent_reply *reply)
{
	memory_job *self = context;
	agent_seen seen = { 0 };
	(void)request;
	if (!resting(self, reply))
		return false;
	for (size_t at = 0; at < self->n_used; at++)
		if (self->blocks.blocks[at].held)
			agent_block_check(&self->blocks, at, &seen);
	seen_tell(&seen, reply);
	held_tell(self, reply);
	return true;
}

/* Now and then much goes at once, and stays away for a while. @return true: nothing is to be taken now */
static bool away(worker *self)
{
	memory_job *job = self->job;
	uint64_t now_ns, n_dropped = 0;
	if (job->away_blocks == 0)
		return false;
	now_ns = hv_now_ns();
	if (now_ns < self->next_away_ns)
		return now_ns < self->away_until_ns;
	for (size_t at = self->idx; at < job->n_used && n_dropped < job->away_blocks; at += job->n_workers) {
		if (!job->blocks.blocks[at].held)
			continue;
		agent_block_check(&job->blocks, at, &self->seen);
		agent_block_drop(&job->blocks, at, &self->seen);
		n_dropped++;
	}
	now_ns = hv_now_ns();
	self->away_until_ns = now_ns + job->away_ns;
	self->next_away_ns = now_ns + 2 * job->away_ns;
	return true;
}

/* One turn at one of the worker's own blocks: those whose index leaves its number over. */
static void turn(worker *self)
{
	agent_blocks *blocks = &self->job->blocks;
	bool is_away = away(self);
	uint64_t random = hv_random(&self->random);
	size_t n_own = (self->job->n_used - self->idx + self->job->n_workers - 1) / self->job->n_workers;
	size_t at = self->idx + (size_t)(random >> 32) % n_own * self->job->n_workers;
	size_t page_idx = (size_t)(random >> 16) % HV_HUGE_FRAMES;
	if (!blocks->blocks[at].held) {
		if (random % TURNS_PER_CHURN == 0 && !is_away)
			(void)agent_block_take(blocks, at, &self->seen); /* counted */
	} else if (random % TURNS_PER_BLOCK == 1) {
		agent_block_check(blocks, at, &self->seen);
	} else if (random % TURNS_PER_BLOCK == 0) {
		agent_block_check(blocks, at, &self->seen);
		agent_block_drop(blocks, at, &self->seen);
		(void)agent_block_take(blocks, at, &self->seen); /* counted */
	} else {
		agent_page_check(blocks, at, page_idx, &self->seen);
		agent_page_write(blocks, at, page_idx, &self->seen);
	}
}

static void *worker_run(void *context)
{
	worker *self = context;
	while (!atomic_load_explicit(&self->job->stop, memory_order_relaxed)) {
		turn(self);
		atomic_fetch_add_explicit(&self->n_turns, 1, memory_order_relaxed);
	}
	return NULL;
}

static bool work(void *context, const json_t *request, agent_reply *reply)
{
	memory_job *self = context;
	uint64_t n_workers, seed, away_bytes, away_ms;
	if (!resting(self, reply) || !agent_ask_count_or(request, "threads", 1, 1, WORKERS_MAX, &n_workers, reply) ||
	    !agent_ask_count_or(request, "seed", 1, 0, UINT32_MAX, &seed, reply) ||
	    !agent_ask_count_or(request, "away_bytes", 0, 0, (uint64_t)PLACES * HV_HUGE_BYTES, &away_bytes, reply) ||
	    !agent_ask_count_or(request, "away_ms", 5000, 1, UINT32_MAX, &away_ms, reply))
		return false;
	self->away_blocks = away_bytes / HV_HUGE_BYTES;
	self->away_ns = away_ms * 1000000;
	if (self->n_used < n_workers)
		return agent_refuse(reply, "each thread needs a block: fill first");
	atomic_store(&self->stop, false);
	self->n_workers = n_workers;
	for (size_t at = 0; at < n_workers; at++) {
		worker *each = &self->workers[at];
		*each = (worker){ .job = self, .idx = at, .random = hv_mix(seed + at) };
		each->next_away_ns = hv_now_ns() + self->away_ns * (at + 1) / n_workers; /* not all at once */
		if (pthread_create(&each->thread, NULL, worker_run, each) != 0)
			abort(); /* the job ends, and with it what it began */
	}
	return true;
}

/* How far it is, beside the work: a host waits for turns, not for time. */
static bool progress(void *context, const json_t *request, agent_reply *reply)
{
	memory_job *self = context;
	uint64_t n_turns = 0;
	(void)request;
	for (size_t at = 0; at < self->n_workers; at++)
		n_turns += atomic_load_explicit(&self->workers[at].n_turns, memory_order_relaxed);
	agent_tell_count(reply, "turns", n_turns);
	return true;
}

static bool rest(void *context, const json_t *request, agent_reply *reply)
{
	memory_job *self = context;
	agent_seen sum = { 0 };
	(void)request;
	atomic_store(&self->stop, true);
	for (size_t at = 0; at < self->n_workers; at++) {
		pthread_join(self->workers[at].thread, NULL);
		agent_seen_add(&sum, &self->workers[at].seen);
	}
	self->n_workers = 0;
	seen_tell(&sum, reply);
	held_tell(self, reply);
	return true;
}

static const agent_verb verbs[] = {
	{ "fill", fill, false },         { "free", give, false }, { "verify", verify, false }, { "work", work, false },
	{ "progress", progress, false }, { "rest", rest, false }, { NULL, NULL, false },
};

const agent_job_kind agent_job_kind_memory = {
	.name = "memory",
	.verbs = verbs,
	.context_bytes = sizeof(memory_job),
};
