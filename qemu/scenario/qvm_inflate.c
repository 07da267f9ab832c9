/* SPDX-License-Identifier: MIT
 *
 * inflate: a VM by each technique, shrunk to --target and grown again, untouched and after the guest wrote and freed
 * all of it. What came back is proven by the blocks of its memory files (H3, H5), never by what a device says. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "cli/qvm_policy_options.h"
#include "rig/qvm_fill.h"
#include "rig/traffic.h"
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What a policy waits for is not measured, so it need not wait for seconds. */
enum { SHORT_PERIOD_MS = 20 };

typedef enum phase { PHASE_UNTOUCHED, PHASE_GROW_TOUCH, PHASE_TOUCHED, PHASE_GROW, PHASE_COUNT } phase;

static const struct {
	const char *name;
	bool reclaims, touched;
} phase_table[PHASE_COUNT] = {
	[PHASE_UNTOUCHED] = { "shrink-untouched", true, false },
	[PHASE_GROW_TOUCH] = { "grow-touch", false, false },
	[PHASE_TOUCHED] = { "shrink-touched", true, true },
	[PHASE_GROW] = { "grow", false, false },
};

/* What one phase gave, over all iterations. */
typedef struct phase_figures {
	hv_samples time, wait, discards, messages, host, guest;
	uint64_t moved, freed;
} phase_figures;

typedef struct inflate_options {
	qvm_options common;
	qvm_policy_options policy;
} inflate_options;

typedef struct inflate {
	const qvm_options *options;
	hv_result *result;
	const qvm_technique *technique;
	qvm_rig rig;
	qvm_cpu_clock cpu_clock;
	uint64_t filled_bytes; /**< by the guest, the last time */
	phase_figures figures[PHASE_COUNT];
	uint64_t n_proven;
	char fault[300]; /**< the first thing that did not hold */
} inflate;

static bool fault(inflate *self, const char *what, const char *detail)
{
	if (self->fault[0] == '\0')
		snprintf(self->fault, sizeof(self->fault), "%.80s: %.200s", what, detail);
	return false;
}

/* As much as it can; less than is there is a fault. */
static bool fill_and_free(inflate *self)
{
	uint64_t bytes = qvm_fill_bytes(&self->rig);
	if (bytes == 0 && !hv_interrupted())
		return fault(self, "fill", "the guest has no memory to fill");
	hv_err err = qvm_fill_and_free(&self->rig, bytes, &self->filled_bytes);
	if (err == HV_ERR_INTERRUPTED)
		return false;
	if (err != HV_OK)
		return fault(self, "fill",
			     err == HV_ERR_GONE && qvm_vm_ended(&self->rig.vm) ? self->rig.vm.why : self->rig.why);
	return self->filled_bytes + qvm_fill_slack_bytes(&self->rig) >= bytes ||
	       fault(self, "fill", "the guest got less memory than is there");
}

static bool sample(hv_samples *samples, double value)
{
	return hv_samples_add(samples, value) == HV_OK;
}

/* Of QEMU, and of the calls by which the monitor itself gives memory back. */
typedef struct totals {
	qvm_cpu_time qemu;
	uint64_t monitor_ns, messages;
} totals;

static totals totals_look(const inflate *self)
{
	const hv_traffic traffic = hv_traffic_of(self->rig.monitor.host);
	return (totals){ .qemu = qvm_cpu_clock_look(&self->cpu_clock),
			 .monitor_ns = traffic.host_ns,
			 .messages = traffic.messages };
}

/* What they grew by since then; in a pass of a technique that pauses, CPU time without the pauses. */
static totals totals_since(const inflate *self, const totals *before, bool paused)
{
	totals now = totals_look(self), spent = { .monitor_ns = now.monitor_ns - before->monitor_ns,
						  .messages = now.messages - before->messages };
	if (paused && self->technique->pass_cpu != NULL)
		spent.qemu = self->technique->pass_cpu(&self->rig);
	else
		qvm_cpu_time_add(&spent.qemu, &before->qemu, &now.qemu);
	return spent;
}

