/* SPDX-License-Identifier: MIT
 *
 * Several VMs on one host: what they have, stacked, by technique; with the most VMs that every technique was run with.
 */
#include "../rep_figure.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { POINTS_MAX = 300, VMS_MAX = 32, HEIGHT = 300 };

typedef struct stack {
	const char *workload; /**< "bursts, staggered" */
	const char *who;
	unsigned n_vms;
	const rep_row *vms[VMS_MAX];
	size_t n_points;
	double peak;
} stack;

/* "bursts, staggered, 3 VMs, VM 2" */
static bool phase_split(const char *phase, const char **workload, unsigned *n_vms, unsigned *vm)
{
	const char *tail = strstr(phase, " VMs, VM ");
	if (tail == NULL || sscanf(tail, " VMs, VM %u", vm) != 1)
		return false;
	const char *number = tail;
	while (number > phase && number[-1] != ' ')
		number--;
	if (sscanf(number, "%u", n_vms) != 1 || number < phase + 2 || *vm < 1 || *vm > VMS_MAX)
		return false;
	*workload = rep_format("%.*s", (int)(number - phase - 2), phase);
	return true;
}

static stack stack_find(const rep_set *set, const char *workload, const char *who, unsigned n_vms)
{
	stack found = { .workload = workload, .who = who, .n_vms = n_vms };
	for (unsigned vm = 1; vm <= n_vms && vm <= VMS_MAX; vm++) {
		rep_query query = { REP_ANY, .scenario = "multivm", .who = who, .metric = "resident" };
		query.phase = rep_format("%s, %u VMs, VM %u", workload, n_vms, vm);
		const rep_row *row = rep_set_find(set, &query);
		found.vms[vm - 1] = row;
		if (row != NULL && row->n_samples > found.n_points)
			found.n_points = row->n_samples;
	}
	for (size_t at = 0; at < found.n_points; at++) {
		double sum = 0;
		for (unsigned vm = 0; vm < n_vms; vm++)
			sum += found.vms[vm] != NULL && at < found.vms[vm]->n_samples ? found.vms[vm]->samples[at] : 0;
		found.peak = fmax(found.peak, sum);
	}
	return found;
}

/* Every workload with every technique; of each workload the most VMs that all techniques ran. */
static size_t stacks_find(const rep_set *set, stack *stacks, size_t stacks_max)
{
	rep_query query = { REP_ANY, .scenario = "multivm", .metric = "resident" };
	rep_names workloads = { 0 }, who = rep_set_who(set, &query);
	const char *workload;
	unsigned n_vms, vm, most = 0;
	size_t n_stacks = 0;
	const rep_row *row;
	for (size_t at = 0; (row = rep_set_next(set, &query, &at)) != NULL;)
		if (phase_split(row->phase, &workload, &n_vms, &vm)) {
			rep_names_add(&workloads, workload);
			most = n_vms > most ? n_vms : most;
		}
	for (size_t idx = 0; idx < workloads.n_names; idx++)
		for (unsigned count = most; count > 0; count--) {
			size_t n_here = 0;
			for (size_t at = 0; at < who.n_names && n_stacks + n_here < stacks_max; at++) {
				stacks[n_stacks + n_here] = stack_find(set, workloads.names[idx], who.names[at], count);
				n_here += stacks[n_stacks + n_here].n_points > 1;
			}
			if (n_here == who.n_names) {
				n_stacks += n_here;
				break;
			}
		}
	return n_stacks;
}

static void data_write(const stack *of, rep_figure *figure)
{
	rep_data_block(figure, "minutes, and GiB of each VM");
	size_t step = of->n_points / POINTS_MAX + 1;
	for (size_t at = 0; at < of->n_points; at += step) {
		rep_value values[VMS_MAX];
		double interval_s = 0;
		for (unsigned vm = 0; vm < of->n_vms; vm++) {
			const rep_row *row = of->vms[vm];
			bool here = row != NULL && at < row->n_samples;
			values[vm] = here ? (rep_value){ row->samples[at], rep_format("%s/%zu", row->samples_source,
										      at + row->samples_skipped) }
					  : (rep_value){ 0, "0" };
			values[vm] = rep_value_scaled(values[vm], 1.0 / (1 << 30));
			interval_s = row != NULL ? row->interval_s : interval_s;
		}
		rep_text_add(&figure->data, "%.6g ", (double)at * interval_s / 60);
		rep_data_line(figure, NULL, values, of->n_vms);
	}
}

