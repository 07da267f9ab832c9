/* SPDX-License-Identifier: MIT
 *
 * Values of options: numbers, sizes and lists, checked. Every refusal says what is allowed. */
#include "bench_option_values.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <llfree/types.h>

enum { GIB_SHIFT = 30, LEAST_MEMORY = 4 << 20 };

void bench_usage_error(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fputs("llfree-bench: ", stderr);
	vfprintf(stderr, format, arguments);
	fputs("\n", stderr);
	va_end(arguments);
	exit(BENCH_EXIT_USAGE);
}

uint64_t bench_machine_memory_bytes(void)
{
	return (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t bench_parse_number(const char *option, const char *text, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || end == text || *end || text[0] == '-' || value < least || value > most)
		bench_usage_error("--%s %s; allowed: %llu to %llu", option, text, (unsigned long long)least,
				  (unsigned long long)most);
	return value;
}

uint64_t bench_parse_size(const char *option, const char *text)
{
	static const char units[] = "KMGT";
	uint64_t most = bench_machine_memory_bytes();
	char *end;
	double value = strtod(text, &end);
	const char *unit = *end ? strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end) : NULL;
	uint64_t bytes;

	if (end == text || (*end && (!unit || (end[1] && strcmp(end + 1, "iB") != 0 && strcmp(end + 1, "B") != 0))) ||
	    !(value > 0) || value > 1e15)
		bench_usage_error("--%s %s; allowed: a number with K, M, G or T, such as 512M or 8G", option, text);
	bytes = unit ? (uint64_t)(value * (double)(UINT64_C(1024) << (10 * (unit - units)))) : (uint64_t)value;
	if (bytes < LEAST_MEMORY || bytes > most)
		bench_usage_error("--%s %s; allowed: 4M to %.1fG, the memory of this machine", option, text,
				  (double)most / (1 << GIB_SHIFT));
	return bytes >> LLFREE_FRAME_SHIFT << LLFREE_FRAME_SHIFT;
}

void bench_numbers_add(bench_numbers *numbers, const char *option, uint32_t value)
{
	for (uint32_t i = 0; i < numbers->count; i++) {
		if (numbers->values[i] == value)
			return;
	}
	if (numbers->count == BENCH_MAX_LIST)
		bench_usage_error("--%s: at most %d values", option, BENCH_MAX_LIST);
	numbers->values[numbers->count++] = value;
}

/* "1,2,8-10" */
void bench_parse_numbers(bench_numbers *numbers, const char *option, const char *text, uint32_t least, uint32_t most)
{
	char *copy = strdup(text), *rest = copy, *item;

	numbers->count = 0;
	while (copy && (item = strsep(&rest, ","))) {
		char *dash = strchr(item, '-');
		uint32_t first, last;

		if (dash && dash != item)
			*dash = 0;
		first = (uint32_t)bench_parse_number(option, item, least, most);
		last = dash && dash != item ? (uint32_t)bench_parse_number(option, dash + 1, first, most) : first;
		for (uint32_t value = first; value <= last; value++)
			bench_numbers_add(numbers, option, value);
	}
	free(copy);
}

void bench_parse_names(bench_names *names, const char *option, const char *text)
{
	char *rest = strdup(text), *item;

	names->count = 0;
	while (rest && (item = strsep(&rest, ","))) {
		if (names->count == BENCH_MAX_LIST)
			bench_usage_error("--%s: at most %d names", option, BENCH_MAX_LIST);
		names->values[names->count++] = item;
	}
}

/* Remember which orders there are, for the rows' names. */
static void mix_finish(bench_mix *mix)
{
	mix->orders[0] = 0;
	for (uint32_t order = 0; order <= BENCH_MAX_ORDER; order++) {
		size_t used = strlen(mix->orders);

		if (!mix->weights[order])
			continue;
		mix->max_order = order;
		snprintf(mix->orders + used, sizeof(mix->orders) - used, "%s%u", used ? "," : "", order);
	}
}

void bench_parse_mix(bench_mix *mix, const char *option, const char *text)
{
	char *copy = strdup(text), *rest = copy, *item;

	*mix = (bench_mix){ 0 };
	while (copy && (item = strsep(&rest, ","))) {
		char *colon = strchr(item, ':'), whole[64];
		uint64_t order;

		if (!colon)
			bench_usage_error("--%s %s; allowed: ORDER:WEIGHT,..., such as 0:70,1:10,3:10,9:10", option,
					  text);
		*colon = 0;
		snprintf(whole, sizeof(whole), "%s: order", option);
		order = bench_parse_number(whole, item, 0, BENCH_MAX_ORDER);
		snprintf(whole, sizeof(whole), "%s: weight", option);
		mix->weights[order] = (uint32_t)bench_parse_number(whole, colon + 1, 1, 1000000);
	}
	free(copy);
	mix_finish(mix);
}

bench_summary bench_parse_summary(const char *text)
{
	if (!text || !strcmp(text, "latency"))
		return BENCH_SUMMARY_LATENCY;
	if (!strcmp(text, "write"))
		return BENCH_SUMMARY_WRITE;
	if (!strcmp(text, "frag"))
		return BENCH_SUMMARY_FRAG;
	bench_usage_error("--summary=%s; allowed: latency, write, frag", text);
}

uint32_t bench_parse_costs(const char *option, const char *text, double *values, uint32_t count)
{
	const char *at = text;

	for (uint32_t i = 0; i < count; i++) {
		char *end;

		values[i] = strtod(at, &end);
		if (end == at || !(values[i] > 0) || values[i] > 1e6 || *end != (i + 1 < count ? ',' : 0))
			bench_usage_error("--%s %s; allowed: %u numbers of nanoseconds, such as 5.7,217,400", option,
					  text, count);
		at = end + 1;
	}
	return count;
}