/* Keep what a move cost; per 2 MiB that changed hands. */
static bool figures_add(inflate *self, phase at, const hv_move *move, uint64_t elapsed_ns, const totals *spent)
{
	phase_figures *figures = &self->figures[at];
	double huge = (double)move->bytes / HV_HUGE_BYTES;
	if (move->bytes == 0)
		return true;
	figures->moved += move->bytes;
	bool ok = sample(&figures->time, (double)elapsed_ns / huge) &&
		  sample(&figures->host, (double)(qvm_cpu_time_host(&spent->qemu) + spent->monitor_ns) / huge) &&
		  sample(&figures->guest, (double)qvm_cpu_time_guest(&spent->qemu) / huge) &&
		  sample(&figures->messages, (double)spent->messages * 512 / huge);
	if (phase_table[at].reclaims && move->discard_calls > 0)
		ok = ok && sample(&figures->discards, (double)move->discard_calls * 512 / huge);
	if (move->wait_ns > 0)
		ok = ok && sample(&figures->wait, (double)move->wait_ns / huge);
	return ok || fault(self, "samples", "out of memory");
}

/* What the blocks of the files say about a reclaim. */
static bool proof(inflate *self, phase at, const hv_move *move, uint64_t before_bytes, uint64_t after_bytes)
{
	char detail[200];
	uint64_t freed = before_bytes > after_bytes ? before_bytes - after_bytes : 0;
	uint64_t touched = self->filled_bytes < move->bytes ? self->filled_bytes : move->bytes;
	uint64_t wanted = touched > qvm_fill_slack_bytes(&self->rig) ? touched - qvm_fill_slack_bytes(&self->rig) : 0;
	self->figures[at].freed += freed;
	self->n_proven++;
	snprintf(detail, sizeof(detail),
		 "moved %" PRIu64 " MiB; the files held %" PRIu64 " MiB before and %" PRIu64 " MiB after",
		 move->bytes >> 20, before_bytes >> 20, after_bytes >> 20);
	if (phase_table[at].touched && freed < wanted)
		return fault(self, phase_table[at].name, detail);
	if (!phase_table[at].touched && after_bytes > before_bytes + qvm_fill_slack_bytes(&self->rig))
		return fault(self, phase_table[at].name, detail);
	if (phase_table[at].touched && move->bytes == 0)
		return fault(self, phase_table[at].name, "nothing moved");
	return true;
}

static bool move_failed(inflate *self, phase at, const hv_move *move)
{
	char detail[200];
	if (move->err == HV_ERR_GONE && qvm_vm_ended(&self->rig.vm))
		return fault(self, phase_table[at].name, self->rig.vm.why);
	snprintf(detail, sizeof(detail), "%s (%.150s)", hv_err_text(move->err), self->rig.vm.qmp.error);
	return fault(self, phase_table[at].name, detail);
}

/* The policy saw no reason to act. */
static bool policy_idle(inflate *self, phase at)
{
	char what[120];
	snprintf(what, sizeof(what), "%s, %s", self->technique->technique->name, phase_table[at].name);
	hv_session_progress(NULL);
	hv_result_skip(self->result, what, "the policy made no pass");
	return false;
}

static bool shrink(inflate *self, phase at)
{
	if (hv_interrupted())
		return false;
	hv_session_progress("%s: %s ", self->technique->technique->name, phase_table[at].name);
	bool automatic = self->technique->technique->automatic;
	uint64_t before_bytes = qvm_rig_resident(&self->rig);
	totals before = totals_look(self);
	hv_move move = automatic ? qvm_policy_pass(&self->rig)
				 : hv_monitor_do(&self->rig.monitor, HV_COMMAND_SHRINK, self->options->target_bytes);
	totals spent = totals_since(self, &before, automatic);
	uint64_t after_bytes = qvm_rig_resident(&self->rig);
	if (hv_interrupted())
		return false; /* it was cut short */
	if (move.err == HV_ERR_TIMEOUT && self->rig.config.policy != NULL &&
	    strcmp(self->rig.config.policy->name, "period") != 0)
		return policy_idle(self, at);
	if (move.err != HV_OK && move.err != HV_ERR_SHORT)
		return move_failed(self, at, &move);
	return figures_add(self, at, &move, move.elapsed_ns, &spent) &&
	       proof(self, at, &move, before_bytes, after_bytes);
}

