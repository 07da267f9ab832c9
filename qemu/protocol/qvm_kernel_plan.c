/* SPDX-License-Identifier: MIT
 *
 * Options, points and table of the driver's bench; see qvm_kernel_plan.h. */
#define _GNU_SOURCE
#include "protocol/qvm_kernel_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
	KEY_CASE = 0x600,
	KEY_ORDERS,
	KEY_THREADS,
	KEY_BIND,
	KEY_NODE,
	KEY_ALLOCATOR,
	KEY_REGION,
	KEY_MIB,
	KEY_OPS,
	KEY_ROUNDS
};
/* What the driver takes at most. */
enum { MIB_MAX = 1 << 20, OPS_MAX = 1 << 30, ROUNDS_MAX = 32, NODE_MAX = 1023 };

static const char *const case_names[QVM_KERNEL_CASES] = { "bulk", "repeat", "rand" };
const char *const qvm_kernel_phases[] = { "get", "put", "pair", NULL };

static const struct argp_option option_table[] = {
	{ "case", KEY_CASE, "LIST", 0,
	  "bulk (get half of the memory, put it back), repeat (get one block, put it straight back), rand (hold half, "
	  "put a "
	  "random block and get another), separated by commas, or all (default)",
	  0 },
	{ "orders", KEY_ORDERS, "LIST", 0, "Block sizes, 2^order pages of 4 KiB, such as 0-3,9 (default 0-10)", 0 },
	{ "threads", KEY_THREADS, "LIST", 0, "Numbers of kernel threads, such as 1,2 (default 1)", 0 },
	{ "bind", KEY_BIND, "CPUS", 0,
	  "CPUs of the guest that the threads are bound to in turn, such as 0-3 (default all)", 0 },
	{ "node", KEY_NODE, "N", 0, "NUMA node of memory and threads (default any)", 0 },
	{ "allocator", KEY_ALLOCATOR, "NAME", 0, "both (default), llfree or alloc_pages", 0 },
	{ "region", KEY_REGION, "NAME", 0,
	  "LLFree's state: own (default), or shared: the one that the monitor made, at rest only", 0 },
	{ "mib", KEY_MIB, "MIB", 0, "Memory that bulk and rand take, all threads together (default 64)", 0 },
	{ "ops", KEY_OPS, "N", 0, "Operations of repeat (default 65536 by 2^order, at least 256)", 0 },
	{ "rounds", KEY_ROUNDS, "N", 0, "Samples of each, after rounds to warm up (default 7)", 0 },
	{ 0 }
};

qvm_kernel_plan qvm_kernel_plan_default(void)
{
	qvm_kernel_plan plan = { .allocator = "both", .mib = 64, .rounds = 7, .node = UINT64_MAX, .n_threads = 1 };
	plan.threads[0] = 1;
	memset(plan.cases, true, sizeof(plan.cases));
	memset(plan.orders, true, sizeof(plan.orders));
	return plan;
}

/* The next of "0-3,9": from, to. @return false at the end, or at what makes no sense: *text tells which */
static bool range_next(const char **text, unsigned least, unsigned most, unsigned *from, unsigned *to)
{
	int n_from = 0, n_to = 0;
	if (**text < '0' || **text > '9' || sscanf(*text, "%4u%n", from, &n_from) != 1)
		return false;
	const char *at = *text + n_from;
	*to = *from;
	if (*at == '-' && (at[1] < '0' || at[1] > '9' || sscanf(at + 1, "%4u%n", to, &n_to) != 1))
		return false;
	at += n_to > 0 ? n_to + 1 : 0;
	if (*from < least || *to > most || *from > *to || (*at != '\0' && (*at != ',' || at[1] == '\0')))
		return false;
	*text = at + (*at == ',');
	return true;
}

static void cases_parse(qvm_kernel_plan *plan, const char *text, const struct argp_state *state)
{
	bool all = strcmp(text, "all") == 0;
	for (size_t at = 0; at < QVM_KERNEL_CASES; at++)
		plan->cases[at] = all;
	for (const char *word = text; !all; word += strcspn(word, ",") + 1) {
		size_t at = 0, chars = strcspn(word, ",");
		while (at < QVM_KERNEL_CASES &&
		       (strncmp(word, case_names[at], chars) != 0 || case_names[at][chars] != '\0'))
			at++;
		if (at == QVM_KERNEL_CASES || chars == 0)
			argp_error(state, "--case is '%s'; allowed: all, or a list of bulk, repeat, rand", text);
		plan->cases[at] = true;
		if (word[chars] == '\0')
			break;
	}
}

static void orders_parse(qvm_kernel_plan *plan, const char *text, const struct argp_state *state)
{
	const char *rest = text;
	unsigned from, to;
	memset(plan->orders, false, sizeof(plan->orders));
	while (range_next(&rest, 0, QVM_KERNEL_ORDERS - 1, &from, &to))
		for (; from <= to; from++)
			plan->orders[from] = true;
	if (*rest != '\0' || rest == text)
		argp_error(state, "--orders is '%s'; allowed: a list such as 0-3,9, from 0 to %d", text,
			   QVM_KERNEL_ORDERS - 1);
}

static void threads_parse(qvm_kernel_plan *plan, const char *text, const struct argp_state *state)
{
	const char *rest = text;
	unsigned from, to;
	plan->n_threads = 0;
	while (range_next(&rest, 1, QVM_KERNEL_THREADS_MAX, &from, &to))
		for (; from <= to && plan->n_threads < QVM_KERNEL_THREADS_MAX; from++)
			plan->threads[plan->n_threads++] = from;
	if (*rest != '\0' || rest == text)
		argp_error(state, "--threads is '%s'; allowed: a list such as 1,2,4, from 1 to %d", text,
			   QVM_KERNEL_THREADS_MAX);
}

