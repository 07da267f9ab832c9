/* SPDX-License-Identifier: MIT
 *
 * Every operation beside every operation: on the same slot, on two slots over one tree, and where memory is so tight
 * that only one of two gets can have it; fast and exact. */
#include "scenarios.h"

#include <string.h>

#define GET(o)                              \
	{                                   \
		.kind = T_GET, .order = (o) \
	}
#define GET_AT(o, frame)                                      \
	{                                                     \
		.kind = T_GET_AT, .order = (o), .at = (frame) \
	}
#define PUT(i, o, off)                                                  \
	{                                                               \
		.kind = T_PUT, .order = (o), .at = (i), .offset = (off) \
	}
#define OP(k)               \
	{                   \
		.kind = (k) \
	}
#define OP_AT(k, idx)                    \
	{                                \
		.kind = (k), .at = (idx) \
	}

const t_atom t_atoms[] = {
	{ "get0", { OP(T_END) }, { GET(0) } },
	{ "get0-from-claim", { GET(0) }, { GET(0) } },
	{ "get0-last-of-claim", { OP_AT(T_REPEAT, 31), GET(0) }, { GET(0), GET(0) } },
	{ "get0-put0", { OP(T_END) }, { GET(0), PUT(0, 0, 0) } },
	{ "get0-get0", { OP(T_END) }, { GET(0), GET(0) } },
	{ "get9-get0", { OP(T_END) }, { GET(9), GET(0) } },
	{ "get1", { OP(T_END) }, { GET(1) } },
	{ "get3", { OP(T_END) }, { GET(3) } },
	{ "get6", { OP(T_END) }, { GET(6) } },
	{ "get7", { OP(T_END) }, { GET(7) } },
	{ "get8", { OP(T_END) }, { GET(8) } },
	{ "get9", { OP(T_END) }, { GET(9) } },
#if LLFREE_TREE_HUGE >= 2
	{ "get10", { OP(T_END) }, { GET(10) } },
	{ "at10", { OP(T_END) }, { GET_AT(10, 0) } },
	{ "put10", { GET(10) }, { PUT(0, 10, 0) } },
	{ "part9-of-10", { GET(10) }, { PUT(0, 9, 512) } },
	{ "get10-evicted", { OP(T_DRAIN_ALL), OP_AT(T_SOFT, T_EACH) }, { GET(10) } },
#endif
#if LLFREE_TREE_HUGE >= 4
	{ "get11", { OP(T_END) }, { GET(11) } },
	{ "put11", { GET(11) }, { PUT(0, 11, 0) } },
#endif
	{ "at0", { OP(T_END) }, { GET_AT(0, 0) } },
	{ "at0-in-claim", { GET(0) }, { GET_AT(0, 5) } },
	{ "at3", { OP(T_END) }, { GET_AT(3, 0) } },
	{ "at6", { OP(T_END) }, { GET_AT(6, 64) } },
	{ "at7", { OP(T_END) }, { GET_AT(7, 0) } },
	{ "at8", { OP(T_END) }, { GET_AT(8, 0) } },
	{ "at9", { OP(T_END) }, { GET_AT(9, 0) } },
	{ "put0", { GET(0) }, { PUT(0, 0, 0) } },
	{ "put0-far", { OP_AT(T_REPEAT, 33), GET(0) }, { PUT(0, 0, 0) } },
	{ "put0-adopt", { OP_AT(T_REPEAT, 34), GET(0) }, { PUT(0, 0, 0), PUT(1, 0, 0) } },
	{ "put3", { GET(3) }, { PUT(0, 3, 0) } },
	{ "put6", { GET(6) }, { PUT(0, 6, 0) } },
	{ "put7", { GET(7) }, { PUT(0, 7, 0) } },
	{ "put8", { GET(8) }, { PUT(0, 8, 0) } },
	{ "put9", { GET(9) }, { PUT(0, 9, 0) } },
	{ "part0-of-9", { GET(9) }, { PUT(0, 0, 0), PUT(0, 0, 1) } },
	{ "part6-of-9", { GET(9) }, { PUT(0, 6, 64) } },
	{ "part7-of-9", { GET(9) }, { PUT(0, 7, 128) } },
	{ "parts8-of-9", { GET(9) }, { PUT(0, 8, 0), PUT(0, 8, 256) } },
	{ "get-batch", { OP(T_END) }, { OP(T_GET_BATCH) } },
	{ "put-batch", { OP(T_GET_BATCH) }, { OP(T_PUT_BATCH) } },
	{ "drain-slot", { OP(T_END) }, { OP(T_DRAIN_SLOT) } },
	{ "drain-all", { OP(T_END) }, { OP(T_DRAIN_ALL) } },
	{ "offline", { OP(T_END) }, { OP_AT(T_OFFLINE, 0) } },
	{ "online", { OP_AT(T_OFFLINE, 0) }, { OP_AT(T_ONLINE, 0) } },
	{ "offline-online", { OP(T_END) }, { OP_AT(T_OFFLINE, 0), OP_AT(T_ONLINE, 0) } },
	{ "soft", { OP(T_END) }, { OP_AT(T_SOFT, 0) } },
	{ "hard", { OP(T_END) }, { OP_AT(T_HARD, 0) } },
	{ "hard-last", { OP(T_END) }, { OP_AT(T_HARD, T_LAST) } },
	{ "return", { OP(T_DRAIN_ALL), OP_AT(T_HARD, T_LAST) }, { OP_AT(T_RETURN, T_LAST) } },
	{ "install", { OP(T_DRAIN_ALL), OP_AT(T_SOFT, T_EACH) }, { OP_AT(T_INSTALL, 0) } },
	{ "hard-return-install",
	  { OP(T_END) },
	  { OP_AT(T_HARD, T_LAST), OP_AT(T_RETURN, T_LAST), OP_AT(T_INSTALL, T_LAST) } },
	{ "get0-evicted", { OP(T_DRAIN_ALL), OP_AT(T_SOFT, T_EACH) }, { GET(0) } },
	{ "get9-evicted", { OP(T_DRAIN_ALL), OP_AT(T_SOFT, T_EACH) }, { GET(9) } },
	{ "handle-get", { OP(T_END) }, { OP(T_HANDLE_GET) } },
	{ "handle-get-put", { OP(T_HANDLE_GET) }, { OP(T_HANDLE_GET), OP_AT(T_HANDLE_PUT, 0) } },
	{ "handle-put", { GET(0) }, { OP_AT(T_HANDLE_PUT, 0) } },
	{ "handle-drain", { OP(T_HANDLE_GET) }, { OP(T_HANDLE_DRAIN) } },
};
const unsigned t_n_atoms = sizeof(t_atoms) / sizeof(t_atoms[0]);

