/* SPDX-License-Identifier: MIT
 *
 * The table of rows: every case x allocator (or subject) x order x threads x variant that the options select. */
#include "bench_rows.h"

#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench_clock.h"
#include "bench_team.h"

static int compare_cases(const void *left, const void *right)
{
	const bench_case *a = *(const bench_case *const *)left, *b = *(const bench_case *const *)right;

	return (a->rank > b->rank) - (a->rank < b->rank);
}

static int compare_allocators(const void *left, const void *right)
{
	const bench_allocator *a = *(const bench_allocator *const *)left, *b = *(const bench_allocator *const *)right;

	return (a->rank > b->rank) - (a->rank < b->rank);
}

void bench_registry_sort(void)
{
	qsort(bench_cases, bench_case_count, sizeof(bench_cases[0]), compare_cases);
	qsort(bench_allocators, bench_allocator_count, sizeof(bench_allocators[0]), compare_allocators);
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t bench_row_frames(const bench_row *row)
{
	if (row->kind->frames)
		return row->kind->frames(row);
	if (row->allocator && row->allocator->writes_blocks)
		return row->options->malloc_bytes >> LLFREE_FRAME_SHIFT;
	return bench_options_frames(row->options);
}

uint32_t bench_row_slots(const bench_row *row)
{
	if (row->kind->slots_from_variant)
		return (uint32_t)row->variant.value;
	if (row->options->slots)
		return row->options->slots;
	return (uint32_t)max_u64(row->threads, llfree_machine_cpus());
}

uint64_t bench_half_of_memory(const bench_row *row)
{
	return bench_row_frames(row) / 2 / row->threads >> row->order;
}

static bool selected(const bench_options *options, const char *name)
{
	static regex_t regex;
	static const char *compiled;
	const char *pattern = options->filter;
	bool exclude;

	if (!pattern || !*pattern || !strcmp(pattern, "all"))
		return true;
	exclude = pattern[0] == '-';
	if (compiled != pattern) {
		if (regcomp(&regex, pattern + exclude, REG_EXTENDED | REG_NOSUB))
			bench_usage_error("--benchmark_filter=%s is not a regular expression", pattern);
		compiled = pattern; /* options live as long as the process */
	}
	return (regexec(&regex, name, 0, NULL, 0) == 0) != exclude;
}

static void list_add(bench_row_list *list, const bench_row *row)
{
	if (!selected(row->options, row->name))
		return;
	if (list->count == list->capacity) {
		list->capacity = list->capacity ? 2 * list->capacity : 64;
		list->rows = realloc(list->rows, list->capacity * sizeof(*row));
		if (!list->rows)
			abort(); /* a few kilobytes at start-up */
	}
	list->rows[list->count++] = *row;
}

static void add_variants(bench_row_list *list, bench_row *row)
{
	bench_variant variants[BENCH_MAX_VARIANTS] = { { "", 0 } };
	uint32_t n_variants = 1;

	if (row->kind->variants && row->allocator)
		n_variants = row->kind->variants(row->options, variants);
	for (uint32_t i = 0; i < n_variants; i++) {
		row->variant = variants[i];
		if (snprintf(row->name, sizeof(row->name), "%s/%s/order:%u/threads:%u%s%s", row->kind->name,
			     row->subject, row->order, row->threads, variants[i].suffix[0] ? "/" : "",
			     variants[i].suffix) >= (int)sizeof(row->name))
			bench_usage_error("the name of a row of %s is too long", row->kind->name);
		if (!row->kind->blocks || row->kind->blocks(row) > 0)
			list_add(list, row);
	}
}

static bool order_applies(const bench_row *row, uint32_t order)
{
	const bench_case *kind = row->kind;

	if (!row->allocator)
		return order == 0;
	return order <= row->allocator->table.max_order && (order == 0 || !kind->order0_only) &&
	       (!kind->applies || kind->applies(row->options, row->allocator, order));
}

static void add_orders(bench_row_list *list, bench_row *row)
{
	const bench_options *options = row->options;
	bool single_order = !row->allocator || row->kind->order0_only; /* asked for or not: there is no other */
	uint32_t n_orders = single_order ? 1 : options->orders.count;

	for (uint32_t o = 0; o < n_orders; o++) {
		row->order = single_order ? 0 : options->orders.values[o];
		if (!order_applies(row, row->order))
			continue;
		for (uint32_t t = 0; t < (row->kind->one_thread ? 1 : options->threads.count); t++) {
			row->threads = row->kind->one_thread ? 1 : options->threads.values[t];
			if (row->threads >= row->kind->min_threads)
				add_variants(list, row);
		}
	}
}

static bool case_fits(const bench_case *kind, const bench_allocator *allocator)
{
	const bench_peer_table *table = &allocator->table;

	if (kind->subjects_only || (kind->frames_known && !table->frames_known))
		return false;
	return !(kind->needs_batch && !allocator->loops.get_batch) && !(kind->backed && !table->address);
}

void bench_rows_add(bench_row_list *list, const bench_options *options, const bench_allocator *allocator)
{
	for (size_t c = 0; c < bench_case_count; c++) {
		bench_row row = { .kind = bench_cases[c], .options = options, .allocator = allocator };

		if (options->cases.count && !bench_names_contain(&options->cases, row.kind->name))
			continue;
		if (allocator && case_fits(row.kind, allocator)) {
			row.subject = allocator->table.name;
			add_orders(list, &row);
		}
		for (size_t s = 0; !allocator && row.kind->subjects && row.kind->subjects[s]; s++) {
			row.subject = row.kind->subjects[s];
			add_orders(list, &row);
		}
	}
}

bool bench_asks_numa(const bench_options *options)
{
	for (size_t c = 0; c < bench_case_count; c++) {
		if (bench_cases[c]->asks_numa &&
		    (!options->cases.count || bench_names_contain(&options->cases, bench_cases[c]->name)))
			return true;
	}
	return false;
}

void bench_rows_free(bench_row_list *list)
{
	free(list->rows);
	*list = (bench_row_list){ 0 };
}

bool bench_row_fail(bench_row *row, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (!row->error[0])
		vsnprintf(row->error, sizeof(row->error), format, arguments);
	va_end(arguments);
	return false;
}

static bool open_allocator(bench_row *row)
{
	bench_peer_config config = { .frames = bench_row_frames(row),
				     .cpus = bench_row_slots(row),
				     .threads = row->threads,
				     .tuning = row->options->tuning,
				     .shared = row->kind->shared };
	uint64_t start_ns;

	if (!row->allocator)
		return true;
	config.backed = row->kind->backed || (row->kind->backed_if_possible && row->allocator->table.address != NULL);
	start_ns = bench_now_ns();
	row->state = row->allocator->table.init(&config);
	row->init_seconds = (double)(bench_now_ns() - start_ns) * 1e-9;
	return row->state ||
	       bench_row_fail(row, "%s: init failed for %llu frames", row->subject, (unsigned long long)config.frames);
}

bool bench_row_open(bench_row *row)
{
	const bench_case *kind = row->kind;
	uint64_t n_blocks = kind->blocks ? kind->blocks(row) : 0;

	row->opened = true;
	row->sampled = false;
	row->pass_ops = n_blocks;
	row->metrics = bench_map(BENCH_MAX_METRICS * sizeof(bench_metric));
	if (!row->metrics)
		return bench_row_fail(row, "out of memory");
	return open_allocator(row) && bench_team_open(row, n_blocks) && (!kind->setup || kind->setup(row));
}

void bench_row_close(bench_row *row)
{
	if (!row->opened)
		return;
	if (row->kind->teardown)
		row->kind->teardown(row);
	if (row->team)
		bench_team_close(row->team);
	if (row->state)
		row->allocator->table.exit(row->state);
	bench_unmap(row->metrics, BENCH_MAX_METRICS * sizeof(bench_metric));
	row->team = NULL;
	row->state = NULL;
	row->extra = NULL;
	row->metrics = NULL;
	row->n_metrics = 0;
	row->opened = false;
}

void bench_row_reset(bench_row *row)
{
	row->n_metrics = 0;
	row->error[0] = 0;
}

void bench_metric_add(bench_row *row, const char *name, double value)
{
	bench_metric *metric = row->metrics;

	while (metric < row->metrics + row->n_metrics && strcmp(metric->name, name) != 0)
		metric++;
	if (metric == row->metrics + BENCH_MAX_METRICS)
		return; /* more counters than a row can show */
	if (metric == row->metrics + row->n_metrics) {
		row->n_metrics++;
		metric->count = 0;
		snprintf(metric->name, sizeof(metric->name), "%s", name);
	}
	if (metric->count == 0)
		metric->first = value;
	metric->values[metric->count++ % BENCH_MAX_SAMPLES] = value;
}
