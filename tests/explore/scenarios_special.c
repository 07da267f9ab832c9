/* SPDX-License-Identifier: MIT
 *
 * Scenarios made by hand: each operation of several words with a foreign owner that comes or goes at each position of
 * it, two owners freeing parts of one huge frame, one run put twice, three threads, and crashes at every step. */
#include "scenarios.h"

/* --- multi-word rollback: a foreign owner at each position -------------------------------------------------------- */

static void visit_foreign(t_scenario_fn visit, const char *what, bool exact, unsigned position, const t_atom *taker,
			  const t_atom *foreign, const char *foreign_name, const t_budget *budget)
{
	t_scenario scenario;
	t_scenario_begin(&scenario, exact, 1);
	t_scenario_add(&scenario, taker, 0);
	t_scenario_add(&scenario, foreign, 1);
	(void)snprintf(scenario.name, sizeof(scenario.name), "rollback/%s/%s/position%u/%s", exact ? "exact" : "fast",
		       what, position, foreign_name);
	char family[96];
	(void)snprintf(family, sizeof(family), "rollback/%s/%s", exact ? "exact" : "fast", what);
	visit(&scenario, family, budget);
}

/* An order-7 or 8 run of rows, an order-10 or 11 run of children: unit frames each. */
static void each_position(t_scenario_fn visit, bool exact, bool any, unsigned order, unsigned unit_order,
			  const t_budget *budget)
{
	char what[16];
	(void)snprintf(what, sizeof(what), "%s%u", any ? "get" : "at", order);
	t_atom taker = t_atom_of(t_op_none, any ? t_op_get(order) : t_op_get_at(order, 0), t_op_none);
	for (unsigned position = 0; position < 1u << (order - unit_order); position++) {
		unsigned first = position << unit_order;
		t_atom comes = t_atom_of(t_op_none, t_op_get_at(0, first + 5), t_op_none);
		t_atom comes_and_goes = t_atom_of(t_op_none, t_op_get_at(0, first + 5), t_op_put(0, 0, 0));
		t_atom goes = t_atom_of(t_op_get_at(0, first + 5), t_op_put(0, 0, 0), t_op_none);
		t_atom takes_unit = t_atom_of(t_op_none, t_op_get_at(unit_order, first), t_op_put(0, unit_order, 0));
		t_atom gives_unit = t_atom_of(t_op_get_at(unit_order, first), t_op_put(0, unit_order, 0), t_op_none);
		t_atom hard = t_atom_of(t_op_none, t_op_at(T_HARD, first / LLFREE_HUGE_FRAMES), t_op_none);
		t_atom soft = t_atom_of(t_op_none, t_op_at(T_SOFT, first / LLFREE_HUGE_FRAMES), t_op_none);
		visit_foreign(visit, what, exact, position, &taker, &comes, "takes-one", budget);
		visit_foreign(visit, what, exact, position, &taker, &comes_and_goes, "takes-and-gives-one", budget);
		visit_foreign(visit, what, exact, position, &taker, &goes, "gives-one", budget);
		visit_foreign(visit, what, exact, position, &taker, &takes_unit, "takes-and-gives-all", budget);
		visit_foreign(visit, what, exact, position, &taker, &gives_unit, "gives-all", budget);
		if (unit_order == LLFREE_HUGE_ORDER) {
			visit_foreign(visit, what, exact, position, &taker, &hard, "hard", budget);
			visit_foreign(visit, what, exact, position, &taker, &soft, "soft", budget);
		}
	}
}

static void rollbacks(t_scenario_fn visit, unsigned scale)
{
	t_budget budget = { 3, 2500 * (uint64_t)scale, 100 * (uint64_t)scale };
	for (unsigned exact = 0; exact < 2; exact++) {
		for (unsigned any = 0; any < 2; any++) {
			each_position(visit, exact, any, 7, 6, &budget);
			each_position(visit, exact, any, 8, 6, &budget);
			for (unsigned order = LLFREE_HUGE_ORDER + 1; order <= LLFREE_MAX_ORDER; order++)
				each_position(visit, exact, any, order, LLFREE_HUGE_ORDER, &budget);
		}
	}
}

