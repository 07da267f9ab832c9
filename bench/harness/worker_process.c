/* SPDX-License-Identifier: MIT
 *
 * One allocator's rows under Google Benchmark. Google Benchmark calls a row's function several times to find the
 * number of iterations, and again for each repetition: the row stays open in between, so that a fill or a warm-up
 * happens once. It is closed when another row's turn comes. */
#include "bench_worker_process.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bench_clock.h"
#include "bench_team.h"
#include "gbench.h"

enum { CAS_OPS = 1000, CAS_EVERY_NS = 20 * 1000 * 1000, CALLGRIND_PASSES = 4 };

static bench_row *open_row;

static bool make_current(bench_row *row)
{
	if (open_row == row)
		return true;
	if (open_row)
		bench_row_close(open_row);
	open_row = row;
	if (bench_row_open(row))
		return true;
	bench_row_close(row);
	open_row = NULL;
	return false;
}

static void report_counters(bench_gb_state *state, bench_row *row)
{
	double cas_ns = 0;
	bool noisy = false;

	for (uint32_t i = 0; i < row->n_metrics; i++) {
		const bench_metric *metric = &row->metrics[i];

		bench_metric_report(metric, state);
		noisy |= bench_metric_is_noisy(metric);
		if (!strcmp(metric->name, "cas_ns"))
			cas_ns = bench_metric_median(metric);
	}
	if (noisy)
		bench_gb_counter(state, "noisy", 1);
	for (uint32_t i = 0; i < row->n_metrics && cas_ns > 0; i++) {
		static const char *const ratios[][2] = { { "get_ns", "get_x_cas" },
							 { "put_ns", "put_x_cas" },
							 { "pair_ns", "pair_x_cas" },
							 { "op_ns", "op_x_cas" } };

		for (size_t r = 0; r < sizeof(ratios) / sizeof(ratios[0]); r++) {
			if (!strcmp(row->metrics[i].name, ratios[r][0]))
				bench_gb_counter(state, ratios[r][1], bench_metric_median(&row->metrics[i]) / cas_ns);
		}
	}
	if (row->sampled) {
		for (uint32_t i = 0; i < 6; i++)
			bench_gb_counter(state, bench_percentile_names[i], row->percentiles[i]);
		bench_gb_counter(state, "timer_ns", bench_timer_ns());
	}
}

/* The unit of comparison, again every 20 ms: the machine's speed may change while a row runs. */
static void measure_cas(bench_row *row, uint64_t *last_ns)
{
	uint64_t now = bench_now_ns();

	if (*last_ns && now - *last_ns < CAS_EVERY_NS)
		return;
	*last_ns = now;
	bench_metric_add(row, "cas_ns", bench_cas_ns(CAS_OPS));
}

static void fail(bench_gb_state *state, bench_row *row)
{
	row->broken = true;
	bench_gb_fail(state, row->error[0] ? row->error : "failed");
	if (open_row == row)
		open_row = NULL;
	bench_row_close(row);
}

static void row_function(bench_gb_state *state, void *context)
{
	bench_row *row = context;
	uint64_t last_cas_ns = 0;

	/* Google Benchmark makes no statistics of repetitions when the first has failed, and crashes if another has
	 * not. */
	if (row->broken) {
		bench_gb_fail(state, "an earlier repetition failed");
		return;
	}
	if (!make_current(row)) {
		fail(state, row);
		return;
	}
	bench_row_reset(row);
	if (row->kind->sample_op && !row->sampled) {
		row->sampled = bench_sample_row(row);
		if (!row->sampled) {
			fail(state, row);
			return;
		}
	}
	measure_cas(row, &last_cas_ns);
	while (bench_gb_keep_running(state, row->pass_ops)) {
		if (!row->kind->pass(row)) {
			fail(state, row);
			return;
		}
		bench_gb_batch_time(state, row->pass_seconds);
		bench_gb_pause(state);
		measure_cas(row, &last_cas_ns);
		bench_gb_resume(state);
	}
	report_counters(state, row);
	if (row->kind->report)
		row->kind->report(row, state);
	if (row->kind->fresh) {
		open_row = NULL;
		bench_row_close(row);
	}
}

static bool name_is_plain(const char *name)
{
	size_t name_bytes = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");

	return name_bytes >= 1 && name_bytes <= 32 && !name[name_bytes];
}

