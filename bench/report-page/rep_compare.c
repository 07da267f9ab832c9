/* SPDX-License-Identifier: MIT
 *
 * Comparing results; see rep_compare.h. */
#include "rep_compare.h"

#include "rep_stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEVEL            0.05
#define FLOOR_LEAST      0.03
#define FLOOR_MOST       0.12
#define FLOOR_FEW_ROWS   0.05
#define MAD_TO_DEVIATION 1.4826
enum { RUNS_ENOUGH = 4, ROWS_FOR_FLOOR = 8 };

/* What a reader compares: not the clock, the machine's exchange, multiples of it, single rounds, or ratios of rows. */
static bool is_compared(const rep_row *row)
{
	static const char *const left_out[] = { "cas_ns",  "timer_ns",  "cpu_time", "real_time",      "max",
						"p90",     "p99.9",     "p99.99",   "pareto-optimal", "ratio",
						"get-max", "get-p99.99" };
	static const char *const starts[] = { "round_", "map_", "touch_", "get_us", "free_us" };
	if (row->interval_s > 0 || row->file->is_published || strstr(row->metric, "_x_cas") != NULL)
		return false;
	for (size_t at = 0; at < sizeof(left_out) / sizeof(left_out[0]); at++)
		if (strcmp(row->metric, left_out[at]) == 0)
			return false;
	for (size_t at = 0; at < sizeof(starts) / sizeof(starts[0]); at++)
		if (strncmp(row->metric, starts[at], strlen(starts[at])) == 0)
			return false;
	return true;
}

static const char *key_of(const rep_row *row)
{
	const char *parts[] = { row->scenario, row->who,   row->allocator, row->device,
				row->backing,  row->phase, row->variant };
	rep_text key = { 0 };
	for (size_t at = 0; at < sizeof(parts) / sizeof(parts[0]); at++)
		if (parts[at] != NULL)
			rep_text_add(&key, "%s%s", key.n_bytes > 0 ? "/" : "", parts[at]);
	if (row->file->is_bench)
		rep_text_add(&key, "/order:%u/threads:%u", row->order, row->threads);
	rep_text_add(&key, " %s", row->metric);
	const char *kept = rep_format("%s", key.bytes);
	rep_text_clear(&key);
	return kept;
}

static void keys_fill(rep_set *set)
{
	for (size_t at = 0; at < set->n_rows; at++)
		set->rows[at].key = is_compared(&set->rows[at]) ? key_of(&set->rows[at]) : NULL;
}

/* Google Benchmark's repetitions and the samples of hvsim are values of one run; runs are files. */
typedef struct side {
	double *samples, *runs;
	size_t n_samples, n_runs;
	rep_value median;
} side;

/* The median of the runs' medians, which is the row's own where there is one run. */
static rep_value median_of_runs(const rep_value *medians, const double *runs, size_t n_runs)
{
	rep_text source = { 0 };
	if (n_runs == 1)
		return medians[0];
	for (size_t at = 0; at < n_runs; at++)
		rep_text_add(&source, "%s ", medians[at].source);
	rep_value value = { rep_median(runs, n_runs),
			    rep_format("%smedian:%zu", n_runs > 0 ? source.bytes : "", n_runs) };
	rep_text_clear(&source);
	return value;
}

static side side_collect(const rep_set *set, const char *key)
{
	side found = { 0 };
	size_t samples_capacity = 0, runs_capacity = 0, medians_capacity = 0;
	rep_value *medians = NULL;
	for (size_t at = 0; at < set->n_rows; at++) {
		const rep_row *row = &set->rows[at];
		if (row->key == NULL || strcmp(row->key, key) != 0)
			continue;
		for (size_t idx = 0; idx < row->n_samples; idx++) {
			found.samples = rep_grow(found.samples, found.n_samples, &samples_capacity, sizeof(double));
			found.samples[found.n_samples++] = row->samples[idx];
		}
		found.runs = rep_grow(found.runs, found.n_runs, &runs_capacity, sizeof(double));
		medians = rep_grow(medians, found.n_runs, &medians_capacity, sizeof(*medians));
		medians[found.n_runs] = row->median;
		found.runs[found.n_runs++] = row->median.number;
	}
	found.median = median_of_runs(medians, found.runs, found.n_runs);
	return found;
}

static int better_of(const char *unit)
{
	static const struct {
		const char *unit;
		int better;
	} table[] = { { "ns", -1 },      { "us", -1 },     { "ms", -1 },      { "s", -1 },
		      { "ns/2MiB", -1 }, { "us/MiB", -1 }, { "GiB*min", -1 }, { "KiB/GiB", -1 },
		      { "GiB/s", +1 },   { "VMs", +1 },    { "%", +1 } };
	for (size_t at = 0; at < sizeof(table) / sizeof(table[0]); at++)
		if (strcmp(table[at].unit, unit) == 0)
			return table[at].better;
	return 0;
}

