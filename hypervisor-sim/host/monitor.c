/* SPDX-License-Identifier: MIT
 *
 * The monitor thread; see monitor.h. Its lock is the host's own: no guest can hold or reach it. */
#define _GNU_SOURCE
#include "host/monitor.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

const hv_policy *hv_policy_find(const char *name)
{
	for (const hv_policy *const *each = hv_policies; *each != NULL; each++)
		if (strcmp((*each)->name, name) == 0)
			return *each;
	return NULL;
}

static hv_err technique_run(const hv_monitor *self, hv_command command, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	const hv_host_half *half = self->technique->host;
	if (command == HV_COMMAND_SHRINK && half->shrink != NULL)
		return half->shrink(self->host, limit_bytes, moved_bytes);
	if (command == HV_COMMAND_GROW && half->grow != NULL)
		return half->grow(self->host, limit_bytes, moved_bytes);
	if (command == HV_COMMAND_PASS && half->pass != NULL)
		return half->pass(self->host, moved_bytes);
	return HV_ERR_INVAL;
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
		move.elapsed_ns = self->technique->host->pass_ns(self->host);
	move.discard_calls = atomic_load(calls) - calls_before;
	pthread_mutex_lock(&self->lock);
	return move;
}

static void wait_ns(hv_monitor *self, uint64_t ns)
{
	uint64_t until_ns = hv_now_ns() + ns;
	struct timespec until = { (time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u) };
	pthread_cond_timedwait(&self->changed, &self->lock, &until);
}

static void *monitor_thread(void *context)
{
	hv_monitor *self = context;
	pthread_mutex_lock(&self->lock);
	while (!self->quit) {
		if (self->command != HV_COMMAND_NONE) {
			self->last = run_unlocked(self, self->command, self->limit_bytes);
			self->command = HV_COMMAND_NONE;
			pthread_cond_broadcast(&self->changed);
			continue;
		}
		if (self->passes_allowed == 0) {
			pthread_cond_wait(&self->changed, &self->lock);
			continue;
		}
		hv_policy_input input = { hv_now_ns(), self->last_ns, self->period_ns };
		hv_policy_decision decision = self->policy->decide(&input);
		if (!decision.act) {
			wait_ns(self, decision.wait_ns);
			continue;
		}
		self->in_pass = true;
		self->last = run_unlocked(self, HV_COMMAND_PASS, 0);
		self->in_pass = false;
		self->last_ns = hv_now_ns();
		self->n_passes++;
		/* it may have been switched off meanwhile */
		if (self->passes_allowed != 0 && self->passes_allowed != UINT64_MAX)
			self->passes_allowed--;
		pthread_cond_broadcast(&self->changed);
	}
	pthread_mutex_unlock(&self->lock);
	return NULL;
}

hv_err hv_monitor_start(hv_monitor *self, hv_host *host, const hv_technique *technique, const hv_policy *policy,
			uint64_t period_ns)
{
	memset(self, 0, sizeof(*self));
	self->host = host;
	self->technique = technique;
	self->policy = policy;
	self->period_ns = period_ns != 0 ? period_ns : technique->period_ns;
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
	self->running = false;
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
	self->last_ns = hv_now_ns();
	pthread_cond_broadcast(&self->changed);
	while (self->passes_allowed == 0 && self->in_pass)
		pthread_cond_wait(&self->changed, &self->lock);
	pthread_mutex_unlock(&self->lock);
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
	self->last_ns = hv_now_ns();
	pthread_cond_broadcast(&self->changed);
	while (self->n_passes == seen)
		pthread_cond_wait(&self->changed, &self->lock);
	hv_move move = self->last;
	pthread_mutex_unlock(&self->lock);
	return move;
}
