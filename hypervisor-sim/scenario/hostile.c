/* SPDX-License-Identifier: MIT
 *
 * hvsim hostile: one VM attacks its host with bad inputs of every kind, by each technique, beside an honest VM. What
 * the host found is counted by kind, and the failures of the host, of which there must be none (H4). */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "rig/siege_watch.h"
#include "scenario/hv_scenario.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_INPUTS = 0x6000, KEY_INPUT, KEY_BOUND, INPUTS_MAX = 100000000 };

typedef struct hostile_options {
	hv_options common;
	uint64_t inputs, input, bound_s;
	bool one_input;
} hostile_options;

typedef struct hostile {
	const hostile_options *options;
	hv_result *result;
	const hv_technique *technique;
	const hv_backing *backing;
	hv_siege_board *board;
	hv_siege_outcome outcome;
} hostile;

static const struct argp_option option_table[] = {
	{ "inputs", KEY_INPUTS, "N", 0, "Bad inputs per technique (default 150)", 0 },
	{ "input", KEY_INPUT, "N", 0, "Try only this one, by the number that a failure named", 0 },
	{ "bound", KEY_BOUND, "SECONDS", 0, "A host that does nothing for so long hangs (default 60)", 0 },
	{ 0 }
};

static void progress(void *context, const hv_siege_board *board)
{
	const hostile *self = context;
	hv_session_progress("%s: %" PRIu64 " of %" PRIu64 " inputs ", self->technique->name, atomic_load(&board->tried),
			    self->options->one_input ? 1 : self->options->inputs);
}

static hv_siege_counts counts_sum(const hv_siege_board *board)
{
	hv_siege_counts sum = { 0 };
	for (unsigned kind = 0; kind < HV_ATTACK_KINDS_MAX; kind++) {
		for (unsigned racing = 0; racing < 2; racing++) {
			const hv_siege_counts *counts = &board->counts[kind][racing];
			sum.tried += counts->tried;
			sum.stopped += counts->stopped;
			sum.refused += counts->refused;
			sum.late += counts->late;
			sum.no_effect += counts->no_effect;
		}
	}
	return sum;
}

static void rows_of(hostile *self, const char *phase, const hv_siege_counts *counts)
{
	hv_row like = { .scenario = "hostile",
			.technique = self->technique->name,
			.allocator = self->technique->allocator,
			.device = "none",
			.backing = self->backing->name,
			.phase = phase,
			.proof = "watchdog, residency oracle, patterns, audit",
			.quiet = true };
	const struct {
		const char *metric;
		uint64_t count;
	} figures[] = { { "inputs", counts->tried },
			{ "stopped", counts->stopped },
			{ "refused", counts->refused },
			{ "timed-out", counts->late },
			{ "no-effect", counts->no_effect } };
	bool all = strcmp(phase, "all") == 0;
	for (size_t at = 0; at < sizeof(figures) / sizeof(figures[0]); at++)
		if (all || figures[at].count > 0)
			hv_session_figure(self->result, &like, figures[at].metric, "count", (double)figures[at].count);
	if (!all)
		return;
	hv_session_figure(self->result, &like, "host-failures", "count", (double)self->outcome.host_failures);
	hv_session_figure(self->result, &like, "longest-step", "ms", (double)self->board->longest_ns / 1e6);
}

static void emit(hostile *self)
{
	char phase[96];
	const hv_siege_board *board = self->board;
	hv_siege_counts sum = counts_sum(board);
	for (unsigned kind = 0; hv_attack_kinds[kind].name != NULL; kind++) {
		for (unsigned racing = 0; racing < 2; racing++) {
			snprintf(phase, sizeof(phase), "%s, %s", hv_attack_kinds[kind].name,
				 racing ? "racing" : "at rest");
			if (board->counts[kind][racing].tried > 0)
				rows_of(self, phase, &board->counts[kind][racing]);
		}
	}
	rows_of(self, "all", &sum);
	hv_result_say(self->result,
		      "%-14s %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %9" PRIu64 " %9" PRIu64 " %10.0f %13" PRIu64 "\n",
		      self->technique->name, sum.tried, sum.stopped, sum.refused, sum.late, sum.no_effect,
		      (double)board->longest_ns / 1e6, self->outcome.host_failures);
	for (unsigned at = 0; at < HV_SIEGE_REASONS_MAX && board->reasons[at].times > 0; at++)
		hv_result_say(self->result, "    %6" PRIu64 "x %s\n", board->reasons[at].times,
			      board->reasons[at].text);
}

