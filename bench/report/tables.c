/* SPDX-License-Identifier: MIT
 *
 * The tables that a terminal shows. Rows are found by their names: case/subject/order:O/threads:T[/variant]. */
#include "bench_report.h"

#include <stdio.h>
#include <string.h>
#include "bench_case.h"

enum { MAX_SUBJECTS = 64, SUBJECT_BYTES = 40, FRAG_SUMMARY_STEP = 10 };

/* --- latency ------------------------------------------------------------------------------------------------------ */

typedef struct subjects {
	char names[MAX_SUBJECTS][SUBJECT_BYTES];
	size_t count;
} subjects;

/* The parts of the rows' names between the first and second slash. */
static void collect_subjects(const bench_report *report, subjects *found)
{
	found->count = 0;
	for (size_t i = 0; i < bench_report_rows(report); i++) {
		const char *begin = strchr(bench_report_row(report, i), '/');
		char subject[SUBJECT_BYTES];
		bool known = false;

		snprintf(subject, sizeof(subject), "%.*s", begin ? (int)strcspn(begin + 1, "/") : 0,
			 begin ? begin + 1 : "");
		for (size_t s = 0; s < found->count; s++)
			known |= !strcmp(found->names[s], subject);
		if (!known && found->count < MAX_SUBJECTS)
			memcpy(found->names[found->count++], subject, sizeof(subject));
	}
}

/* @return the exchange's ns of this row, negative if the row is not there */
static double print_cell(const bench_report *report, const char *subject, uint32_t order, uint32_t threads,
			 const char *const column[3])
{
	char row[BENCH_NAME_BYTES];
	double ns;

	snprintf(row, sizeof(row), "%s/%s/order:%u/threads:%u", column[0], subject, order, threads);
	ns = bench_report_value(report, row, column[1]);
	if (ns < 0)
		printf(" %15s", "-");
	else
		printf(" %7.1f %6.1fx", ns, bench_report_value(report, row, column[2]));
	return bench_report_value(report, row, "cas_ns");
}

static void print_latency_block(const bench_report *report, const subjects *found, uint32_t order, uint32_t threads)
{
	static const char *const columns[4][3] = { { "bulk", "get_ns", "get_x_cas" },
						   { "bulk", "put_ns", "put_x_cas" },
						   { "repeat", "pair_ns", "pair_x_cas" },
						   { "rand", "pair_ns", "pair_x_cas" } };

	printf("order %2u, %2u thread%-2s %15s %15s %15s %15s %9s\n", order, threads, threads == 1 ? "" : "s",
	       "bulk get", "bulk put", "repeat pair", "rand pair", "exchange");
	for (size_t s = 0; s < found->count; s++) {
		double cas_ns = -1;

		printf("  %-19s", found->names[s]);
		for (size_t c = 0; c < 4; c++) {
			double here = print_cell(report, found->names[s], order, threads, columns[c]);
			cas_ns = here > 0 ? here : cas_ns;
		}
		printf(" %9.1f\n", cas_ns);
	}
}

static void print_latency(const bench_report *report, const bench_options *options)
{
	subjects found;

	collect_subjects(report, &found);
	printf("Allocation latency over %.1f GiB: ns per operation, and as a multiple of one uncontended "
	       "compare-exchange\n"
	       "(bulk: half of the memory, in order; repeat, rand: put and get together; the mallocs keep freed "
	       "memory;\n"
	       "mimalloc, tcmalloc and glibc have %.1f GiB, because they write into it)\n\n",
	       (double)options->memory_bytes / (1 << 30), (double)options->malloc_bytes / (1 << 30));
	for (uint32_t o = 0; o < options->orders.count; o++) {
		for (uint32_t t = 0; t < options->threads.count; t++)
			print_latency_block(report, &found, options->orders.values[o], options->threads.values[t]);
	}
}

/* --- write -------------------------------------------------------------------------------------------------------- */

static void print_write(const bench_report *report, const bench_options *options)
{
	static const char *const columns[] = { "map_us_mib", "get_us_mib", "touch_us_mib", "free_us_mib" };

	printf("Write throughput over %.2f GiB: us per MiB to map, get, touch and free, and GiB/s of all four "
	       "together;\n"
	       "again: the same once more, on memory that the allocator may have kept\n\n",
	       (double)options->write_bytes / (1 << 30));
	printf("  %-34s %8s %8s %8s %8s %8s %8s\n", "", "map", "get", "touch", "free", "GiB/s", "again");
	for (size_t i = 0; i < bench_report_rows(report); i++) {
		const char *row = bench_report_row(report, i);

		if (strncmp(row, "write/", 6) != 0)
			continue;
		printf("  %-34s", row + 6);
		for (size_t c = 0; c < 4; c++)
			printf(" %8.2f", bench_report_value(report, row, columns[c]));
		printf(" %8.2f %8.2f\n", bench_report_value(report, row, "gib_s"),
		       bench_report_value(report, row, "again_gib_s"));
	}
}

/* --- frag --------------------------------------------------------------------------------------------------------- */

static bool is_curve(const char *row)
{
	return strncmp(row, "frag/", 5) == 0;
}

static bool print_frag_header(const bench_report *report, const bench_options *options)
{
	bool any = false;

	for (size_t i = 0; i < bench_report_rows(report); i++)
		any |= is_curve(bench_report_row(report, i));
	if (!any)
		return false;
	printf("Fragmentation over %.1f GiB: free huge frames in %% of those that the free memory could make; half of "
	       "it is\n"
	       "freed at random, each round puts and gets 10%% of the rest at random; by allocator and number of "
	       "slots\n\n"
	       "  round",
	       (double)options->memory_bytes / (1 << 30));
	for (size_t i = 0; i < bench_report_rows(report); i++) {
		const char *row = bench_report_row(report, i);
		const char *slots = strstr(row, "/slots:");
		char label[48];

		if (!is_curve(row))
			continue;
		snprintf(label, sizeof(label), "%.*s%s%s", (int)strcspn(row + 5, "/"), row + 5, slots ? "/" : "",
			 slots ? slots + 7 : "");
		printf(" %15s", label);
	}
	putchar('\n');
	return true;
}

static void print_frag(const bench_report *report, const bench_options *options)
{
	uint32_t step = options->summary == BENCH_SUMMARY_FRAG ? FRAG_SUMMARY_STEP : 1;

	if (!print_frag_header(report, options))
		return;
	for (uint32_t round = 0; round <= options->rounds; round += step) {
		printf("  %5u", round);
		for (size_t i = 0; i < bench_report_rows(report); i++) {
			char point[24];

			snprintf(point, sizeof(point), "round_%03u", round);
			if (is_curve(bench_report_row(report, i)))
				printf(" %15.1f", bench_report_value(report, bench_report_row(report, i), point));
		}
		putchar('\n');
	}
}

void bench_report_print(const bench_report *report, const bench_options *options)
{
	if (!report)
		return;
	switch (options->summary) {
	case BENCH_SUMMARY_LATENCY:
		print_latency(report, options);
		break;
	case BENCH_SUMMARY_WRITE:
		print_write(report, options);
		break;
	case BENCH_SUMMARY_FRAG:
	case BENCH_NO_SUMMARY:
		print_frag(report, options);
		break;
	}
	fflush(stdout);
}
