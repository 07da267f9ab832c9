/* SPDX-License-Identifier: MIT
 *
 * Two sets of results, row by row: the ratio of medians, and whether the difference is beyond noise. docs/report.md has
 * the rule and its reasons. */
#ifndef REP_COMPARE_H
#define REP_COMPARE_H

#include "rep_html.h"
#include "rep_set.h"

typedef enum rep_verdict { REP_SAME, REP_LESS, REP_MORE, REP_TOO_FEW } rep_verdict;

typedef struct rep_pair {
	const char *key;
	const char *unit;
	int better; /**< +1: more is better, -1: less is, 0: neither */
	double *left, *right;
	size_t n_left, n_right;
	size_t n_left_runs, n_right_runs; /**< files */
	bool by_run;                      /**< the samples are medians of runs */
	rep_value left_median, right_median;
	double ratio, p; /**< p corrected for all rows */
	bool apart;      /**< each median lies outside of the other's interval */
	rep_verdict verdict;
} rep_pair;

typedef struct rep_comparison {
	rep_pair *pairs;
	size_t n_pairs, capacity;
	size_t n_only_left, n_only_right;
	size_t n_verdicts[4];
	bool busy;    /**< a run found its machine busy: rows may drift by any amount */
	double floor; /**< smaller changes count as noise: a ratio, such as 1.05 */
} rep_comparison;

rep_comparison rep_compare(rep_set *left, rep_set *right);
/** On the terminal: one line a row, then the sum. */
void rep_compare_print(const rep_comparison *comparison);
void rep_compare_html(const rep_comparison *comparison, rep_text *html);
/** "7 of 20 rows differ beyond noise ..." */
const char *rep_compare_sentence(const rep_comparison *comparison);

#endif