const bench_peer_table *bench_peer_load(const char *path)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	const bench_peer_table *table;

	if (!object)
		bench_usage_error("--peer %s: %s", path, dlerror());
	table = dlsym(object, "bench_peer");
	if (!table)
		bench_usage_error("--peer %s: no symbol bench_peer (a bench_peer_table, see bench_peer.h)", path);
	if (table->abi != BENCH_PEER_ABI)
		bench_usage_error("--peer %s: table version %u, this program reads %d", path, table->abi,
				  BENCH_PEER_ABI);
	if (!table->name || !table->init || !table->get || !table->put || !table->exit)
		bench_usage_error("--peer %s: name, init, get, put and exit must be set", path);
	if (!name_is_plain(table->name))
		bench_usage_error("--peer %s: its name; allowed: 1 to 32 letters, digits, '-' and '_'", path);
	if (table->max_order > BENCH_MAX_ORDER)
		bench_usage_error("--peer %s: max_order %u; allowed: 0 to %d", path, table->max_order, BENCH_MAX_ORDER);
	return table;
}

const bench_allocator *bench_allocator_find(const bench_options *options, const char *name)
{
	for (size_t i = 0; i < bench_allocator_count; i++) {
		if (!strcmp(bench_allocators[i]->table.name, name))
			return bench_allocators[i];
	}
	for (uint32_t i = 0; i < options->peers.count; i++) {
		const bench_peer_table *table = bench_peer_load(options->peers.values[i]);

		if (!strcmp(table->name, name))
			return bench_allocator_of_table(table);
	}
	return NULL;
}

/* A malloc's rows are only its own if its library is really there. */
static bool library_present(const bench_allocator *allocator)
{
	return !allocator || !allocator->probe_symbol || dlsym(RTLD_DEFAULT, allocator->probe_symbol);
}

int bench_worker_main(const bench_options *options)
{
	const bench_allocator *allocator = NULL;
	bench_row_list list = { 0 };

	unsetenv("LD_PRELOAD"); /* for this process only */
	if (strcmp(options->worker, BENCH_MACHINE) != 0)
		allocator = bench_allocator_find(options, options->worker);
	if (!library_present(allocator)) {
		fprintf(stderr, "llfree-bench: %s: its library was not loaded\n", options->worker);
		return BENCH_EXIT_FAILED;
	}
	bench_rows_add(&list, options, allocator);
	for (size_t i = 0; i < list.count; i++) {
		bench_row *row = &list.rows[i];

		if (options->worker_row ? !strcmp(row->name, options->worker_row) : !row->kind->fresh)
			bench_gb_register(row->name, row->kind->once, row_function, row);
	}
	bench_gb_run(options->worker_fd);
	if (open_row)
		bench_row_close(open_row);
	bench_rows_free(&list);
	return 0;
}

static void print_counts(const bench_row *row)
{
	bench_op_counts sum = { 0 };

	for (uint32_t i = 0; i < row->threads; i++) {
		const bench_op_counts *counts = &bench_team_worker(row->team, i)->counts;

		sum.get += counts->get;
		sum.put += counts->put;
		sum.pair += counts->pair;
		sum.swap += counts->swap;
		sum.get_batch += counts->get_batch;
		sum.put_batch += counts->put_batch;
	}
	printf("get %llu\nput %llu\npair %llu\nswap %llu\nget_batch %llu\nput_batch %llu\n",
	       (unsigned long long)sum.get, (unsigned long long)sum.put, (unsigned long long)sum.pair,
	       (unsigned long long)sum.swap, (unsigned long long)sum.get_batch, (unsigned long long)sum.put_batch);
}

static bench_row *find_row(bench_row_list *list, const bench_options *options)
{
	bench_rows_add(list, options, NULL);
	for (size_t i = 0; i < bench_allocator_count; i++)
		bench_rows_add(list, options, bench_allocators[i]);
	for (size_t i = 0; i < list->count; i++) {
		if (!strcmp(list->rows[i].name, options->callgrind))
			return &list->rows[i];
	}
	return NULL;
}

int bench_callgrind_main(const bench_options *options)
{
	bench_row_list list = { 0 };
	bench_row *row = find_row(&list, options);
	bool ok;

	if (!row)
		bench_usage_error("--callgrind %s: no such row with these options; --list shows them",
				  options->callgrind);
	if (!library_present(row->allocator))
		bench_usage_error("--callgrind %s: preload the library of %s", options->callgrind, row->subject);
	ok = bench_row_open(row);
	for (int i = 0; i < CALLGRIND_PASSES && ok; i++)
		ok = row->kind->pass(row);
	if (ok)
		print_counts(row);
	else
		fprintf(stderr, "llfree-bench: %s: %s\n", row->name, row->error);
	bench_row_close(row);
	bench_rows_free(&list);
	return ok ? 0 : BENCH_EXIT_FAILED;
}
