/* SPDX-License-Identifier: MIT
 *
 * The counters of a row that its passes give: the median, and for the file its interval, the first value apart, and the
 * values themselves. */
#include <stdio.h>
#include <string.h>
#include "bench_rows.h"
#include "gbench.h"
#include "measure.h"

enum { NAME_BYTES = 64, PASSES_SHOWN = 32, NOISY_FROM = 6 /* values: fewer have no interval of 95% */ };

static uint32_t values_kept(const bench_metric *metric)
{
	return metric->count < BENCH_MAX_SAMPLES ? metric->count : BENCH_MAX_SAMPLES;
}

static measure_summary summary_of(const bench_metric *metric)
{
	double sorted[BENCH_MAX_SAMPLES];

	memcpy(sorted, metric->values, values_kept(metric) * sizeof(sorted[0]));
	return measure_summarise(sorted, values_kept(metric));
}

double bench_metric_median(const bench_metric *metric)
{
	return summary_of(metric).median;
}

static void counter_add(bench_gb_state *state, const bench_metric *metric, const char *suffix, double value)
{
	char name[NAME_BYTES];

	snprintf(name, sizeof(name), "%s_%s", metric->name, suffix);
	bench_gb_counter(state, name, value);
}

/* The newest values, oldest of them first. */
static void add_passes(bench_gb_state *state, const bench_metric *metric)
{
	uint32_t n_shown = metric->count < PASSES_SHOWN ? metric->count : PASSES_SHOWN;
	char suffix[sizeof("pass_4294967295")];

	for (uint32_t i = 0; i < n_shown; i++) {
		snprintf(suffix, sizeof(suffix), "pass_%03u", i);
		counter_add(state, metric, suffix, metric->values[(metric->count - n_shown + i) % BENCH_MAX_SAMPLES]);
	}
}

void bench_metric_report(const bench_metric *metric, bench_gb_state *state)
{
	measure_summary summary = summary_of(metric);

	bench_gb_counter(state, metric->name, summary.median);
	counter_add(state, metric, "samples", metric->count);
	counter_add(state, metric, "first", metric->first);
	if (metric->count > 1) {
		counter_add(state, metric, "low", summary.low);
		counter_add(state, metric, "high", summary.high);
		counter_add(state, metric, "confidence", summary.confidence);
		add_passes(state, metric);
	}
}

bool bench_metric_is_noisy(const bench_metric *metric)
{
	measure_summary summary = summary_of(metric);

	return metric->count >= NOISY_FROM && measure_spread(&summary);
}
