/* SPDX-License-Identifier: MIT
 *
 * Scenarios that measure what a guest feels of resizes; see impact_command.h. All percentages are of the median of the
 * baseline: a technique that resizes most of the time must not be measured by its own disturbed median. */
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

/** Per cent of the baseline's median. */
typedef struct figures {
	double worst_second, p1;
} figures;

static double share_of(double value, double of)
{
	return of > 0 ? value / of : 0;
}

static double median(const hv_samples *samples)
{
	return hv_quantile(samples->values, samples->n_values, 0.5);
}

static figures side_figures(const hv_impact *impact, const hv_impact_side *side)
{
	const hv_samples *single = &side->vcpu_work;
	return (figures){
		.worst_second = 100 * share_of(side->worst_second, median(&impact->baseline.work)),
		.p1 = 100 * share_of(hv_quantile(single->values, single->n_values, 0.01),
				     median(&impact->baseline.vcpu_work)),
	};
}

static double quantum_s(const command *self)
{
	return (double)self->options->quantum_ms / 1000;
}

/* Work per quantum, in the unit of the series. */
static double in_unit(const command *self, double work)
{
	const hv_impact_spec *spec = self->options->spec;
	return work * spec->scale / (spec->per_second ? quantum_s(self) : 1);
}

static void series_emit(command *self, const hv_row *like, const hv_impact_side *side)
{
	const hv_impact_spec *spec = self->options->spec;
	hv_samples values = { 0 };
	for (size_t at = 0; at < side->work.n_values; at++)
		if (hv_samples_add(&values, in_unit(self, side->work.values[at])) != HV_OK)
			break;
	hv_session_series(self->result, like, spec->metric, spec->unit, &values, quantum_s(self));
	hv_samples_clear(&values);
}

static void instants_emit(command *self, const hv_row *like, const char *metric, const char *unit,
			  const hv_samples *samples)
{
	hv_row row = *like;
	row.metric = metric;
	row.unit = unit;
	row.samples = samples;
	row.instants = true;
	if (samples->n_values > 0)
		hv_result_row(self->result, &row);
}

static void side_emit(command *self, const hv_row *template, const char *phase, const hv_impact_side *side)
{
	hv_row like = *template;
	figures shares = side_figures(&self->impact, side);
	like.phase = phase;
	if (side->work.n_values == 0)
		return;
	hv_session_figure(self->result, &like, "worst-second", "%", shares.worst_second);
	hv_session_figure(self->result, &like, "p1", "%", shares.p1);
	series_emit(self, &like, side);
	instants_emit(self, &like, "window-begin", "s", &side->window_begin_s);
}

static void resizes_emit(command *self, const hv_row *template, hv_direction direction)
{
	const hv_impact_resizes *resizes = &self->impact.resizes[direction];
	char proof[120];
	hv_row like = *template;
	like.phase = direction == HV_SHRINK ? "shrink" : "grow";
	instants_emit(self, &like, "resize-begin", "s", &resizes->begin_s);
	instants_emit(self, &like, "resize-end", "s", &resizes->end_s);
	instants_emit(self, &like, "resize-moved", "bytes", &resizes->bytes);
	if (resizes->ns_per_huge.n_values == 0)
		return;
	like.metric = "time";
	like.unit = "ns/2MiB";
	like.samples = &resizes->ns_per_huge;
	like.has_bytes_moved = true;
	like.bytes_moved = resizes->moved_bytes;
	like.has_bytes_freed = direction == HV_SHRINK;
	like.bytes_freed = resizes->freed_bytes;
	snprintf(proof, sizeof(proof), "%s: resident before the window, absent after",
		 hv_residency_way_text(self->impact.rig.residency.way));
	like.proof = direction == HV_SHRINK ? proof : NULL;
	hv_result_row(self->result, &like);
}

static void header_show(command *self)
{
	const hv_impact_spec *spec = self->options->spec;
	if (!self->header_shown)
		hv_result_say(self->result,
			      "%-14s %-9s %9s  %-26s %-26s %7s %9s %9s\n%-14s %-9s %9s  %8s %8s %8s %8s %8s %8s  %7s "
			      "%9s %9s\n",
			      "technique", "backing", "median", "worst second, % of median", "1st percentile, %",
			      "resizes", "shrink", "grow", "", "", spec->unit, "baseline", "resized", "ratio",
			      "baseline", "resized", "ratio", "", "us/2MiB", "us/2MiB");
	self->header_shown = true;
}

static void line_show(command *self, figures baseline, figures resized)
{
	const hv_impact *impact = &self->impact;
	const hv_samples *shrink = &impact->resizes[HV_SHRINK].ns_per_huge;
	const hv_samples *grow = &impact->resizes[HV_GROW].ns_per_huge;
	char grown[32] = "-";
	header_show(self);
	if (grow->n_values > 0)
		snprintf(grown, sizeof(grown), "%.3g", hv_samples_summary(grow, false).median / 1000);
	hv_result_say(
		self->result, "%-14s %-9s %9.4g  %8.1f %8.1f %8.3f %8.1f %8.1f %8.3f  %7zu %9.3g %9s%s%s\n",
		self->technique->name, self->backing->name, in_unit(self, median(&impact->baseline.work)),
		baseline.worst_second, resized.worst_second, share_of(resized.worst_second, baseline.worst_second),
		baseline.p1, resized.p1, share_of(resized.p1, baseline.p1),
		impact->resizes[HV_SHRINK].begin_s.n_values + impact->resizes[HV_GROW].begin_s.n_values,
		hv_samples_summary(shrink, false).median / 1000, grown, self->note[0] != '\0' ? "  " : "", self->note);
}

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
	snprintf(detail, sizeof(detail), "%" PRIu64 " windows proven", impact->n_proven);
	if (impact->n_proven > 0 || impact->refuted)
		check_emit(self, !impact->refuted, "every byte reclaimed is gone (H3, H5)",
			   impact->refuted ? impact->detail : detail);
	if (impact->out_of_memory)
		check_emit(self, false, "room for the series", hv_err_text(HV_ERR_SYSTEM));
}

static void emit(command *self)
{
	const hv_impact *impact = &self->impact;
	figures baseline = side_figures(impact, &impact->baseline), resized = side_figures(impact, &impact->resized);
	hv_row template = { .scenario = self->options->spec->scenario,
			    .technique = self->technique->name,
			    .allocator = self->allocator->name,
			    .device = self->options->common.dma ? "dma" : "none",
			    .backing = self->backing->name,
			    .note = self->note[0] != '\0' ? self->note : NULL,
			    .quiet = true };
	side_emit(self, &template, "baseline", &impact->baseline);
	side_emit(self, &template, "resized", &impact->resized);
	resizes_emit(self, &template, HV_SHRINK);
	resizes_emit(self, &template, HV_GROW);
	template.phase = "resized";
	if (resized.worst_second > 0 && baseline.worst_second > 0)
		hv_session_figure(self->result, &template, "worst-second-ratio", "ratio",
				  resized.worst_second / baseline.worst_second);
	if (resized.p1 > 0 && baseline.p1 > 0)
		hv_session_figure(self->result, &template, "p1-ratio", "ratio", resized.p1 / baseline.p1);
	if (impact->baseline.work.n_values > 0 && impact->resized.work.n_values > 0)
		line_show(self, baseline, resized);
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
				    options->duration_s);
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
