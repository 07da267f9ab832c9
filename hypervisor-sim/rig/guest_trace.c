/* SPDX-License-Identifier: MIT
 *
 * Record and replay of guests; see guest_trace.h. */
#define _GNU_SOURCE
#include "rig/guest_trace.h"
#include "rig/trial.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct recording {
	hv_rig *rig;
	hv_load load;
	const hv_guest_record *config;
	hv_trace_writer *writer;
	hv_guest_counts *counts;
	uint64_t next_ns;
	uint64_t limit_bytes;
} recording;

static void got(void *context, uint32_t cpu_idx, unsigned order, uint64_t frame, uint64_t installs)
{
	recording *self = context;
	hv_trace_event event = { HV_TRACE_GET, { cpu_idx, order, frame == UINT64_MAX ? 0 : frame + 1, installs } };
	hv_trace_add(self->writer, &event);
	self->counts->gets++;
	self->counts->refused += frame == UINT64_MAX;
	self->counts->installs += installs;
}

static void put(void *context, uint32_t cpu_idx, uint64_t held_idx)
{
	recording *self = context;
	hv_trace_event event = { HV_TRACE_PUT, { cpu_idx, held_idx } };
	hv_trace_add(self->writer, &event);
	self->counts->puts++;
}

static void move_count(hv_guest_counts *counts, const hv_move *move)
{
	counts->moves++;
	counts->moved_bytes += move->bytes;
	if (move->err != HV_OK && move->err != HV_ERR_SHORT && counts->move_err == HV_OK)
		counts->move_err = move->err;
}

/* A pass, or a limit that follows what the guest uses. */
static hv_move host_moves(recording *self)
{
	hv_monitor *monitor = &self->rig->monitor;
	hv_trace_event event = { HV_TRACE_PASS, { 0 } };
	if (self->rig->config.technique->automatic) {
		hv_move move = hv_monitor_do(monitor, HV_COMMAND_PASS, 0);
		event.fields[0] = move.bytes;
		hv_trace_add(self->writer, &event);
		return move;
	}
	uint64_t used_bytes = hv_load_used_frames(&self->load) * HV_FRAME_BYTES;
	uint64_t limit_bytes =
		hv_policy_limit_for(self->rig->config.vm.memory_bytes, used_bytes, self->config->slack_bytes);
	hv_command command = limit_bytes > self->limit_bytes ? HV_COMMAND_GROW : HV_COMMAND_SHRINK;
	hv_move move = hv_monitor_do(monitor, command, limit_bytes);
	self->limit_bytes = move.err == HV_OK ? limit_bytes : self->limit_bytes - move.bytes;
	event = (hv_trace_event){ HV_TRACE_LIMIT, { limit_bytes, move.bytes } };
	hv_trace_add(self->writer, &event);
	return move;
}

static bool between(void *context, uint64_t now_ns)
{
	recording *self = context;
	if (self->config->stop() || self->counts->move_err != HV_OK)
		return false;
	while (now_ns >= self->next_ns) {
		hv_move move = host_moves(self);
		move_count(self->counts, &move);
		self->next_ns += self->config->period_ns;
	}
	return true;
}

hv_err hv_guest_trace_record(hv_rig *rig, const hv_program *program, const hv_guest_record *config,
			     hv_trace_writer *writer, hv_guest_counts *counts)
{
	*counts = (hv_guest_counts){ 0 };
	recording self = { .rig = rig,
			   .config = config,
			   .writer = writer,
			   .counts = counts,
			   .next_ns = config->period_ns,
			   .limit_bytes = rig->config.vm.memory_bytes };
	hv_holding_watch watch = { &self, got, put };
	hv_err err = hv_load_open(&self.load, &rig->vm, program, 1, &watch);
	if (err != HV_OK)
		return err;
	hv_load_lockstep(&self.load, between, &self);
	hv_load_close(&self.load);
	return HV_OK;
}

