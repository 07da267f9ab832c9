/* SPDX-License-Identifier: MIT
 *
 * Scenarios that measure what a guest feels of resizes; see impact_command.h. */
#define _GNU_SOURCE
#include "cli/impact_command.h"
#include "cli/impact_options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

typedef struct command {
	const hv_impact_options *options;
	hv_result *result;
	const hv_technique *technique;
	const hv_guest_allocator *allocator;
	const hv_backing *backing;
	hv_impact impact;
	bool header_shown;
	char note[100];
} command;

static void check_emit(command *self, bool ok, const char *what, const char *detail)
{
	char name[160];
	snprintf(name, sizeof(name), "%s on %s: %s", self->technique->name, self->backing->name, what);
	hv_result_check(self->result, ok, name, detail);
}

static void checks_emit(command *self)
{
	hv_impact *impact = &self->impact;
	char detail[220];
	bool sound = hv_impact_sound(impact, detail, sizeof(detail));
	check_emit(self, sound, "no frame changed under its owner (H1), audit (A2)",
		   sound ? "1 guest checked" : detail);
	snprintf(detail, sizeof(detail), "%" PRIu64 " windows proven", impact->course.n_proven);
	if (impact->course.n_proven > 0 || impact->course.refuted)
		check_emit(self, !impact->course.refuted, "every byte reclaimed is gone (H3, H5)",
			   impact->course.refuted ? impact->course.detail : detail);
	if (impact->course.out_of_memory)
		check_emit(self, false, "room for the series", hv_err_text(HV_ERR_SYSTEM));
}

static void emit(command *self)
{
	char proof[120];
	const char *note = self->note[0] != '\0' ? self->note : NULL;
	snprintf(proof, sizeof(proof), "%s: resident before the window, absent after",
		 hv_residency_way_text(self->impact.rig.residency.way));
	const hv_impact_rows rows = { .result = self->result,
				      .measure = self->options->spec->measure,
				      .course = &self->impact.course,
				      .like = { .scenario = self->options->spec->scenario,
						.technique = self->technique->name,
						.allocator = self->allocator->name,
						.device = self->options->common.dma ? "dma" : "none",
						.backing = self->backing->name,
						.note = note },
				      .proof = proof,
				      .remark = self->note,
				      .header_shown = &self->header_shown };
	hv_impact_rows_emit(&rows);
	checks_emit(self);
}

static void note_make(command *self, uint64_t target_bytes)
{
	char target[32];
	if (target_bytes != self->options->common.target_bytes)
		snprintf(self->note, sizeof(self->note), "slow: down to %s only",
			 hv_format_bytes(target_bytes, target, sizeof(target)));
	else if (self->technique->automatic)
		snprintf(self->note, sizeof(self->note), "the guest frees and allocates, in both kinds of windows");
}

static void technique_run(command *self)
{
	const hv_impact_options *options = self->options;
	const hv_options *common = &options->common;
	const char *failed_step;
	char why[200];
	self->allocator = hv_options_allocator(common, self->technique, why, sizeof(why));
	if (self->allocator == NULL) {
		hv_result_skip(self->result, self->technique->name, why);
		return;
	}
	hv_impact_config config = hv_impact_options_config(options, self->technique, self->allocator, self->backing);
	self->note[0] = '\0';
	note_make(self, config.target_bytes);
	hv_err err = hv_impact_open(&self->impact, &config, &failed_step);
	if (err != HV_OK) {
		snprintf(why, sizeof(why), "%s: %s (%s)", failed_step, hv_err_text(err), strerror(errno));
		check_emit(self, false, "start", why);
		return;
	}
	bool more = true;
	for (uint64_t window = 0; more && window < 2 * common->iterations; window++) {
		hv_session_progress("%s on %s: window %" PRIu64 " of %" PRIu64 ", %.3g s and more each ",
				    self->technique->name, self->backing->name, window + 1, 2 * common->iterations,
				    options->timing.duration_s);
		more = hv_impact_window(&self->impact, window % 2 == 0);
	}
	hv_session_progress(NULL);
	emit(self);
	hv_impact_close(&self->impact);
}

static void run_all(const hv_impact_options *options, hv_result *result)
{
	static command self;
	char why[160];
	self = (command){ .options = options, .result = result };
	if (options->common.dma && !hv_dma_available(why, sizeof(why))) {
		hv_result_skip(result, "the DMA device", why);
		return;
	}
	for (const hv_backing *const *backing = hv_backings; *backing != NULL; backing++) {
		if (!hv_options_wants(options->common.backing, (*backing)->name))
			continue;
		if (!hv_backing_available(*backing, why, sizeof(why))) {
			hv_result_skip(result, (*backing)->name, why);
			continue;
		}
		self.backing = *backing;
		for (const hv_technique *const *each = hv_techniques; *each != NULL; each++) {
			self.technique = *each;
			if ((*each)->grain_bytes != 0 && hv_options_wants(options->common.technique, (*each)->name) &&
			    !options->spec->interrupted())
				technique_run(&self);
		}
	}
}

int hv_impact_command(const hv_impact_spec *spec, int argc, char **argv)
{
	static const struct argp_child children[] = { { &hv_impact_argp, 0, NULL, 0 }, { 0 } };
	const struct argp argp = { .children = children, .doc = spec->doc };
	hv_impact_options options = hv_impact_options_default(spec);
	hv_result result;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	if (!hv_session_open(&result, &options.common, spec->scenario))
		return HV_EXIT_USAGE;
	hv_impact_parameters(result.parameters, &options);
	if (hv_result_save(&result) == HV_OK) /* else it is said at the end */
		run_all(&options, &result);
	return hv_session_close(&result, &options.common, spec->interrupted());
}
