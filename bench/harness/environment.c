/* SPDX-License-Identifier: MIT
 *
 * What bench_environment.h declares, as keys of Google Benchmark's context. */
#include "bench_environment.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <llfree/arena.h>
#include "bench_clock.h"
#include "gbench.h"

static void add_number(const char *key, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	bench_gb_sink_context(key, text);
}

/* A file's first line that starts with prefix, what follows the colon if there is one. */
static void add_line_of(const char *key, const char *path, const char *prefix)
{
	char line[256];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');
		char *value = prefix[0] && colon ? colon + 1 : line;

		if (strncmp(line, prefix, strlen(prefix)) != 0)
			continue;
		value += strspn(value, " \t");
		value[strcspn(value, "\n")] = 0;
		bench_gb_sink_context(key, value);
		break;
	}
	if (file)
		fclose(file);
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

void bench_environment_add(const bench_options *options)
{
	struct utsname host;
	char text[64];

	if (!uname(&host))
		bench_gb_sink_context("kernel", host.release);
	add_line_of("cpu", "/proc/cpuinfo", "model name");
	add_line_of("thp", "/sys/kernel/mm/transparent_hugepage/enabled", "");
	bench_gb_sink_context("llfree_version", llfree_version());
	bench_gb_sink_context("compiler", BENCH_COMPILER);
	bench_gb_sink_context("build", BENCH_BUILD);
	bench_gb_sink_context("commit", BENCH_COMMIT);
	add_number("tree_huge", llfree_tree_huge());
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
