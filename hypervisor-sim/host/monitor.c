/* SPDX-License-Identifier: MIT
 *
 * The monitor thread; see monitor.h. Its lock is the host's own: no guest can hold or reach it. */
#define _GNU_SOURCE
#include "host/monitor.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* What a policy's shrink takes before the policy is asked again. */
#define SLICE_BYTES (UINT64_C(64) << 20)
/* A policy that wants nothing, what is not possible, or what has just failed, is not asked again at once. */
#define PAUSE_NS        UINT64_C(100000)
#define FAILED_PAUSE_NS UINT64_C(10000000)
#define PASS_MAX_NS     UINT64_C(10000000000)

static hv_err technique_run(const hv_monitor *self, hv_command command, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	const hv_host_half *half = self->technique->host;
	hv_err verdict = hv_host_verdict(self->host); /* also where there is nothing to move */
	if (verdict != HV_OK)
		return verdict;
	if (command == HV_COMMAND_SHRINK && half->shrink != NULL)
		return half->shrink(self->host, limit_bytes, moved_bytes);
	if (command == HV_COMMAND_GROW && half->grow != NULL)
		return half->grow(self->host, limit_bytes, moved_bytes);
	if (command == HV_COMMAND_PASS && half->pass != NULL)
		return half->pass(self->host, moved_bytes);
	return HV_ERR_INVAL;
}

/* What the guest may use after a move, also one that ended with an error. */
static void limit_note(hv_monitor *self, hv_command command, uint64_t limit_bytes, const hv_move *move)
{
	if (command == HV_COMMAND_PASS || move->err == HV_ERR_INVAL)
		return;
	if (move->err == HV_OK)
		self->current_bytes = limit_bytes;
	else if (command == HV_COMMAND_SHRINK)
		self->current_bytes -= move->bytes < self->current_bytes ? move->bytes : self->current_bytes;
	else
		self->current_bytes += move->bytes;
}

/* Called with the lock held; gives it up while the technique works. */
static hv_move run_unlocked(hv_monitor *self, hv_command command, uint64_t limit_bytes)
{
	hv_move move = { .err = HV_OK };
	_Atomic uint64_t *calls = &self->host->counters.discard_calls;
	pthread_mutex_unlock(&self->lock);
	uint64_t calls_before = atomic_load(calls);
	uint64_t begin_ns = hv_now_ns();
	move.err = technique_run(self, command, limit_bytes, &move.bytes);
	move.elapsed_ns = hv_now_ns() - begin_ns;
	move.huge = move.bytes >> HV_HUGE_SHIFT;
	if (command == HV_COMMAND_PASS && self->technique->host->pass_ns != NULL)
		move.elapsed_ns = self->technique->host->pass_ns(self->host, &move.wait_ns);
	move.discard_calls = atomic_load(calls) - calls_before;
	pthread_mutex_lock(&self->lock);
	limit_note(self, command, limit_bytes, &move);
	uint64_t now_bytes = self->current_bytes;
	if (self->watch == NULL)
		return move;
	pthread_mutex_unlock(&self->lock);
	self->watch(self->watch_context, command, &move, now_bytes);
	pthread_mutex_lock(&self->lock);
	return move;
}

static void wait_until(hv_monitor *self, uint64_t until_ns)
{
	struct timespec until = { (time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u) };
	pthread_cond_timedwait(&self->changed, &self->lock, &until);
}

static void wait_ns(hv_monitor *self, uint64_t ns)
{
	wait_until(self, hv_now_ns() + ns);
}

/* The policy has acted: a period begins. */
static void action_end(hv_monitor *self)
{
	self->last_ns = hv_now_ns();
	self->n_passes++;
	/* it may have been switched off meanwhile */
	if (self->passes_allowed != 0 && self->passes_allowed != UINT64_MAX)
		self->passes_allowed--;
	pthread_cond_broadcast(&self->changed);
}

static void move_by_policy(hv_monitor *self, hv_command command, uint64_t limit_bytes)
{
	self->in_move = true;
	self->last = run_unlocked(self, command, limit_bytes);
	self->in_move = false;
	pthread_cond_broadcast(&self->changed);
	if (self->last.err != HV_OK && self->last.err != HV_ERR_SHORT && self->move_err == HV_OK)
		self->move_err = self->last.err;
}

