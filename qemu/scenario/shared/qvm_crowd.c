/* SPDX-License-Identifier: MIT
 *
 * VMs beside each other; see qvm_crowd.h. */
#define _GNU_SOURCE
#include "scenario/shared/qvm_crowd.h"
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* Waits end by a signal to the others, and look for Ctrl-C this often. */
#define LOOK_NS UINT64_C(50000000)

static void wait_ns(qvm_crowd *self, uint64_t ns)
{
	uint64_t until_ns = hv_now_ns() + ns;
	struct timespec until = { (time_t)(until_ns / 1000000000u), (long)(until_ns % 1000000000u) };
	pthread_cond_timedwait(&self->changed, &self->lock, &until);
}

static void count_up(qvm_crowd *self, uint32_t *count)
{
	pthread_mutex_lock(&self->lock);
	++*count;
	pthread_cond_broadcast(&self->changed);
	pthread_mutex_unlock(&self->lock);
}

/* @return false: end without */
static bool wait_for(qvm_crowd *self, const bool *what)
{
	pthread_mutex_lock(&self->lock);
	while (!*what && !self->quit)
		pthread_cond_wait(&self->changed, &self->lock);
	bool set = *what;
	pthread_mutex_unlock(&self->lock);
	return set;
}

static void flag_set(qvm_crowd *self, bool *flag)
{
	pthread_mutex_lock(&self->lock);
	*flag = true;
	pthread_cond_broadcast(&self->changed);
	pthread_mutex_unlock(&self->lock);
}

/* Under the lock. */
static void turn_pass(qvm_crowd *self)
{
	for (uint32_t n_passed = 0; n_passed < self->n_members; n_passed++)
		if (!self->members[++self->turn % self->n_members].over)
			break;
	pthread_cond_broadcast(&self->changed);
}

/* Its work has ended. @return true: so have its VM's days, and nobody looks at it from now on */
static bool member_over(qvm_member *self, bool ok)
{
	qvm_crowd *crowd = self->crowd;
	pthread_mutex_lock(&crowd->lock);
	self->over = true;
	self->gone = self->lost;
	self->failed = self->failed || (!ok && !self->lost);
	crowd->stop = crowd->stop || self->failed;
	if (crowd->turn % crowd->n_members == self->idx)
		turn_pass(crowd);
	pthread_cond_broadcast(&crowd->changed);
	bool gone = self->gone;
	pthread_mutex_unlock(&crowd->lock);
	return gone;
}

static void *member_live(void *context)
{
	qvm_member *self = context;
	qvm_crowd *crowd = self->crowd;
	qvm_rig_config config = crowd->config;
	config.name = self->name;
	self->start_err = qvm_rig_start(&self->rig, crowd->options, &config);
	if (self->start_err != HV_OK)
		snprintf(self->why, sizeof(self->why), "%.300s",
			 self->rig.why[0] != '\0' ? self->rig.why : hv_err_text(self->start_err));
	count_up(crowd, &crowd->n_started);
	if (wait_for(crowd, &crowd->go) && self->start_err == HV_OK && member_over(self, crowd->work(self)))
		qvm_rig_stop(&self->rig);
	count_up(crowd, &crowd->n_over);
	(void)wait_for(crowd, &crowd->quit);
	qvm_rig_stop(&self->rig);
	return NULL;
}