static uint64_t number(const struct argp_state *state, const char *name, const char *text, uint64_t least,
		       uint64_t most)
{
	uint64_t value = 0;
	if (!hv_parse_bytes(text, &value) || value < least || value > most)
		argp_error(state, "--%s is '%s'; allowed: %" PRIu64 " to %" PRIu64, name, text, least, most);
	return value;
}

static error_t parse_number(int key, const char *text, struct argp_state *state)
{
	qvm_kernel_plan *plan = state->input;
	switch (key) {
	case KEY_NODE:
		plan->node = number(state, "node", text, 0, NODE_MAX);
		return 0;
	case KEY_MIB:
		plan->mib = number(state, "mib", text, 1, MIB_MAX);
		return 0;
	case KEY_OPS:
		plan->ops = number(state, "ops", text, 1, OPS_MAX);
		return 0;
	case KEY_ROUNDS:
		plan->rounds = number(state, "rounds", text, 1, ROUNDS_MAX);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	qvm_kernel_plan *plan = state->input;
	switch (key) {
	case KEY_CASE:
		cases_parse(plan, text, state);
		return 0;
	case KEY_ORDERS:
		orders_parse(plan, text, state);
		return 0;
	case KEY_THREADS:
		threads_parse(plan, text, state);
		return 0;
	case KEY_BIND:
		if (*text == '\0' || strlen(text) > 100 || strspn(text, "0123456789,-") != strlen(text))
			argp_error(state, "--bind is '%s'; allowed: a list of CPUs such as 0-3,6", text);
		plan->bind = text;
		return 0;
	case KEY_ALLOCATOR:
		if (strcmp(text, "both") != 0 && strcmp(text, "llfree") != 0 && strcmp(text, "alloc_pages") != 0)
			argp_error(state, "unknown allocator '%s'; known: both, llfree, alloc_pages", text);
		plan->allocator = text;
		return 0;
	case KEY_REGION:
		if (strcmp(text, "own") != 0 && strcmp(text, "shared") != 0)
			argp_error(state, "unknown region '%s'; known: own, shared", text);
		plan->shared_region = strcmp(text, "shared") == 0;
		return 0;
	default:
		return parse_number(key, text, state);
	}
}

const struct argp qvm_kernel_plan_argp = { .options = option_table, .parser = parse };

size_t qvm_kernel_plan_points(const qvm_kernel_plan *plan)
{
	size_t at = 0, n_points = 0;
	for (qvm_kernel_point point; qvm_kernel_plan_next(plan, &at, &point);)
		n_points++;
	return n_points;
}

bool qvm_kernel_plan_next(const qvm_kernel_plan *plan, size_t *at, qvm_kernel_point *point)
{
	for (; plan->n_threads > 0; ++*at) {
		size_t thread_idx = *at % plan->n_threads, rest = *at / plan->n_threads;
		size_t order = rest % QVM_KERNEL_ORDERS, case_idx = rest / QVM_KERNEL_ORDERS;
		if (case_idx >= QVM_KERNEL_CASES)
			return false;
		if (!plan->cases[case_idx] || !plan->orders[order])
			continue;
		*point = (qvm_kernel_point){ case_names[case_idx], (unsigned)order, plan->threads[thread_idx] };
		++*at;
		return true;
	}
	return false;
}

const char *qvm_kernel_line(const qvm_kernel_plan *plan, const qvm_kernel_point *point, char *text, size_t text_bytes)
{
	char node[32] = "", ops[32] = "", bind[128] = "";
	if (plan->node != UINT64_MAX)
		snprintf(node, sizeof(node), " node=%" PRIu64, plan->node);
	if (plan->ops != 0)
		snprintf(ops, sizeof(ops), " ops=%" PRIu64, plan->ops);
	if (plan->bind != NULL)
		snprintf(bind, sizeof(bind), " cpus=%.100s", plan->bind);
	snprintf(text, text_bytes,
		 "case=%s order=%u threads=%u mib=%" PRIu64 " rounds=%" PRIu64 " allocator=%s region=%s%s%s%s",
		 point->name, point->order, point->threads, plan->mib, plan->rounds, plan->allocator,
		 plan->shared_region ? "shared" : "own", node, ops, bind);
	return text;
}

void qvm_kernel_table_head(char *text, size_t text_bytes)
{
	snprintf(text, text_bytes, "%-8s %5s %7s %-5s %12s %12s %7s   ns per operation, median", "case", "order",
		 "threads", "", "llfree", "alloc_pages", "ratio");
}

static const char *figure_text(double value, char *text, size_t text_bytes)
{
	snprintf(text, text_bytes, value > 0 ? "%.1f" : "-", value);
	return text;
}

void qvm_kernel_table_line(const qvm_kernel_point *point, const char *phase, double llfree_ns, double pages_ns,
			   char *text, size_t text_bytes)
{
	char llfree[32], pages[32], ratio[32] = "-";
	if (llfree_ns > 0 && pages_ns > 0)
		snprintf(ratio, sizeof(ratio), "%.2f", llfree_ns / pages_ns);
	snprintf(text, text_bytes, "%-8s %5u %7u %-5s %12s %12s %7s", point->name, point->order, point->threads, phase,
		 figure_text(llfree_ns, llfree, sizeof(llfree)), figure_text(pages_ns, pages, sizeof(pages)), ratio);
}