/* One step towards the goal: all the way up, or a slice down. */
static void limit_step(hv_monitor *self)
{
	uint64_t goal = self->goal_bytes, now = self->current_bytes;
	uint64_t next = goal > now || now - goal <= SLICE_BYTES ? goal : now - SLICE_BYTES;
	move_by_policy(self, goal > now ? HV_COMMAND_GROW : HV_COMMAND_SHRINK, next);
	if (self->last.err != HV_OK)
		self->goal_bytes = self->current_bytes; /* out of reach now */
	if (self->goal_bytes == self->current_bytes)
		action_end(self);
	if (self->last.err != HV_OK)
		wait_ns(self, FAILED_PAUSE_NS);
}

static void misfit(hv_monitor *self, const char *wants)
{
	char text[200];
	const hv_policy_setup *setup = &self->source.setup;
	snprintf(text, sizeof(text), "policy %s wants %s %s, which can't: nothing is done", self->policy->name, wants,
		 self->technique->name);
	if (!self->misfit_told && setup->report != NULL)
		setup->report(setup->report_context, text);
	self->misfit_told = true;
	wait_ns(self, FAILED_PAUSE_NS);
}

/* Called with the lock held; gives it up while the numbers are looked at. */
static hv_policy_decision policy_ask(hv_monitor *self)
{
	hv_policy_input input = { .last_ns = self->last_ns,
				  .period_ns = self->period_ns,
				  .limit_bytes = self->current_bytes,
				  .takes_limits =
					  self->technique->host->shrink != NULL && !self->technique->automatic };
	pthread_mutex_unlock(&self->lock);
	hv_policy_source_look(&self->source, self->policy->needs, &input);
	hv_policy_decision decision = self->policy->decide(&input, &self->state);
	pthread_mutex_lock(&self->lock);
	return decision;
}

static void limit_wanted(hv_monitor *self, uint64_t bytes)
{
	uint64_t memory_bytes = self->host->memory.huge_count << HV_HUGE_SHIFT;
	bytes = bytes < memory_bytes ? hv_policy_limit_for(memory_bytes, bytes, 0) : memory_bytes;
	self->goal_bytes = bytes > HV_HUGE_BYTES ? bytes : HV_HUGE_BYTES;
	if (self->goal_bytes != self->current_bytes)
		return;
	action_end(self); /* there already */
	wait_ns(self, PAUSE_NS);
}

static void policy_step(hv_monitor *self)
{
	uint64_t switched = self->switched;
	hv_policy_decision decision = policy_ask(self);
	/* switched meanwhile, or a command came: that has its turn first */
	if (self->quit || self->passes_allowed == 0 || self->command != HV_COMMAND_NONE || self->switched != switched)
		return;
	bool limits = self->technique->host->shrink != NULL && !self->technique->automatic;
	if (decision.action == HV_POLICY_PASS && !limits) {
		move_by_policy(self, HV_COMMAND_PASS, 0);
		action_end(self);
	} else if (decision.action == HV_POLICY_PASS) {
		misfit(self, "a pass of");
	} else if (decision.action == HV_POLICY_LIMIT && limits) {
		limit_wanted(self, decision.limit_bytes);
	} else if (decision.action == HV_POLICY_LIMIT) {
		misfit(self, "to limit");
	} else if (self->goal_bytes == self->current_bytes) {
		wait_ns(self, decision.wait_ns > PAUSE_NS ? decision.wait_ns : PAUSE_NS);
	}
	if (self->goal_bytes != self->current_bytes && self->command == HV_COMMAND_NONE && self->passes_allowed != 0)
		limit_step(self);
}

static void *monitor_thread(void *context)
{
	hv_monitor *self = context;
	uint64_t switched = 0;
	pthread_mutex_lock(&self->lock);
	while (!self->quit) {
		if (self->command != HV_COMMAND_NONE) {
			self->last = run_unlocked(self, self->command, self->limit_bytes);
			self->command = HV_COMMAND_NONE;
			self->goal_bytes = self->current_bytes;
			pthread_cond_broadcast(&self->changed);
			continue;
		}
		if (self->passes_allowed == 0) {
			pthread_cond_wait(&self->changed, &self->lock);
			continue;
		}
		if (switched != self->switched) {
			switched = self->switched;
			self->state = (hv_policy_state){ { 0 } };
			self->goal_bytes = self->current_bytes;
		}
		policy_step(self);
	}
	pthread_mutex_unlock(&self->lock);
	return NULL;
}