const t_atom *t_atom_named(const char *name)
{
	for (unsigned i = 0; i < t_n_atoms; i++) {
		if (!strcmp(t_atoms[i].name, name))
			return &t_atoms[i];
	}
	return NULL;
}

void t_scenario_begin(t_scenario *scenario, bool exact, unsigned trees)
{
	*scenario = (t_scenario){ .exact = exact, .trees = trees, .successes = -1 };
}

void t_scenario_add(t_scenario *scenario, const t_atom *atom, unsigned cpu)
{
	unsigned thread = scenario->n_threads++;
	scenario->cpu[thread] = cpu;
	for (unsigned i = 0; i < 6 && atom->setup[i].kind != T_END; i++)
		scenario->setup[thread][scenario->n_setup[thread]++] = atom->setup[i];
	memcpy(scenario->program[thread], atom->program, sizeof(atom->program));
}

static unsigned largest_order(const t_atom *atom)
{
	unsigned order = 0;
	for (unsigned i = 0; i < T_OPS_MAX && atom->program[i].kind != T_END; i++) {
		if (atom->program[i].order > order)
			order = atom->program[i].order;
	}
	return order;
}

static bool gets(const t_atom *atom)
{
	return atom->program[0].kind == T_GET || atom->program[0].kind == T_GET_BATCH ||
	       atom->program[0].kind == T_HANDLE_GET;
}

static void visit_pair(t_scenario_fn visit, const t_atom *a, const t_atom *b, bool exact, const t_budget *budget)
{
	static const char *const variants[] = { "same-slot", "one-tree", "tight" };
	for (unsigned variant = 0; variant < 3; variant++) {
		if (variant == 2 && !gets(a) && !gets(b))
			continue;
		t_scenario scenario;
		t_scenario_begin(&scenario, exact, variant == 1 ? 1 : 2);
		t_scenario_add(&scenario, a, 0);
		t_scenario_add(&scenario, b, variant == 0 ? 0 : 1);
		if (variant == 2) {
			unsigned order = largest_order(a) > largest_order(b) ? largest_order(a) : largest_order(b);
			scenario.bystander[0] = (t_op){ .kind = T_FILL, .order = (uint8_t)order };
			scenario.n_bystander = 1;
		}
		(void)snprintf(scenario.name, sizeof(scenario.name), "pair/%s/%s+%s/%s", exact ? "exact" : "fast",
			       a->name, b->name, variants[variant]);
		char family[96];
		(void)snprintf(family, sizeof(family), "pair/%s/%s + each", exact ? "exact" : "fast", a->name);
		visit(&scenario, family, budget);
	}
}

void t_each_pair(t_scenario_fn visit, unsigned scale)
{
	t_budget budget = { scale > 1 ? 3 : 2, 1500 * (uint64_t)scale, 100 * (uint64_t)scale };
	for (unsigned exact = 0; exact < 2; exact++) {
		for (unsigned i = 0; i < t_n_atoms; i++) {
			for (unsigned j = i; j < t_n_atoms; j++)
				visit_pair(visit, &t_atoms[i], &t_atoms[j], exact, &budget);
		}
	}
}