/* --- install that fails ------------------------------------------------------------------------------------------- */

static void failing_installs(t_scenario_fn visit, unsigned scale)
{
	static const char *const names[] = { "get0-evicted", "get9-evicted", "at8",       "at9",     "soft",
					     "hard",         "return",       "drain-all", "offline", "install" };
	t_budget budget = { 3, 2000 * (uint64_t)scale, 100 * (uint64_t)scale };
	for (unsigned exact = 0; exact < 2; exact++) {
		for (unsigned i = 0; i < 2; i++) {
			for (unsigned j = i; j < sizeof(names) / sizeof(names[0]); j++) {
				t_scenario scenario;
				t_scenario_begin(&scenario, exact, 1);
				t_scenario_add(&scenario, t_atom_or_die(names[i]), 0);
				t_scenario_add(&scenario, t_atom_or_die(names[j]), 1);
				scenario.install_fails = true;
				(void)snprintf(scenario.name, sizeof(scenario.name), "install-fails/%s/%s+%s",
					       exact ? "exact" : "fast", names[i], names[j]);
				visit(&scenario, exact ? "install-fails/exact" : "install-fails/fast", &budget);
			}
		}
	}
}

/* --- three threads ------------------------------------------------------------------------------------------------ */

static void triples(t_scenario_fn visit, unsigned scale)
{
	static const char *const rows[][3] = {
		{ "hard-return-install", "get9", "put9" },
		{ "hard-return-install", "get0", "get9" },
		{ "hard-return-install", "get0-evicted", "get0-evicted" },
		{ "soft", "get9", "put9" },
		{ "soft", "get0", "put0" },
		{ "soft", "get9", "get9" },
		{ "install", "get0-evicted", "get0-evicted" },
		{ "hard", "get0-from-claim", "put0-far" },
		{ "hard", "at9", "get8" },
		{ "hard", "drain-all", "get0" },
		{ "hard-last", "hard-last", "get9" },
		{ "offline", "get0", "put0-adopt" },
		{ "offline", "get0", "drain-slot" },
		{ "offline-online", "get0", "put0-far" },
		{ "offline-online", "get0-last-of-claim", "put0-adopt" },
		{ "offline", "handle-get", "handle-put" },
		{ "offline", "get9", "put9" },
		{ "drain-all", "get0-put0", "put0-adopt" },
		{ "drain-slot", "get0-last-of-claim", "put0" },
		{ "drain-slot", "get0-put0", "get0-put0" },
		{ "drain-slot", "put0-adopt", "put0-adopt" },
		{ "at8", "get0", "put0" },
		{ "at9", "at8", "at7" },
		{ "at9", "put8", "get0" },
		{ "get-batch", "put-batch", "get0" },
		{ "get-batch", "drain-all", "hard" },
		{ "parts8-of-9", "get8", "get9" },
		{ "part0-of-9", "get6", "drain-slot" },
		{ "get0", "get0", "get0" },
		{ "get9", "get9", "get9" },
		{ "put0-far", "put0-far", "put0-far" },
	};
	static const char *const variants[] = { "same-slot", "one-tree", "two-slots" };
	t_budget budget = { 2, 3000 * (uint64_t)scale, 1500 * (uint64_t)scale };
	for (unsigned exact = 0; exact < 2; exact++) {
		for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			for (unsigned variant = 0; variant < 3; variant++) {
				t_scenario scenario;
				t_scenario_begin(&scenario, exact, variant == 1 ? 1 : 2);
				for (unsigned j = 0; j < 3; j++)
					t_scenario_add(&scenario, t_atom_or_die(rows[i][j]), variant == 0 ? 0 : j % 2);
				(void)snprintf(scenario.name, sizeof(scenario.name), "triple/%s/%s+%s+%s/%s",
					       exact ? "exact" : "fast", rows[i][0], rows[i][1], rows[i][2],
					       variants[variant]);
				visit(&scenario, exact ? "triple/exact" : "triple/fast", &budget);
			}
		}
	}
}