static void script_write(const stack *of, rep_value budget, double high, double end_min, rep_figure *figure)
{
	rep_text *script = &figure->script, sum = { 0 };
	rep_text_add(script,
		     "set xlabel \"%s, min\"\nset ylabel \"resident, GiB\"\nset border 3\nunset key\nset "
		     "format y \"%%g\"\n"
		     "set grid ytics\nset yrange [0:%g]\nset xrange [0:%g]\nset rmargin 8\n",
		     rep_row_time(of->vms[0]), high, end_min);
	rep_x_tics(script, end_min);
	if (rep_value_is(budget))
		rep_text_add(script,
			     "set arrow from graph 0, first %g to graph 1, first %g nohead dt 2 lw 1.5 lc rgb ink\n"
			     "set label \"budget\" at graph 1, first %g left offset character 0.8,0 tc rgb ink\n",
			     budget.number, budget.number, budget.number);
	rep_text_add(&sum, "0");
	for (unsigned vm = 0; vm < of->n_vms; vm++) {
		rep_text_add(script, "%s \\\n  data using 1:(%s)", vm > 0 ? "," : "plot", sum.bytes);
		rep_text_add(&sum, "+$%u", vm + 2);
		rep_text_add(script, ":(%s) with filledcurves fs transparent solid 0.8 noborder lc rgb c%u", sum.bytes,
			     vm % REP_COLOURS);
	}
	rep_text_add(script, "\n");
	rep_text_clear(&sum);
}

static void table_write(const rep_set *set, const stack *of, rep_table *table)
{
	static const struct {
		const char *metric, *head;
		double factor;
	} figures[] = { { "footprint", "GiB*min", 1 },
			{ "resident-peak", "peak, GiB", 1.0 / (1 << 30) },
			{ "failed", "VMs that failed", 1 } };
	rep_query query = { REP_ANY, .scenario = "multivm", .who = of->who };
	static const char *const heads[] = { "technique", "VMs" };
	for (size_t at = 0; at < 2; at++)
		rep_table_head(table, heads[at]);
	for (size_t at = 0; at < 3; at++)
		rep_table_head(table, figures[at].head);
	rep_table_head(table, "most that fit");
	rep_table_text(table, of->who);
	rep_table_text(table, rep_format("%u", of->n_vms));
	for (size_t at = 0; at < 4; at++) {
		query.phase = at < 3 ? rep_format("%s, %u VMs", of->workload, of->n_vms) : of->workload;
		query.metric = at < 3 ? figures[at].metric : "fit";
		const rep_row *row = rep_set_find(set, &query);
		rep_table_value(table, row != NULL ? rep_value_scaled(row->median, at < 3 ? figures[at].factor : 1)
						   : (rep_value){ 0 });
	}
}

static rep_made build(const rep_set *set, size_t idx, rep_figure *figure)
{
	stack stacks[VMS_MAX];
	size_t n_stacks = stacks_find(set, stacks, VMS_MAX);
	if (idx >= n_stacks)
		return REP_LAST;
	const stack *of = &stacks[idx];
	double high = 0, end_min = 0;
	const rep_row *row = of->vms[0];
	rep_value budget = rep_value_scaled(rep_file_number(row->file, "parameters", "budget_bytes"), 1.0 / (1 << 30));
	for (size_t at = 0; at < n_stacks; at++) {
		const rep_row *first = stacks[at].vms[0];
		if (strcmp(stacks[at].workload, of->workload) != 0 || first == NULL)
			continue;
		high = fmax(high, stacks[at].peak / (1 << 30));
		end_min = fmax(end_min, (double)stacks[at].n_points * first->interval_s / 60);
	}
	high = 1.08 * fmax(high, budget.number);
	figure->name = rep_format("multivm-%.*s-%s-%s", (int)strcspn(of->workload, ","), of->workload,
				  strrchr(of->workload, ' ') != NULL ? strrchr(of->workload, ' ') + 1 : "all", of->who);
	figure->title = rep_format("%u VMs with %s; workload %s", of->n_vms, of->who, of->workload);
	figure->wide_height = figure->narrow_height = HEIGHT;
	data_write(of, figure);
	script_write(of, budget, high, end_min, figure);
	table_write(set, of, &figure->table);
	rep_caption_conditions(&figure->caption, row);
	rep_text_add(&figure->caption, "Stacked: one colour, one VM. All techniques on the same scale. ");
	return REP_MADE;
}

const rep_plot rep_plot_multivm = {
	.rank = 90,
	.section = "Several VMs on one host",
	.question = "How many VMs fit, when each gives back what it does not use?",
	.command = "hvsim multivm --json FILE",
	.build = build,
};
