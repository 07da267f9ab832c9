/* SPDX-License-Identifier: MIT
 *
 * Values of options. All of these exit with BENCH_EXIT_USAGE and a message when the text is not a value. */
#ifndef BENCH_OPTION_VALUES_H
#define BENCH_OPTION_VALUES_H

#include "bench_options.h"

uint64_t bench_parse_number(const char *option, const char *text, uint64_t least, uint64_t most);
/** 4M to the memory of the machine, in whole frames. */
uint64_t bench_parse_size(const char *option, const char *text);
/** "1,2,8-10". */
void bench_parse_numbers(bench_numbers *numbers, const char *option, const char *text, uint32_t least, uint32_t most);
/** Add unless it is there. */
void bench_numbers_add(bench_numbers *numbers, const char *option, uint32_t value);
/** "a,b": pointers into a copy that lives as long as the process. */
void bench_parse_names(bench_names *names, const char *option, const char *text);
/** "0:70,1:10,9:20": order:weight. */
void bench_parse_mix(bench_mix *mix, const char *option, const char *text);
/** "5.7,217,400": exactly count numbers above 0. @return count */
uint32_t bench_parse_costs(const char *option, const char *text, double *values, uint32_t count);
/** NULL means latency. */
bench_summary bench_parse_summary(const char *text);

#endif