static bool outside(double median, const measure_summary *other)
{
	return median < other->low || median > other->high;
}

/* Values of one run share its conditions; with enough runs on both sides, runs are what is compared. */
static void pair_fill(rep_pair *pair, const side *left, const side *right)
{
	pair->n_left_runs = left->n_runs;
	pair->n_right_runs = right->n_runs;
	pair->by_run = left->n_runs >= RUNS_ENOUGH && right->n_runs >= RUNS_ENOUGH;
	pair->left = pair->by_run ? left->runs : left->samples;
	pair->right = pair->by_run ? right->runs : right->samples;
	pair->n_left = pair->by_run ? left->n_runs : left->n_samples;
	pair->n_right = pair->by_run ? right->n_runs : right->n_samples;
	pair->left_median = left->median;
	pair->right_median = right->median;
	double base = left->median.number, now = right->median.number;
	pair->ratio = base > 0 && now > 0 ? now / base : base == now ? 1 : NAN;
	pair->p = rep_mann_whitney(pair->left, pair->n_left, pair->right, pair->n_right);
	measure_summary a = rep_summary(pair->left, pair->n_left), b = rep_summary(pair->right, pair->n_right);
	pair->apart = outside(a.median, &b) && outside(b.median, &a);
}

static bool testable(const rep_pair *pair)
{
	return rep_mann_whitney_least(pair->n_left, pair->n_right) <= LEVEL;
}

static double *pick(const rep_comparison *all, double (*of)(const rep_pair *), size_t *n_values)
{
	double *values = rep_keep((all->n_pairs + 1) * sizeof(*values));
	*n_values = 0;
	for (size_t at = 0; at < all->n_pairs; at++) {
		double value = of(&all->pairs[at]);
		if (!isnan(value))
			values[(*n_values)++] = value;
	}
	return values;
}

static double log_ratio(const rep_pair *pair)
{
	return pair->ratio > 0 ? log(pair->ratio) : NAN;
}

static double p_of(const rep_pair *pair)
{
	return testable(pair) ? pair->p : NAN;
}

/* Rows that have nothing to do with a change still drift from run to run. How far the ratios lie apart from their
 * common median tells by how much; a slowdown of all moves the median. Bounded, since real changes spread them too; but
 * not where a run says that its machine was busy. */
static double floor_find(const rep_comparison *all)
{
	double most = all->busy ? INFINITY : FLOOR_MOST;
	size_t n_ratios;
	double *ratios = pick(all, log_ratio, &n_ratios);
	if (n_ratios < ROWS_FOR_FLOOR)
		return 1 + FLOOR_FEW_ROWS;
	double center = rep_median(ratios, n_ratios);
	for (size_t at = 0; at < n_ratios; at++)
		ratios[at] = fabs(ratios[at] - center);
	double drift = exp(3 * MAD_TO_DEVIATION * rep_median(ratios, n_ratios)) - 1;
	return 1 + fmin(fmax(drift, FLOOR_LEAST), most);
}

static rep_verdict judge(const rep_pair *pair, double floor)
{
	bool large = isnan(pair->ratio) || fabs(log(pair->ratio)) > log(floor);
	if (!testable(pair))
		return REP_TOO_FEW;
	if (pair->p > LEVEL || !pair->apart || !large)
		return REP_SAME;
	return pair->right_median.number > pair->left_median.number ? REP_MORE : REP_LESS;
}

static void judge_all(rep_comparison *all)
{
	size_t n_values, next = 0;
	double *p = pick(all, p_of, &n_values);
	rep_false_discovery(p, n_values);
	all->floor = floor_find(all);
	for (size_t at = 0; at < all->n_pairs; at++) {
		rep_pair *pair = &all->pairs[at];
		if (testable(pair))
			pair->p = p[next++];
		pair->verdict = judge(pair, all->floor);
		all->n_verdicts[pair->verdict]++;
	}
}

/* Did a run find the machine busy when it began? */
static bool was_busy(const rep_set *set)
{
	const cJSON *each;
	for (size_t at = 0; at < set->n_files; at++) {
		if (rep_file_text(&set->files[at], "warning_noisy-machine") != NULL)
			return true;
		cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(set->files[at].root, "warnings"))
		{
			const cJSON *name = cJSON_GetObjectItemCaseSensitive(each, "name");
			if (cJSON_IsString(name) && strcmp(name->valuestring, "noisy-machine") == 0)
				return true;
		}
	}
	return false;
}

