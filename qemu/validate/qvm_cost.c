/* SPDX-License-Identifier: MIT
 *
 * The cost model; see qvm_cost.h. Errors count as ratios, since the figures span four orders of magnitude. What the
 * figures leave open (how dear a message is, when only one technique sends many) a prior decides: a guess with its
 * uncertainty, both in the table below. The fit is a pattern search in the logarithms of the costs: five dimensions,
 * smooth, no library worth its weight. */
#include "validate/qvm_cost.h"

#include <math.h>
#include <string.h>

const char *const qvm_event_names[QVM_EVENTS] = { "memory-calls", "own-work", "call", "message", "unmap" };
const char *const qvm_event_units[QVM_EVENTS] = { "ratio", "ratio", "ns", "ns", "ns" };

/* Before any figure is seen; spread: one standard deviation, as a factor. */
static const struct {
	double cost, spread;
} prior[QVM_EVENTS] = {
	[QVM_EVENT_MEMORY] = { 1, 3 },      /* the kernel of a server is as fast as this one's */
	[QVM_EVENT_WORK] = { 3, 3 },        /* a kernel's allocator does more than a simulated one */
	[QVM_EVENT_CALL] = { 1500, 3 },     /* MMU notifier: one exit of a vCPU, or a flush of the nested tables */
	[QVM_EVENT_MESSAGE] = { 10000, 3 }, /* exit, wake-up of a thread, interrupt */
	[QVM_EVENT_UNMAP] = { 10000, 5 },   /* unpinning of 512 frames, flush of the IOMMU */
};
/* How exactly a figure can be hit at all: one standard deviation, as a factor. */
#define FIGURE_SPREAD 1.5

double qvm_cost_sum(const double events[QVM_EVENTS], const double costs[QVM_EVENTS])
{
	double sum = 0;
	for (unsigned at = 0; at < QVM_EVENTS; at++)
		sum += events[at] * costs[at];
	return sum;
}

static double square(double value)
{
	return value * value;
}

static double misfit(const qvm_cost *self, const char *but, const double costs[QVM_EVENTS])
{
	double sum = 0;
	for (unsigned at = 0; at < QVM_EVENTS; at++)
		sum += square(log(costs[at] / prior[at].cost) / log(prior[at].spread));
	for (size_t at = 0; at < self->n_cases; at++) {
		const qvm_case *each = &self->cases[at];
		if (!each->known || (but != NULL && strcmp(each->published->technique, but) == 0))
			continue;
		double ratio = qvm_cost_sum(each->events, costs) / each->published->time_ns;
		sum += square(log(ratio) / log(FIGURE_SPREAD));
	}
	return sum;
}

void qvm_cost_fit(const qvm_cost *self, const char *but, double costs[QVM_EVENTS])
{
	for (unsigned at = 0; at < QVM_EVENTS; at++)
		costs[at] = prior[at].cost;
	double best = misfit(self, but, costs);
	for (double step = 2; step > 1.0001;) {
		bool better = false;
		for (unsigned at = 0; at < 2 * QVM_EVENTS; at++) {
			double before = costs[at / 2];
			costs[at / 2] = at % 2 == 0 ? before * step : before / step;
			double now = misfit(self, but, costs);
			better = better || now < best;
			if (now < best)
				best = now;
			else
				costs[at / 2] = before;
		}
		if (!better)
			step = sqrt(step);
	}
}

/* The median of a row in the first file that has the phase at all. */
typedef struct source {
	const qvm_figures *file;
	const char *technique, *phase;
	bool device;
} source;

static double median_of(const source *from, const char *metric)
{
	qvm_figure figure;
	return qvm_figures_find(from->file, from->technique, from->device, from->phase, metric, &figure) ? figure.median
													 : 0;
}

static bool source_find(source *self, const qvm_figures *files, size_t n_files)
{
	qvm_figure figure;
	for (size_t at = 0; at < n_files; at++) {
		self->file = &files[at];
		if (qvm_figures_find(self->file, self->technique, self->device, self->phase, "time", &figure) &&
		    qvm_figures_find(self->file, self->technique, self->device, self->phase, "host-time", &figure))
			return true;
	}
	return false;
}

static const double huge_per_gib = (double)(1u << 30) / HV_HUGE_BYTES;

/* QEMU advises the kernel of each frame that a balloon gives back (MADV_WILLNEED), which the simulation does not: as
 * many calls on absent memory as the shrink of untouched memory makes. */
static bool deflate_advises(const source *from)
{
	return strcmp(from->phase, "grow") == 0 &&
	       (strcmp(from->technique, "base-manual") == 0 || strcmp(from->technique, "huge-manual") == 0);
}

static void events_of(const source *from, double events[QVM_EVENTS])
{
	double time_ns = median_of(from, "time");
	events[QVM_EVENT_MEMORY] = median_of(from, "host-time");
	events[QVM_EVENT_WORK] = median_of(from, "guest-time");
	events[QVM_EVENT_CALL] = median_of(from, "discards") / huge_per_gib;
	events[QVM_EVENT_MESSAGE] = median_of(from, "messages") / huge_per_gib;
	events[QVM_EVENT_UNMAP] = median_of(from, "unmaps") / huge_per_gib;
	/* who sends no message does all of it himself */
	if (events[QVM_EVENT_MESSAGE] == 0 && time_ns > events[QVM_EVENT_MEMORY])
		events[QVM_EVENT_WORK] += time_ns - events[QVM_EVENT_MEMORY];
	source untouched = *from;
	untouched.phase = "shrink-untouched";
	if (deflate_advises(from)) {
		events[QVM_EVENT_MEMORY] += median_of(&untouched, "host-time");
		events[QVM_EVENT_CALL] += median_of(&untouched, "discards") / huge_per_gib;
	}
}

static size_t techniques_known(const qvm_cost *self)
{
	size_t n_techniques = 0;
	for (size_t at = 0; at < self->n_cases; at++) {
		bool is_new = self->cases[at].known;
		for (size_t before = 0; before < at; before++)
			is_new = is_new &&
				 !(self->cases[before].known && strcmp(self->cases[before].published->technique,
								       self->cases[at].published->technique) == 0);
		n_techniques += is_new;
	}
	return n_techniques;
}

bool qvm_cost_open(qvm_cost *self, const qvm_figures *files, size_t n_files)
{
	memset(self, 0, sizeof(*self));
	for (size_t at = 0; at < qvm_published_count && at < QVM_CASES_MAX; at++) {
		qvm_case *each = &self->cases[self->n_cases++];
		each->published = &qvm_published_figures[at];
		source from = { NULL, each->published->technique, each->published->phase, each->published->device };
		each->known = source_find(&from, files, n_files);
		if (each->known)
			events_of(&from, each->events);
		/* nothing that costs anything was seen: nothing to predict from */
		each->known = each->known && qvm_cost_sum(each->events, (double[QVM_EVENTS]){ 1, 1, 1, 1, 1 }) > 0;
		self->n_known += each->known;
	}
	if (techniques_known(self) < 2)
		return false;
	qvm_cost_fit(self, NULL, self->costs);
	for (size_t at = 0; at < self->n_cases; at++) {
		double costs[QVM_EVENTS];
		qvm_case *each = &self->cases[at];
		if (!each->known)
			continue;
		qvm_cost_fit(self, each->published->technique, costs);
		each->predicted_ns = qvm_cost_sum(each->events, costs);
		each->fitted_ns = qvm_cost_sum(each->events, self->costs);
	}
	return true;
}
