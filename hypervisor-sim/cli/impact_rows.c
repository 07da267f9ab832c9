/* SPDX-License-Identifier: MIT
 *
 * Rows of a course of windows; see impact_rows.h. */
#define _GNU_SOURCE
#include "cli/impact_rows.h"
#include "cli/hv_session.h"
#include "result/rates.h"

#include <stdio.h>

const hv_impact_measure hv_impact_bandwidth = { .metric = "bandwidth",
						.unit = "GiB/s",
						.scale = 1.0 / (1 << 30),
						.per_second = true,
						.buffer_bytes = UINT64_C(64) << 20,
						.buffer_parts = 2 };
const hv_impact_measure hv_impact_work = {
	.metric = "work", .unit = "units", .scale = 1, .buffer_bytes = HV_HUGE_BYTES, .buffer_parts = 1
};

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

static figures side_figures(const hv_impact_course *course, const hv_impact_side *side)
{
	const hv_samples *single = &side->vcpu_work;
	return (figures){
		.worst_second = 100 * share_of(side->worst_second, median(&course->baseline.work)),
		.p1 = 100 * share_of(hv_quantile(single->values, single->n_values, 0.01),
				     median(&course->baseline.vcpu_work)),
	};
}

static double quantum_s(const hv_impact_rows *self)
{
	return (double)self->course->plan.quantum_ns / 1e9;
}

/* Work per quantum, in the unit of the series. */
static double in_unit(const hv_impact_rows *self, double work)
{
	const hv_impact_measure *measure = self->measure;
	return work * measure->scale / (measure->per_second ? quantum_s(self) : 1);
}

static void series_emit(const hv_impact_rows *self, const hv_row *like, const hv_impact_side *side)
{
	const hv_impact_measure *measure = self->measure;
	hv_samples values = { 0 };
	for (size_t at = 0; at < side->work.n_values; at++)
		if (hv_samples_add(&values, in_unit(self, side->work.values[at])) != HV_OK)
			break;
	hv_session_series(self->result, like, measure->metric, measure->unit, &values, quantum_s(self));
	hv_samples_clear(&values);
}

static void instants_emit(const hv_impact_rows *self, const hv_row *like, const char *metric, const char *unit,
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

static void side_emit(const hv_impact_rows *self, const hv_row *template, const char *phase, const hv_impact_side *side)
{
	hv_row like = *template;
	figures shares = side_figures(self->course, side);
	like.phase = phase;
	if (side->work.n_values == 0)
		return;
	hv_session_figure(self->result, &like, "worst-second", "%", shares.worst_second);
	hv_session_figure(self->result, &like, "p1", "%", shares.p1);
	series_emit(self, &like, side);
	instants_emit(self, &like, "window-begin", "s", &side->window_begin_s);
}

static void resizes_emit(const hv_impact_rows *self, const hv_row *template, hv_direction direction)
{
	const hv_impact_resizes *resizes = &self->course->resizes[direction];
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
	like.proof = direction == HV_SHRINK ? self->proof : NULL;
	hv_result_row(self->result, &like);
}

static void header_show(const hv_impact_rows *self)
{
	const hv_impact_measure *measure = self->measure;
	if (!*self->header_shown)
		hv_result_say(self->result,
			      "%-14s %-9s %9s  %-26s %-26s %7s %9s %9s\n%-14s %-9s %9s  %8s %8s %8s %8s %8s %8s  %7s "
			      "%9s %9s\n",
			      "technique", "backing", "median", "worst second, % of median", "1st percentile, %",
			      "resizes", "shrink", "grow", "", "", measure->unit, "baseline", "resized", "ratio",
			      "baseline", "resized", "ratio", "", "us/2MiB", "us/2MiB");
	*self->header_shown = true;
}

static void line_show(const hv_impact_rows *self, figures baseline, figures resized)
{
	const hv_impact_course *course = self->course;
	const hv_samples *shrink = &course->resizes[HV_SHRINK].ns_per_huge;
	const hv_samples *grow = &course->resizes[HV_GROW].ns_per_huge;
	char grown[32] = "-";
	header_show(self);
	if (grow->n_values > 0)
		snprintf(grown, sizeof(grown), "%.3g", hv_samples_summary(grow, false).median / 1000);
	hv_result_say(self->result, "%-14s %-9s %9.4g  %8.1f %8.1f %8.3f %8.1f %8.1f %8.3f  %7zu %9.3g %9s%s%s\n",
		      self->like.technique, self->like.backing, in_unit(self, median(&course->baseline.work)),
		      baseline.worst_second, resized.worst_second,
		      share_of(resized.worst_second, baseline.worst_second), baseline.p1, resized.p1,
		      share_of(resized.p1, baseline.p1),
		      course->resizes[HV_SHRINK].begin_s.n_values + course->resizes[HV_GROW].begin_s.n_values,
		      hv_samples_summary(shrink, false).median / 1000, grown, self->remark[0] != '\0' ? "  " : "",
		      self->remark);
}

void hv_impact_rows_emit(const hv_impact_rows *self)
{
	const hv_impact_course *course = self->course;
	figures baseline = side_figures(course, &course->baseline), resized = side_figures(course, &course->resized);
	hv_row template = self->like;
	template.quiet = true;
	side_emit(self, &template, "baseline", &course->baseline);
	side_emit(self, &template, "resized", &course->resized);
	resizes_emit(self, &template, HV_SHRINK);
	resizes_emit(self, &template, HV_GROW);
	template.phase = "resized";
	if (resized.worst_second > 0 && baseline.worst_second > 0)
		hv_session_figure(self->result, &template, "worst-second-ratio", "ratio",
				  resized.worst_second / baseline.worst_second);
	if (resized.p1 > 0 && baseline.p1 > 0)
		hv_session_figure(self->result, &template, "p1-ratio", "ratio", resized.p1 / baseline.p1);
	if (course->baseline.work.n_values > 0 && course->resized.work.n_values > 0)
		line_show(self, baseline, resized);
}