hv_err qvm_crowd_begin(qvm_crowd *self, const char **why)
{
	pthread_condattr_t monotonic;
	hv_err err = HV_OK;
	*why = "";
	pthread_mutex_init(&self->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&self->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	const char *name = self->config.name != NULL ? self->config.name : self->config.technique->technique->name;
	uint32_t n_begun = 0;
	for (uint32_t idx = 0; idx < self->n_members; idx++) {
		qvm_member *member = &self->members[idx];
		member->crowd = self;
		member->idx = idx;
		snprintf(member->name, sizeof(member->name), "%.48s-%" PRIu32, name, idx + 1);
		member->thread_on = pthread_create(&member->thread, NULL, member_live, member) == 0;
		if (!member->thread_on)
			break;
		n_begun++;
	}
	pthread_mutex_lock(&self->lock);
	while (self->n_started < n_begun)
		pthread_cond_wait(&self->changed, &self->lock);
	pthread_mutex_unlock(&self->lock);
	for (uint32_t idx = n_begun; idx-- > 0;)
		if (self->members[idx].start_err != HV_OK) {
			err = self->members[idx].start_err;
			*why = self->members[idx].why;
		}
	if (n_begun == self->n_members)
		return err;
	*why = "no thread for a VM";
	return HV_ERR_SYSTEM;
}

/* @return false: out of memory */
static bool look_at_all(qvm_crowd *self)
{
	uint64_t sum_bytes = 0, now_ns = hv_now_ns();
	bool ok = true;
	pthread_mutex_lock(&self->lock); /* no files are closed meanwhile */
	for (uint32_t idx = 0; idx < self->n_members; idx++) {
		qvm_member *member = &self->members[idx];
		uint64_t bytes = member->gone ? 0 : qvm_rig_resident(&member->rig);
		sum_bytes += bytes;
		ok = qvm_series_look(&member->watch, now_ns, bytes) && ok;
	}
	pthread_mutex_unlock(&self->lock);
	return qvm_series_look(&self->watch, now_ns, sum_bytes) && ok;
}

void qvm_crowd_run(qvm_crowd *self, void (*look)(qvm_crowd *self))
{
	bool over = !look_at_all(self);
	flag_set(self, &self->go);
	while (!over) {
		pthread_mutex_lock(&self->lock);
		uint64_t next_ns = self->watch.last_ns + QVM_SERIES_STEP_NS;
		while (self->n_over < self->n_members && hv_now_ns() < next_ns)
			wait_ns(self, LOOK_NS);
		self->stop = self->stop || hv_interrupted();
		over = self->n_over == self->n_members;
		pthread_mutex_unlock(&self->lock);
		over = !look_at_all(self) || over;
		if (look != NULL)
			look(self);
	}
}

static bool grew_more(const qvm_series *one, const qvm_series *other)
{
	return one->grown_bytes != other->grown_bytes ? one->grown_bytes > other->grown_bytes
						      : one->last_bytes > other->last_bytes;
}

qvm_member *qvm_crowd_grown_most(qvm_crowd *self)
{
	qvm_member *most = NULL;
	pthread_mutex_lock(&self->lock);
	for (uint32_t idx = 0; idx < self->n_members; idx++) {
		qvm_member *member = &self->members[idx];
		if (!member->over && !member->lost && (most == NULL || grew_more(&member->watch, &most->watch)))
			most = member;
	}
	pthread_mutex_unlock(&self->lock);
	return most;
}

bool qvm_crowd_losing(qvm_crowd *self)
{
	bool losing = false;
	pthread_mutex_lock(&self->lock);
	for (uint32_t idx = 0; idx < self->n_members; idx++)
		losing = losing || (self->members[idx].lost && !self->members[idx].gone);
	pthread_mutex_unlock(&self->lock);
	return losing;
}

bool qvm_member_kill(qvm_member *self)
{
	qvm_crowd *crowd = self->crowd;
	pthread_mutex_lock(&crowd->lock);
	bool killed = !self->over && !self->lost && !self->failed && qvm_watch_kill(&self->rig.watch);
	if (killed) {
		self->lost = true;
		self->lost_ns = hv_now_ns();
		pthread_cond_broadcast(&crowd->changed);
	}
	pthread_mutex_unlock(&crowd->lock);
	return killed;
}

void qvm_crowd_end(qvm_crowd *self)
{
	flag_set(self, &self->stop);
	flag_set(self, &self->quit);
	for (uint32_t idx = 0; idx < self->n_members; idx++) {
		if (self->members[idx].thread_on)
			pthread_join(self->members[idx].thread, NULL);
		self->members[idx].thread_on = false;
	}
}

void qvm_crowd_clear(qvm_crowd *self)
{
	for (uint32_t idx = 0; idx < self->n_members; idx++)
		qvm_series_clear(&self->members[idx].watch);
	qvm_series_clear(&self->watch);
	pthread_cond_destroy(&self->changed);
	pthread_mutex_destroy(&self->lock);
}

/* Under the lock: is it to go on? */
static bool goes_on(const qvm_member *self)
{
	return !self->crowd->stop && !self->lost && !hv_interrupted();
}

/* What goes wrong in a VM that was ended is no fault of it. */
bool qvm_member_fault(qvm_member *self, const char *what, const char *detail)
{
	pthread_mutex_lock(&self->crowd->lock);
	self->failed = self->failed || !self->lost;
	pthread_mutex_unlock(&self->crowd->lock);
	if (self->why[0] == '\0')
		snprintf(self->why, sizeof(self->why), "%.40s, %.60s: %.200s", self->name, what, detail);
	return false;
}

bool qvm_member_resize(qvm_member *self, hv_command command, uint64_t limit_bytes)
{
	const hv_technique *technique = self->rig.technique->technique;
	if (technique->automatic || technique->grain_bytes == 0)
		return true;
	hv_move move = hv_monitor_do(&self->rig.monitor, command, limit_bytes);
	self->resize_ns += move.elapsed_ns;
	self->n_short += move.err == HV_ERR_SHORT;
	return move.err == HV_OK || move.err == HV_ERR_SHORT ||
	       qvm_member_fault(self, command == HV_COMMAND_GROW ? "grow" : "shrink", hv_err_text(move.err));
}

bool qvm_member_turn(qvm_member *self)
{
	qvm_crowd *crowd = self->crowd;
	pthread_mutex_lock(&crowd->lock);
	while (crowd->turn % crowd->n_members != self->idx && goes_on(self))
		wait_ns(crowd, LOOK_NS);
	bool on = goes_on(self);
	pthread_mutex_unlock(&crowd->lock);
	return on;
}

void qvm_member_turn_over(qvm_member *self)
{
	pthread_mutex_lock(&self->crowd->lock);
	turn_pass(self->crowd);
	pthread_mutex_unlock(&self->crowd->lock);
}

bool qvm_member_sleep(qvm_member *self, uint64_t ns)
{
	qvm_crowd *crowd = self->crowd;
	uint64_t end_ns = hv_now_ns() + ns;
	pthread_mutex_lock(&crowd->lock);
	while (hv_now_ns() < end_ns && goes_on(self)) {
		uint64_t now_ns = hv_now_ns();
		wait_ns(crowd, now_ns < end_ns && end_ns - now_ns < LOOK_NS ? end_ns - now_ns : LOOK_NS);
	}
	bool on = goes_on(self);
	pthread_mutex_unlock(&crowd->lock);
	return on;
}