/* --- classes ------------------------------------------------------------------------------------------------------ */

/* Two classes that never mix, or where one demotes the other's tree, reserved at the same time. */
static void classes(t_scenario_fn visit, unsigned scale)
{
	static const llfree_policy policies[] = {
		{ .classes = 2, .rule = { { LLFREE_MATCH, LLFREE_NEVER }, { LLFREE_NEVER, LLFREE_MATCH } } },
		{ .classes = 2, .rule = { { LLFREE_MATCH, LLFREE_DEMOTE }, { LLFREE_STEAL, LLFREE_MATCH } } },
	};
	static const char *const names[] = { "never", "demote" };
	t_budget budget = { 3, 3000 * (uint64_t)scale, 100 * (uint64_t)scale };
	for (unsigned exact = 0; exact < 2; exact++) {
		for (unsigned policy = 0; policy < 2; policy++) {
			for (unsigned order = 0; order <= LLFREE_HUGE_ORDER; order += 3) {
				for (unsigned trees = 1; trees <= 2; trees++) {
					t_scenario scenario;
					t_scenario_begin(&scenario, exact, trees);
					t_atom a = t_atom_of(t_op_none, t_op_get(order), t_op_put(0, order, 0));
					t_atom b = a;
					b.program[0].class_idx = 1;
					t_scenario_add(&scenario, &a, 0);
					t_scenario_add(&scenario, &b, 0);
					scenario.policy = &policies[policy];
					(void)snprintf(scenario.name, sizeof(scenario.name),
						       "classes/%s/%s/order%u/trees%u", exact ? "exact" : "fast",
						       names[policy], order, trees);
					visit(&scenario, exact ? "classes/exact" : "classes/fast", &budget);
				}
			}
		}
	}
}

/* --- crashes ------------------------------------------------------------------------------------------------------ */

static void crashes(t_scenario_fn visit, unsigned scale)
{
	static const char *const partners[] = { "get0-put0", "put0-adopt", "drain-all", "get9", "hard-last" };
	for (unsigned exact = 0; exact < 2; exact++) {
		for (unsigned i = 0; i < t_n_atoms; i++) {
			t_scenario scenario;
			t_budget budget = { 0, 1, 0 };
			t_scenario_begin(&scenario, exact, 2);
			scenario.crash = true;
			t_scenario_add(&scenario, &t_atoms[i], 0);
			(void)snprintf(scenario.name, sizeof(scenario.name), "crash/%s/%s", exact ? "exact" : "fast",
				       t_atoms[i].name);
			visit(&scenario, exact ? "crash/exact" : "crash/fast", &budget);
			for (unsigned j = 0; j < sizeof(partners) / sizeof(partners[0]); j++) {
				t_scenario_begin(&scenario, exact, 1);
				scenario.crash = true;
				t_scenario_add(&scenario, &t_atoms[i], 0);
				t_scenario_add(&scenario, t_atom_or_die(partners[j]), 1);
				(void)snprintf(scenario.name, sizeof(scenario.name), "crash/%s/%s+%s",
					       exact ? "exact" : "fast", t_atoms[i].name, partners[j]);
				budget = (t_budget){ 1, 25 * (uint64_t)scale, 0 };
				visit(&scenario, exact ? "crash/exact" : "crash/fast", &budget);
			}
		}
	}
}

void t_each_special(t_scenario_fn visit, unsigned scale)
{
	rollbacks(visit, scale);
	t_each_put(visit, scale);
	failing_installs(visit, scale);
	classes(visit, scale);
	triples(visit, scale);
	crashes(visit, scale);
}

void t_each_scenario(t_scenario_fn visit, unsigned scale)
{
	t_each_special(visit, scale);
	t_each_pair(visit, scale);
}