hv_err hv_monitor_start(hv_monitor *self, hv_host *host, const hv_technique *technique, const hv_policy *policy,
			uint64_t period_ns, const hv_policy_setup *setup)
{
	memset(self, 0, sizeof(*self));
	self->host = host;
	self->technique = technique;
	self->policy = policy;
	self->period_ns = period_ns != 0 ? period_ns : technique->period_ns;
	self->current_bytes = self->goal_bytes = host->memory.huge_count << HV_HUGE_SHIFT;
	hv_policy_source_open(&self->source, host, technique->shared_state, setup);
	pthread_mutex_init(&self->lock, NULL);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&self->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&self->thread, NULL, monitor_thread, self) != 0)
		return HV_ERR_SYSTEM;
	self->running = true;
	return HV_OK;
}

void hv_monitor_stop(hv_monitor *self)
{
	if (!self->running)
		return;
	pthread_mutex_lock(&self->lock);
	self->quit = true;
	pthread_cond_broadcast(&self->changed);
	pthread_mutex_unlock(&self->lock);
	pthread_join(self->thread, NULL);
	pthread_cond_destroy(&self->changed);
	pthread_mutex_destroy(&self->lock);
	hv_policy_source_close(&self->source);
	self->running = false;
}

void hv_monitor_guest(hv_monitor *self, hv_guest_numbers_fn guest, void *context)
{
	pthread_mutex_lock(&self->lock);
	self->source.guest = guest;
	self->source.guest_context = context;
	pthread_mutex_unlock(&self->lock);
}

void hv_monitor_watch(hv_monitor *self, hv_monitor_watch_fn watch, void *context)
{
	pthread_mutex_lock(&self->lock);
	self->watch = watch;
	self->watch_context = context;
	pthread_mutex_unlock(&self->lock);
}

hv_move hv_monitor_do(hv_monitor *self, hv_command command, uint64_t limit_bytes)
{
	pthread_mutex_lock(&self->lock);
	self->command = command;
	self->limit_bytes = limit_bytes;
	pthread_cond_broadcast(&self->changed);
	while (self->command != HV_COMMAND_NONE)
		pthread_cond_wait(&self->changed, &self->lock);
	hv_move move = self->last;
	pthread_mutex_unlock(&self->lock);
	return move;
}

void hv_monitor_policy(hv_monitor *self, bool on)
{
	pthread_mutex_lock(&self->lock);
	self->passes_allowed = on && self->policy != NULL ? UINT64_MAX : 0;
	self->switched += on;
	self->last_ns = hv_now_ns();
	pthread_cond_broadcast(&self->changed);
	while (!on && self->in_move)
		pthread_cond_wait(&self->changed, &self->lock);
	pthread_mutex_unlock(&self->lock);
}

uint64_t hv_monitor_limit(hv_monitor *self)
{
	pthread_mutex_lock(&self->lock);
	uint64_t limit_bytes = self->current_bytes;
	pthread_mutex_unlock(&self->lock);
	return limit_bytes;
}

hv_err hv_monitor_move_err(hv_monitor *self)
{
	pthread_mutex_lock(&self->lock);
	hv_err err = self->move_err;
	pthread_mutex_unlock(&self->lock);
	return err;
}

uint64_t hv_monitor_passes(hv_monitor *self, hv_move *last)
{
	pthread_mutex_lock(&self->lock);
	uint64_t n_passes = self->n_passes;
	*last = self->last;
	pthread_mutex_unlock(&self->lock);
	return n_passes;
}

hv_move hv_monitor_next_pass(hv_monitor *self)
{
	if (self->policy == NULL)
		return (hv_move){ .err = HV_ERR_INVAL };
	pthread_mutex_lock(&self->lock);
	uint64_t seen = self->n_passes;
	self->passes_allowed = 1;
	self->switched++;
	self->last_ns = hv_now_ns();
	uint64_t until_ns = self->last_ns + self->period_ns + PASS_MAX_NS;
	pthread_cond_broadcast(&self->changed);
	while (self->n_passes == seen && (self->in_move || hv_now_ns() < until_ns))
		wait_until(self, self->in_move ? hv_now_ns() + PASS_MAX_NS : until_ns);
	hv_move move = self->n_passes != seen ? self->last : (hv_move){ .err = HV_ERR_TIMEOUT };
	self->passes_allowed = 0;
	pthread_mutex_unlock(&self->lock);
	return move;
}
