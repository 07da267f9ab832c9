/* SPDX-License-Identifier: MIT
 *
 * What a result has to say about where it comes from, in the same words in every program: facts about the machine, its
 * kernel and the build; warnings where they spoil figures; the median of samples with its confidence interval. Knows
 * the public headers of the library and nothing else of this project; keeps no state, prints nothing. */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEASURE_UNLIMITED    UINT64_MAX
#define MEASURE_THP_DISABLED "disabled for this process"

/** The machine at this moment. A text that the kernel does not tell is "absent". */
typedef struct measure_machine {
	char cpu[128], kernel[96];
	char governor[32], turbo[16]; /**< "mixed" when CPUs differ; "on", "off" */
	char thp[32], shmem_thp[32];  /**< the chosen words of the two switches; MEASURE_THP_DISABLED */
	char numa_balancing[16];      /**< "on", "off" */
	char virtual_by[32];          /**< the hypervisor, such as "KVM"; "none" */
	uint32_t cpus, cores, numa_nodes;
	uint64_t machine_bytes, memlock_bytes;
	double load;      /**< average of the last minute, runnable and waiting for a disk */
	double busy_cpus; /**< CPUs that worked for others just now, or that a hypervisor kept back */
} measure_machine;

/** Look at the machine. Takes 50 ms, to see how busy it is.
 *  @param root  "" for this machine; else a folder with a copy of /proc and /sys, for tests */
void measure_machine_read(measure_machine *machine, const char *root);

/** Whether this process may have no transparent huge pages at all, whatever the switches say (PR_SET_THP_DISABLE, which
 *  children inherit). */
bool measure_thp_disabled(void);

/** A fact under its name in a result: a text, or a number when text is NULL. */
typedef struct measure_fact {
	const char *name, *text;
	double number;
} measure_fact;

enum { MEASURE_FACTS = 21, MEASURE_WARNINGS = 9, MEASURE_DETAIL_BYTES = 120 };

/** All facts: machine, kernel, build, library, time. The texts live as long as the machine and the process; time is
 *  the caller's buffer for the text of the time.
 *  @return how many, at most MEASURE_FACTS */
size_t measure_facts(const measure_machine *machine, char time_text[32], measure_fact facts[MEASURE_FACTS]);

/** Something that spoils figures or changes what they mean. */
typedef struct measure_warning {
	const char *name; /**< one of docs/results.md */
	char detail[MEASURE_DETAIL_BYTES];
} measure_warning;

/** What is to be said of this machine and build.
 *  @param asks_numa  a figure depends on NUMA: one node is worth a warning then
 *  @return how many, at most MEASURE_WARNINGS */
size_t measure_warnings(const measure_machine *machine, bool asks_numa, measure_warning warnings[MEASURE_WARNINGS]);

/** All of them in one line, "name (detail), name (detail)"; cut off with dots. @return text */
const char *measure_warnings_line(const measure_warning *warnings, size_t n_warnings, char *text, size_t text_bytes);

/** The median and an interval that holds the median of what was sampled from, with this probability. */
typedef struct measure_summary {
	double median, low, high;
	double confidence; /**< 0..1; 0 for a single value */
} measure_summary;

/** Which of n sorted values are the ends of the interval (from 0), by order statistics: the narrowest symmetric pair
 *  that reaches 95%; the first and the last where no pair does, below 6 values. @return the confidence */
double measure_interval(size_t n_values, size_t *low_idx, size_t *high_idx);
/** Sorts the values. All zero when there is none. */
measure_summary measure_summarise(double *values, size_t n_values);
/** Is the interval wider than half of the median? Then the machine was noisy, or the figure is no single number. */
bool measure_spread(const measure_summary *summary);

#endif