static bool known(const rep_comparison *all, const char *key)
{
	for (size_t at = 0; at < all->n_pairs; at++)
		if (strcmp(all->pairs[at].key, key) == 0)
			return true;
	return false;
}

static size_t only_here(const rep_set *set, const rep_comparison *all)
{
	rep_names names = { 0 };
	for (size_t at = 0; at < set->n_rows; at++)
		if (set->rows[at].key != NULL && !known(all, set->rows[at].key))
			rep_names_add(&names, set->rows[at].key);
	return names.n_names;
}

rep_comparison rep_compare(rep_set *left, rep_set *right)
{
	rep_comparison all = { 0 };
	keys_fill(left);
	keys_fill(right);
	for (size_t at = 0; at < left->n_rows; at++) {
		const rep_row *row = &left->rows[at];
		const char *key = row->key;
		if (key == NULL || known(&all, key))
			continue;
		side ours = side_collect(left, key), theirs = side_collect(right, key);
		if (theirs.n_runs == 0 || ours.n_samples == 0 || theirs.n_samples == 0)
			continue;
		all.pairs = rep_grow(all.pairs, all.n_pairs, &all.capacity, sizeof(*all.pairs));
		rep_pair *pair = &all.pairs[all.n_pairs++];
		*pair = (rep_pair){ .key = key, .unit = row->unit, .better = better_of(row->unit) };
		pair_fill(pair, &ours, &theirs);
	}
	all.busy = was_busy(left) || was_busy(right);
	all.n_only_left = only_here(left, &all);
	all.n_only_right = only_here(right, &all);
	judge_all(&all);
	return all;
}

static const char *verdict_text(const rep_pair *pair)
{
	static const char *const texts[3][2] = { { "less", "more" },
						 { "less: better", "more: worse" },
						 { "less: worse", "more: better" } };
	if (pair->verdict == REP_SAME)
		return "no difference beyond noise";
	if (pair->verdict == REP_TOO_FEW)
		return "too few samples to tell";
	return texts[pair->better == 0 ? 0 : pair->better < 0 ? 1 : 2][pair->verdict == REP_MORE];
}

const char *rep_compare_sentence(const rep_comparison *all)
{
	size_t n_changed = all->n_verdicts[REP_LESS] + all->n_verdicts[REP_MORE];
	return rep_format("%zu of %zu rows differ beyond noise; no difference beyond noise in %zu; too few samples to "
			  "tell in %zu",
			  n_changed, all->n_pairs, all->n_verdicts[REP_SAME], all->n_verdicts[REP_TOO_FEW]);
}

void rep_compare_print(const rep_comparison *all)
{
	printf("%-64s %10s %10s %8s %7s %7s  %s\n", "row", "A", "B", "B/A", "n", "p", "verdict");
	for (size_t at = 0; at < all->n_pairs; at++) {
		const rep_pair *pair = &all->pairs[at];
		char left[REP_VALUE_TEXT_BYTES], right[REP_VALUE_TEXT_BYTES], p[16] = "-";
		if (pair->verdict != REP_TOO_FEW)
			snprintf(p, sizeof(p), "%.3f", pair->p);
		printf("%-64s %10s %10s %8.3f %3zu/%-3zu %7s  %s\n", rep_format("%s, %s", pair->key, pair->unit),
		       rep_value_text(pair->left_median, left), rep_value_text(pair->right_median, right), pair->ratio,
		       pair->n_left, pair->n_right, p, verdict_text(pair));
	}
	printf("%s.\n", rep_compare_sentence(all));
	printf("Noise floor %.1f %%%s. Rows only in A: %zu, only in B: %zu.\n", (all->floor - 1) * 100,
	       all->busy ? " (a machine was busy)" : "", all->n_only_left, all->n_only_right);
}

void rep_compare_html(const rep_comparison *all, rep_text *html)
{
	rep_table table = { 0 };
	static const char *const heads[] = { "row", "unit", "A", "B", "B / A", "verdict" };
	for (size_t at = 0; at < sizeof(heads) / sizeof(heads[0]); at++)
		rep_table_head(&table, heads[at]);
	for (unsigned changed = 2; changed-- > 0;)
		for (size_t at = 0; at < all->n_pairs; at++) {
			const rep_pair *pair = &all->pairs[at];
			if ((pair->verdict == REP_LESS || pair->verdict == REP_MORE) != (changed == 1))
				continue;
			rep_table_text(&table, pair->key);
			rep_table_text(&table, pair->unit);
			rep_table_value(&table, pair->left_median);
			rep_table_value(&table, pair->right_median);
			rep_table_value(&table, rep_value_ratio(pair->right_median, pair->left_median));
			rep_table_text(&table, verdict_text(pair));
		}
	rep_html_table(html, &table);
}
