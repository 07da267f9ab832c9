/* SPDX-License-Identifier: MIT
 *
 * Windows, resizes and series; see impact_course.h. The thread that calls sleeps while a window runs, but for the
 * commands it gives to the monitor. */
#define _GNU_SOURCE
#include "rig/impact_course.h"
#include "result/rates.h"
#include "techniques/hv_technique.h"

#include <stdio.h>
#include <stdlib.h>

#define SECOND_NS UINT64_C(1000000000)
#define SLICE_NS  UINT64_C(50000000) /* of a sleep: how long an interruption waits */
/* Before a window: threads that wake together may share a CPU until the scheduler has spread them. */
#define LEAD_NS UINT64_C(400000000)

static bool interrupted(const hv_impact_course *self)
{
	return self->plan.interrupted != NULL && self->plan.interrupted();
}

static bool automatic(const hv_impact_course *self)
{
	return self->plan.monitor->technique->automatic;
}

void hv_impact_course_refute(hv_impact_course *self, const char *reason)
{
	if (!self->refuted)
		snprintf(self->detail, sizeof(self->detail), "%s", reason);
	self->refuted = true;
}

static void keep(hv_impact_course *self, hv_samples *samples, double value)
{
	if (hv_samples_add(samples, value) != HV_OK)
		self->out_of_memory = true;
}

void hv_impact_course_clear(hv_impact_course *self)
{
	for (hv_impact_side *side = &self->resized;; side = &self->baseline) {
		hv_samples_clear(&side->work);
		hv_samples_clear(&side->vcpu_work);
		hv_samples_clear(&side->window_begin_s);
		if (side == &self->baseline)
			break;
	}
	for (hv_direction at = 0; at < HV_DIRECTIONS; at++) {
		hv_samples_clear(&self->resizes[at].begin_s);
		hv_samples_clear(&self->resizes[at].end_s);
		hv_samples_clear(&self->resizes[at].bytes);
		hv_samples_clear(&self->resizes[at].ns_per_huge);
	}
}

uint64_t hv_impact_course_lead_ns(const hv_impact_course *self)
{
	return self->plan.window_ns / 5 < LEAD_NS ? self->plan.window_ns / 5 : LEAD_NS;
}

/* @return false: interrupted */
static bool sleep_until(const hv_impact_course *self, uint64_t until_ns)
{
	for (uint64_t now_ns = hv_now_ns(); now_ns < until_ns; now_ns = hv_now_ns()) {
		if (interrupted(self))
			return false;
		hv_sleep_ns(until_ns - now_ns < SLICE_NS ? until_ns - now_ns : SLICE_NS);
	}
	return !interrupted(self);
}

/* Seconds of the resized windows' series. */
static double series_s(const hv_impact_course *self, uint64_t at_ns)
{
	double before_s = (double)self->resized.work.n_values * (double)self->plan.quantum_ns / 1e9;
	return before_s + ((double)at_ns - (double)self->window_begin_ns) / 1e9;
}

static bool resize_note(hv_impact_course *self, hv_direction direction, hv_move move, uint64_t begin_ns,
			uint64_t end_ns)
{
	hv_impact_resizes *resizes = &self->resizes[direction];
	if (move.err != HV_OK && (move.err != HV_ERR_SHORT || !self->plan.short_moves)) {
		hv_impact_course_refute(self, hv_err_text(move.err));
		return false;
	}
	if (move.bytes == 0)
		return true; /* a pass that had nothing to do */
	/* the first pass of a window takes all there is, as a shrink does; the others are of another kind */
	if (direction == HV_GROW || self->told_bytes == 0)
		keep(self, &resizes->ns_per_huge, (double)move.elapsed_ns * HV_HUGE_BYTES / (double)move.bytes);
	if (direction == HV_SHRINK) {
		self->first_bytes = self->told_bytes == 0 ? move.bytes : self->first_bytes;
		self->told_bytes += move.bytes;
	}
	resizes->moved_bytes += move.bytes;
	keep(self, &resizes->begin_s, series_s(self, begin_ns));
	keep(self, &resizes->end_s, series_s(self, end_ns));
	keep(self, &resizes->bytes, (double)move.bytes);
	return true;
}

