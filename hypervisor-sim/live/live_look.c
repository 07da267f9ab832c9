/* SPDX-License-Identifier: MIT
 *
 * A look at a VM; see live_look.h. A snapshot of running things: each number is of its own moment. */
#include "live/live_look.h"

#include <stdatomic.h>
#include <stdlib.h>

bool hv_look_open(hv_look *self, hv_monitor *monitor, const hv_residency *residency, unsigned number)
{
	uint64_t huge_count = monitor->host->memory.huge_count;
	*self = (hv_look){ .monitor = monitor, .residency = residency, .last_ns = hv_now_ns() };
	self->states = malloc(huge_count);
	if (self->states == NULL || hv_residency_map_create(&self->map, huge_count) != HV_OK) {
		free(self->states);
		return false;
	}
	for (uint64_t idx = 0; idx < huge_count; idx++)
		self->states[idx] = HV_VIEW_FREE;
	self->view = (hv_view_vm){ .number = number,
				   .technique = monitor->technique->name,
				   .states = self->states,
				   .huge_count = huge_count };
	return true;
}

void hv_look_close(hv_look *self)
{
	hv_residency_map_destroy(&self->map);
	free(self->states);
	self->states = NULL;
}

/* The allocator's state is shared: it tells what is free. */
static hv_view_state shared_state(const hv_host *host, uint64_t huge_idx, bool reserved)
{
	llfree_huge_state state;
	if (llfree_huge_state_of(&host->view, huge_idx, &state) != LLFREE_OK || !state.free)
		return HV_VIEW_USED;
	return reserved ? HV_VIEW_RESERVED : HV_VIEW_FREE;
}

/* The guest's state is its own: what it handed over, and what is resident. */
static hv_view_state private_state(const hv_look *self, const hv_host *host, uint64_t huge_idx)
{
	unsigned out_frames = 0;
	/* what is reported is the guest's again at once */
	bool ledger = host->channel != NULL && !self->monitor->technique->automatic;
	for (unsigned word = 0; ledger && word < HV_LEDGER_HUGE_WORDS; word++)
		out_frames += (unsigned)__builtin_popcountll(
			hv_ledger_word(&host->channel->ledger, huge_idx * HV_LEDGER_HUGE_WORDS + word));
	if (out_frames > HV_HUGE_FRAMES / 2)
		return HV_VIEW_HARD;
	return self->map.resident_frames[huge_idx] > 0 ? HV_VIEW_USED : HV_VIEW_FREE;
}

static void states_take(hv_look *self)
{
	const hv_host *host = self->monitor->host;
	bool shared = self->monitor->technique->shared_state, reserved = false;
	uint64_t tree_huge = llfree_tree_huge();
	for (uint64_t idx = 0; idx < self->view.huge_count; idx++) {
		llfree_tree_stats tree;
		if (shared && idx % tree_huge == 0)
			reserved = llfree_stats_tree(&host->view, idx / tree_huge, &tree) == LLFREE_OK && tree.reserved;
		hv_r state = hv_frames_state(&host->frames, idx);
		if (state == HV_R_HARD)
			self->states[idx] = HV_VIEW_HARD;
		else if (state != HV_R_INSTALLED)
			self->states[idx] = HV_VIEW_SOFT;
		else
			self->states[idx] =
				(uint8_t)(shared ? shared_state(host, idx, reserved) : private_state(self, host, idx));
	}
}

/* Of what happened since the last look, unless that was a moment ago. */
static void rates_take(hv_look *self, uint64_t taken_bytes, uint64_t given_bytes)
{
	uint64_t now_ns = hv_now_ns();
	double elapsed_s = (double)(now_ns - self->last_ns) / 1e9;
	if (elapsed_s < 0.05)
		return;
	self->view.reclaim_rate = (double)(taken_bytes - self->last_taken_bytes) / elapsed_s;
	self->view.give_rate = (double)(given_bytes - self->last_given_bytes) / elapsed_s;
	self->last_ns = now_ns;
	self->last_taken_bytes = taken_bytes;
	self->last_given_bytes = given_bytes;
}

void hv_look_take(hv_look *self, uint64_t taken_bytes, uint64_t given_bytes)
{
	const hv_host *host = self->monitor->host;
	if (hv_residency_look(self->residency, &host->memory, &self->map) == HV_OK)
		self->view.resident_bytes = self->map.resident_bytes;
	states_take(self);
	/* what a limit gives is installed later, one by one, where the technique installs */
	if (self->monitor->technique->shared_state)
		given_bytes = atomic_load_explicit(&host->counters.installed, memory_order_relaxed) << HV_HUGE_SHIFT;
	rates_take(self, taken_bytes, given_bytes);
	self->view.gives = self->monitor->technique->shared_state || !self->monitor->technique->automatic;
	self->view.limit_bytes = hv_monitor_limit(self->monitor);
	self->view.fault = hv_host_fault(host);
}