static bool grow(inflate *self, phase at, bool touch)
{
	if (hv_interrupted())
		return false;
	hv_session_progress("%s: %s ", self->technique->technique->name, phase_table[at].name);
	uint64_t begin_ns = hv_now_ns();
	totals before = totals_look(self);
	hv_move move = { .err = HV_OK };
	if (self->technique->technique->host->grow != NULL && !self->technique->technique->automatic)
		move = hv_monitor_do(&self->rig.monitor, HV_COMMAND_GROW, self->options->memory_bytes);
	if (hv_interrupted())
		return false;
	if (move.err != HV_OK)
		return move_failed(self, at, &move);
	if (touch && !fill_and_free(self))
		return false;
	if (touch)
		move.bytes = self->filled_bytes;
	totals spent = totals_since(self, &before, false);
	return figures_add(self, at, &move, touch ? hv_now_ns() - begin_ns : move.elapsed_ns, &spent);
}

static bool none_stays(inflate *self)
{
	uint64_t before_bytes = qvm_rig_resident(&self->rig);
	self->n_proven++;
	return before_bytes + qvm_fill_slack_bytes(&self->rig) >= self->filled_bytes ||
	       fault(self, "none", "the memory file lost memory that nobody took");
}

static bool iterate(inflate *self)
{
	const hv_technique *technique = self->technique->technique;
	if (technique->grain_bytes == 0)
		return grow(self, PHASE_GROW_TOUCH, true) && none_stays(self);
	if (technique->automatic)
		return grow(self, PHASE_GROW_TOUCH, true) && shrink(self, PHASE_TOUCHED);
	return shrink(self, PHASE_UNTOUCHED) && grow(self, PHASE_GROW_TOUCH, true) && shrink(self, PHASE_TOUCHED) &&
	       grow(self, PHASE_GROW, false);
}

static void row_emit(inflate *self, phase at, const char *metric, const char *unit, const hv_samples *samples)
{
	const phase_figures *figures = &self->figures[at];
	const hv_technique *technique = self->technique->technique;
	bool reclaims = phase_table[at].reclaims;
	char note[60];
	if (samples->n_values == 0)
		return;
	snprintf(note, sizeof(note), "accelerator %s", qvm_accel_text(self->rig.vm.accel));
	hv_row row = {
		.scenario = "inflate",
		.technique = technique->name,
		.allocator = technique->allocator,
		.device = self->options->vfio != NULL ? "vfio" : "none",
		.backing = qvm_rig_backing(&self->rig),
		.phase = phase_table[at].name,
		.metric = metric,
		.unit = unit,
		.samples = samples,
		.has_bytes_moved = true,
		.bytes_moved = figures->moved,
		.has_bytes_freed = reclaims,
		.bytes_freed = figures->freed,
		.proof = reclaims ? "st_blocks of the memory files" : NULL,
		.discard = !reclaims            ? NULL
			   : technique->batches ? "punch, one call per run of neighbours"
						: technique->discard,
		.note = note,
		.quiet = strcmp(metric, "time") != 0,
	};
	hv_result_row(self->result, &row);
}