static void checks(hostile *self)
{
	char name[120], detail[560];
	const hv_siege_board *board = self->board;
	snprintf(name, sizeof(name), "%s: no bad input hurt the host or the honest VM (H4)", self->technique->name);
	snprintf(detail, sizeof(detail),
		 "%" PRIu64 " inputs, %" PRIu64 " resizes, %" PRIu64 " rounds and %" PRIu64
		 " frames of the honest VM checked",
		 atomic_load(&board->tried), board->alice_moves, board->alice_rounds, board->alice_frames);
	if (self->outcome.host_failures != 0)
		snprintf(detail, sizeof(detail),
			 "%" PRIu64 " failures, the first: input %" PRIu64
			 ", %s; again with --technique %s --seed %" PRIu64 " --input %" PRIu64,
			 self->outcome.host_failures, self->outcome.input, self->outcome.failure, self->technique->name,
			 self->options->common.seed, self->outcome.input);
	hv_result_check(self->result, self->outcome.host_failures == 0, name, detail);
}

static void technique_run(hostile *self)
{
	const hostile_options *options = self->options;
	const hv_siege_config config = { .technique = self->technique,
					 .backing = self->backing,
					 .seed = options->common.seed,
					 .first_input = options->one_input ? options->input : 0,
					 .n_inputs = options->one_input ? 1 : options->inputs };
	const hv_siege_guard guard = { options->bound_s * UINT64_C(1000000000), hv_interrupted, progress, self };
	hv_err err = hv_siege_watch(&config, &guard, &self->board, &self->outcome);
	hv_session_progress(NULL);
	if (err != HV_OK) {
		hv_result_check(self->result, false, self->technique->name, strerror(errno));
		return;
	}
	emit(self);
	checks(self);
	hv_siege_board_free(self->board);
}

static void run_all(const hostile_options *options, hv_result *result)
{
	char why[160];
	hostile self = { .options = options, .result = result };
	hv_result_say(result, "%-14s %8s %8s %8s %9s %9s %10s %13s\n", "technique", "inputs", "stopped", "refused",
		      "timed out", "no effect", "longest ms", "host failures");
	for (const hv_backing *const *backing = hv_backings; *backing != NULL; backing++) {
		if (!hv_options_wants(options->common.backing, (*backing)->name))
			continue;
		self.backing = *backing;
		if (!hv_backing_available(self.backing, why, sizeof(why))) {
			hv_result_skip(result, self.backing->name, why);
			continue;
		}
		for (const hv_technique *const *each = hv_techniques; *each != NULL && !hv_interrupted(); each++) {
			self.technique = *each;
			if (hv_options_wants(options->common.technique, (*each)->name))
				technique_run(&self);
		}
	}
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	hostile_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case KEY_INPUTS:
		options->inputs = hv_options_number(state, "inputs", text, 1, INPUTS_MAX);
		return 0;
	case KEY_INPUT:
		options->input = hv_options_number(state, "input", text, 0, INPUTS_MAX);
		options->one_input = true;
		return 0;
	case KEY_BOUND:
		options->bound_s = hv_options_number(state, "bound", text, 1, 3600);
		return 0;
	case ARGP_KEY_END:
		hv_options_check(&options->common, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static int hostile_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { &hv_options_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = { .options = option_table,
					  .parser = parse,
					  .children = children,
					  .doc = "A guest that writes nonsense into everything it shares with its "
						 "host, beside an honest one: what the "
						 "host finds, and that neither host nor honest VM is hurt." };
	hostile_options options = { .common = hv_options_default(), .inputs = 150, .bound_s = 60 };
	hv_result result;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!hv_session_open(&result, &options.common, "hostile"))
		return HV_EXIT_USAGE;
	cJSON_AddStringToObject(result.parameters, "technique", options.common.technique);
	cJSON_AddNumberToObject(result.parameters, "inputs", options.one_input ? 1 : (double)options.inputs);
	if (options.one_input)
		cJSON_AddNumberToObject(result.parameters, "input", (double)options.input);
	cJSON_AddNumberToObject(result.parameters, "bound_s", (double)options.bound_s);
	run_all(&options, &result);
	return hv_session_close(&result, &options.common, hv_interrupted());
}

const hv_scenario hv_scenario_hostile = {
	.name = "hostile",
	.summary = "a guest that attacks its host beside an honest one; what is found, and that nothing breaks",
	.run = hostile_run,
};
