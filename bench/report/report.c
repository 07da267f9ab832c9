/* SPDX-License-Identifier: MIT
 *
 * The memory of a run: rows and their counters, found again by the rows' names. */
#include "bench_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench_case.h"

enum { MAX_COUNTERS = 1100 };

typedef struct entry {
	char name[BENCH_NAME_BYTES];
	bool is_median;
	size_t n_counters;
	struct entry_counter {
		char name[24];
		double value;
	} * counters;
} entry;

struct bench_report {
	entry *entries;
	size_t n_entries, capacity;
};

bench_report *bench_report_new(void)
{
	return calloc(1, sizeof(bench_report));
}

void bench_report_free(bench_report *report)
{
	for (size_t i = 0; report && i < report->n_entries; i++)
		free(report->entries[i].counters);
	if (report)
		free(report->entries);
	free(report);
}

static entry *entry_of(bench_report *report, const char *name)
{
	for (size_t i = 0; i < report->n_entries; i++) {
		if (!strcmp(report->entries[i].name, name))
			return &report->entries[i];
	}
	if (report->n_entries == report->capacity) {
		size_t capacity = report->capacity ? 2 * report->capacity : 64;
		entry *grown = realloc(report->entries, capacity * sizeof(*grown));

		if (!grown)
			return NULL;
		report->entries = grown;
		report->capacity = capacity;
	}
	report->entries[report->n_entries] = (entry){ 0 };
	snprintf(report->entries[report->n_entries].name, BENCH_NAME_BYTES, "%s", name);
	return &report->entries[report->n_entries++];
}

void bench_report_add(bench_report *report, const bench_gb_run_info *run)
{
	bool is_median = !strcmp(run->aggregate, "median");
	entry *target;

	if (!report || run->error || (run->aggregate[0] && !is_median) || run->n_counters > MAX_COUNTERS)
		return;
	target = entry_of(report, run->name);
	if (!target || (target->is_median && !is_median))
		return;
	free(target->counters);
	target->is_median = is_median;
	target->n_counters = 0;
	target->counters = calloc(run->n_counters + 1, sizeof(*target->counters));
	for (size_t i = 0; target->counters && i < run->n_counters; i++) {
		struct entry_counter *counter = &target->counters[target->n_counters++];

		snprintf(counter->name, sizeof(counter->name), "%s", run->counters[i].name);
		counter->value = run->counters[i].value;
	}
}

double bench_report_value(const bench_report *report, const char *row, const char *counter)
{
	for (size_t i = 0; i < report->n_entries; i++) {
		const entry *candidate = &report->entries[i];

		for (size_t c = 0; c < candidate->n_counters && !strcmp(candidate->name, row); c++) {
			if (!strcmp(candidate->counters[c].name, counter))
				return candidate->counters[c].value;
		}
	}
	return -1;
}

size_t bench_report_rows(const bench_report *report)
{
	return report->n_entries;
}

const char *bench_report_row(const bench_report *report, size_t idx)
{
	return report->entries[idx].name;
}