static void emit(inflate *self)
{
	char name[100], detail[320];
	for (phase at = 0; at < PHASE_COUNT; at++) {
		phase_figures *figures = &self->figures[at];
		row_emit(self, at, "time", "ns/2MiB", &figures->time);
		row_emit(self, at, "wait-time", "ns/2MiB", &figures->wait);
		row_emit(self, at, "discards", "1/GiB", &figures->discards);
		row_emit(self, at, "messages", "1/GiB", &figures->messages);
		row_emit(self, at, "host-time", "ns/2MiB", &figures->host);
		row_emit(self, at, "guest-time", "ns/2MiB", &figures->guest);
		hv_samples_clear(&figures->time);
		hv_samples_clear(&figures->wait);
		hv_samples_clear(&figures->discards);
		hv_samples_clear(&figures->messages);
		hv_samples_clear(&figures->host);
		hv_samples_clear(&figures->guest);
	}
	snprintf(name, sizeof(name), "%s: every byte proven by the memory files", self->technique->technique->name);
	snprintf(detail, sizeof(detail), "%" PRIu64 " moves", self->n_proven);
	if (self->fault[0] != '\0' || !hv_interrupted())
		hv_result_check(self->result, self->fault[0] == '\0', name,
				self->fault[0] != '\0' ? self->fault : detail);
}

static void technique_run(const inflate_options *all, hv_result *result, const qvm_technique *technique)
{
	const qvm_options *options = &all->common;
	inflate self = { .options = options, .result = result, .technique = technique };
	qvm_rig_config config = { .technique = technique };
	const char *name = technique->technique->name;
	qvm_policy_drive(&all->policy, &config);
	hv_session_progress("%s: booting ", name);
	hv_err err = qvm_rig_start(&self.rig, options, &config);
	if (err == HV_OK)
		err = qvm_cpu_clock_open(&self.cpu_clock, &self.rig.vm);
	if (err == HV_ERR_UNAVAILABLE)
		hv_result_skip(result, name, self.rig.why);
	else if (err != HV_OK && !hv_interrupted())
		fault(&self, "start", self.rig.why[0] != '\0' ? self.rig.why : hv_err_text(err));
	for (uint64_t at = 0; err == HV_OK && at < options->iterations; at++)
		if (!iterate(&self))
			break;
	hv_session_progress(NULL);
	if (err != HV_ERR_UNAVAILABLE)
		emit(&self);
	if (self.fault[0] != '\0') {
		char tail[800];
		qvm_vm_console_tail(&self.rig.vm, tail, sizeof(tail));
		fprintf(stderr, "llfree-qemu: the end of the console of %s:\n%s\n", name, tail);
	}
	qvm_rig_stop(&self.rig);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	inflate_options *all = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &all->common;
		state->child_inputs[1] = &all->policy;
		return 0;
	case ARGP_KEY_END:
		qvm_options_check(&all->common, state);
		qvm_policy_options_check(&all->policy, all->common.memory_bytes, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static int inflate_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { &qvm_options_argp, 0, NULL, 0 },
						      { &qvm_policy_argp, 0, "What drives llfree-auto:", 1 },
						      { 0 } };
	static const struct argp argp = {
		.parser = parse,
		.children = children,
		.doc = "Boot a VM for each technique, shrink it to --target and grow it again, "
		       "untouched and touched; every byte proven by the memory file's blocks."
	};
	inflate_options all = { .common = qvm_options_default(),
				.policy = qvm_policy_options_default(SHORT_PERIOD_MS) };
	const qvm_options *options = &all.common;
	hv_result result;
	if (argp_parse(&argp, argc, argv, 0, NULL, &all) != 0)
		return HV_EXIT_USAGE;
	if (!qvm_session_open(&result, options, "inflate"))
		return HV_EXIT_USAGE;
	qvm_policy_parameters(result.parameters, &all.policy);
	bool available = !hv_policy_options_skip(&all.policy.policy, &result);
	for (const qvm_technique *const *each = qvm_techniques; *each != NULL && !hv_interrupted(); each++)
		if (qvm_options_wants(options, (*each)->technique->name) && (available || !qvm_technique_driven(*each)))
			technique_run(&all, &result, *each);
	return qvm_session_close(&result, options, hv_interrupted());
}

const qvm_scenario qvm_scenario_inflate = {
	.name = "inflate",
	.summary = "shrink and grow a VM by each technique, every byte proven by its memory file",
	.run = inflate_run,
};
