/* SPDX-License-Identifier: MIT
 *
 * What bench_environment.h declares, as keys of Google Benchmark's context. */
#include "bench_environment.h"

#include <stdio.h>
#include <llfree/arena.h>
#include "bench_clock.h"
#include "bench_rows.h"
#include "gbench.h"
#include "measure.h"

static void add_number(const char *key, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	bench_gb_sink_context(key, text);
}

bool bench_built_with_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
	return true;
#endif
#endif
	return false;
}

static void add_facts(const measure_machine *machine)
{
	measure_fact facts[MEASURE_FACTS];
	char time_text[32], number[32];
	size_t n_facts = measure_facts(machine, time_text, facts);

	for (size_t i = 0; i < n_facts; i++) {
		snprintf(number, sizeof(number), "%.15g", facts[i].number);
		bench_gb_sink_context(facts[i].name, facts[i].text ? facts[i].text : number);
	}
}

/* Google Benchmark has no lists in its context: a key for each. */
static void add_warnings(const measure_machine *machine, const bench_options *options)
{
	measure_warning warnings[MEASURE_WARNINGS];
	char text[MEASURE_WARNINGS * MEASURE_DETAIL_BYTES];
	size_t n_warnings = measure_warnings(machine, bench_asks_numa(options), warnings);

	for (size_t i = 0; i < n_warnings; i++) {
		snprintf(text, sizeof(text), "warning_%s", warnings[i].name);
		bench_gb_sink_context(text, warnings[i].detail);
	}
	if (n_warnings)
		fprintf(stderr, "warnings: %s\n", measure_warnings_line(warnings, n_warnings, text, sizeof(text)));
}

void bench_environment_add(const bench_options *options)
{
	measure_machine machine;
	char text[64];

	measure_machine_read(&machine, "");
	add_facts(&machine);
	add_warnings(&machine, options);
	add_number("memory_bytes", options->memory_bytes);
	add_number("malloc_bytes", options->malloc_bytes);
	add_number("write_bytes", options->write_bytes);
	add_number("seed", options->seed);
	add_number("slots", options->slots);
	add_number("tune", options->tuning);
	bench_gb_sink_context("pin", options->pin ? "true" : "false");
	snprintf(text, sizeof(text), "%.2f", bench_cas_ns(10000));
	bench_gb_sink_context("cas_ns_at_start", text);
	snprintf(text, sizeof(text), "%.0f", bench_timer_ns());
	bench_gb_sink_context("timer_ns", text);
}