static void differs(hv_guest_counts *counts, uint64_t at, const char *what, uint64_t then, uint64_t now)
{
	if (counts->differ++ == 0)
		snprintf(counts->first_difference, sizeof(counts->first_difference),
			 "event %" PRIu64 ": %s: %" PRIu64 " recorded, %" PRIu64 " now", at, what, then, now);
}

static void get_again(hv_rig *rig, const hv_trace_event *event, uint64_t at, hv_guest_counts *counts)
{
	hv_vcpu *vcpu = &rig->vm.vcpus[event->fields[0]];
	uint64_t calls = vcpu->port.calls, frame = 0;
	llfree_err err = hv_workload_get(vcpu, (unsigned)event->fields[1]);
	if (err == LLFREE_OK) {
		hv_run run = hv_held_lock(&vcpu->held[vcpu->n_held - 1]);
		hv_held_unlock(&vcpu->held[vcpu->n_held - 1], run);
		frame = run.frame + 1;
	}
	counts->gets++;
	counts->refused += err != LLFREE_OK;
	counts->installs += vcpu->port.calls - calls;
	if (frame != event->fields[2])
		differs(counts, at, "frame + 1 of a get", event->fields[2], frame);
	else if (vcpu->port.calls - calls != event->fields[3])
		differs(counts, at, "installs of a get", event->fields[3], vcpu->port.calls - calls);
}

/* Under another technique a get may have failed: then there may be less to put. */
static void put_again(hv_rig *rig, const hv_trace_event *event, uint64_t at, hv_guest_counts *counts)
{
	hv_vcpu *vcpu = &rig->vm.vcpus[event->fields[0]];
	if (event->fields[1] >= vcpu->n_held) {
		differs(counts, at, "position of a put", event->fields[1], vcpu->n_held);
		return;
	}
	(void)hv_workload_put(vcpu, event->fields[1]);
	counts->puts++;
}

static void move_again(hv_rig *rig, const hv_trace_event *event, uint64_t *limit_bytes, uint64_t at,
		       hv_guest_counts *counts)
{
	bool automatic = rig->config.technique->automatic, pass = event->tag == HV_TRACE_PASS;
	hv_command command = event->fields[0] > *limit_bytes ? HV_COMMAND_GROW : HV_COMMAND_SHRINK;
	if (automatic)
		command = HV_COMMAND_PASS;
	else if (pass)
		return; /* recorded of an automatic technique: there is no limit to set */
	hv_move move = hv_monitor_do(&rig->monitor, command, pass ? 0 : event->fields[0]);
	uint64_t then = pass ? event->fields[0] : event->fields[1];
	move_count(counts, &move);
	if (!automatic)
		*limit_bytes = move.err == HV_OK ? event->fields[0] : *limit_bytes - move.bytes;
	if (move.bytes != then)
		differs(counts, at, "bytes moved", then, move.bytes);
}

hv_err hv_guest_trace_replay(hv_rig *rig, hv_trace *trace, bool (*stop)(void), hv_guest_counts *counts)
{
	uint64_t limit_bytes = rig->config.vm.memory_bytes;
	hv_trace_event event;
	*counts = (hv_guest_counts){ 0 };
	if (trace->head.kind != HV_TRACE_GUEST || trace->head.n_vcpus != rig->vm.config.n_vcpus ||
	    trace->head.memory_bytes > rig->vm.config.memory_bytes)
		return HV_ERR_INVAL;
	hv_trace_rewind(trace);
	for (uint64_t at = 0; hv_trace_next(trace, &event) && !stop() && counts->move_err == HV_OK; at++) {
		if (event.tag == HV_TRACE_GET)
			get_again(rig, &event, at, counts);
		else if (event.tag == HV_TRACE_PUT)
			put_again(rig, &event, at, counts);
		else
			move_again(rig, &event, &limit_bytes, at, counts);
	}
	return HV_OK;
}