static bool resize(hv_impact_course *self, hv_direction direction)
{
	uint64_t begin_ns = hv_now_ns();
	hv_move move = direction == HV_SHRINK
			       ? hv_monitor_do(self->plan.monitor, HV_COMMAND_SHRINK, self->plan.target_bytes)
			       : hv_monitor_do(self->plan.monitor, HV_COMMAND_GROW, self->plan.memory_bytes);
	return resize_note(self, direction, move, begin_ns, hv_now_ns());
}

static uint64_t later(uint64_t a_ns, uint64_t b_ns)
{
	return a_ns > b_ns ? a_ns : b_ns;
}

/* Down and up again, with time before, between and after. */
static bool window_by_limit(hv_impact_course *self)
{
	uint64_t begin_ns = self->window_begin_ns, window_ns = self->plan.window_ns, pause_ns = window_ns / 5;
	return sleep_until(self, begin_ns + pause_ns) && resize(self, HV_SHRINK) &&
	       sleep_until(self, later(begin_ns + window_ns / 2, hv_now_ns() + pause_ns)) && resize(self, HV_GROW) &&
	       sleep_until(self, later(begin_ns + window_ns, hv_now_ns() + pause_ns));
}

/* Passes with bursts between them; the last thing is a pass, so that memory is away when it is looked at. */
static bool window_by_policy(hv_impact_course *self)
{
	uint64_t end_ns = self->window_begin_ns + self->plan.window_ns;
	for (self->n_bursts = 0;; self->n_bursts++) {
		hv_move move = hv_monitor_next_pass(self->plan.monitor);
		uint64_t now_ns = hv_now_ns();
		if (!resize_note(self, HV_SHRINK, move, now_ns - move.elapsed_ns, now_ns) || interrupted(self))
			return false;
		if (now_ns >= end_ns)
			return true;
		self->plan.burst(self->plan.context);
	}
}

/* As long as the last window with resizes, and with as many bursts: passes may take longer than the period. */
static bool window_alone(hv_impact_course *self)
{
	bool known = self->last_length_ns != 0;
	uint64_t window_ns = known ? self->last_length_ns : self->plan.window_ns;
	uint64_t n_bursts = !automatic(self) ? 0 : known ? self->n_bursts : window_ns / self->plan.period_ns;
	uint64_t step_ns = window_ns / (n_bursts + 1);
	for (uint64_t at = 1; at <= n_bursts; at++) {
		if (!sleep_until(self, self->window_begin_ns + at * step_ns))
			return false;
		self->plan.burst(self->plan.context);
	}
	return sleep_until(self, self->window_begin_ns + window_ns);
}

bool hv_impact_course_window(hv_impact_course *self, bool resize, uint64_t begin_ns, uint64_t *end_ns)
{
	self->told_bytes = self->first_bytes = 0;
	self->window_begin_ns = begin_ns;
	bool whole = sleep_until(self, begin_ns) && (!resize           ? window_alone(self)
						     : automatic(self) ? window_by_policy(self)
								       : window_by_limit(self));
	*end_ns = hv_now_ns();
	if (whole && resize)
		self->last_length_ns = *end_ns - begin_ns;
	return whole;
}

size_t hv_impact_course_steps(const hv_impact_course *self, uint64_t end_ns)
{
	uint64_t begin_ns = self->window_begin_ns;
	return end_ns > begin_ns ? (end_ns - begin_ns) / self->plan.quantum_ns : 0;
}

void hv_impact_course_add(hv_impact_course *self, bool resize, const double *steps, size_t n_vcpus, size_t n_steps)
{
	hv_impact_side *side = resize ? &self->resized : &self->baseline;
	uint64_t quantum_ns = self->plan.quantum_ns;
	double *sums = calloc(n_steps + 1, sizeof(*sums));
	self->out_of_memory = self->out_of_memory || sums == NULL;
	if (sums == NULL || n_steps == 0) {
		free(sums);
		return;
	}
	keep(self, &side->window_begin_s, (double)side->work.n_values * (double)quantum_ns / 1e9);
	for (size_t at = 0; at < n_vcpus * n_steps; at++) {
		sums[at % n_steps] += steps[at];
		keep(self, &side->vcpu_work, steps[at]);
	}
	double worst = hv_worst_mean(sums, n_steps, (SECOND_NS + quantum_ns - 1) / quantum_ns);
	if (side->work.n_values == 0 || worst < side->worst_second)
		side->worst_second = worst;
	for (size_t at = 0; at < n_steps; at++)
		keep(self, &side->work, sums[at]);
	free(sums);
}
