/* SPDX-License-Identifier: MIT
 *
 * Scenarios around giving back: two owners freeing parts of one huge frame, one run put twice, counts that move from a
 * tree to a reservation, and children with less count than visible bits. */
#include "scenarios.h"

/* --- put ---------------------------------------------------------------------------------------------------------- */

/* a frees the lower half of a huge run, b the upper; others look for what becomes free. */
static void shared_huge(t_scenario_fn visit, unsigned scale)
{
	static const unsigned parts[] = { 0, 6, 7, 8 };
	static const char *const thirds[] = { "", "get0", "get6", "get8", "get9", "at6", "hard", "soft", "drain-all" };
	for (unsigned exact = 0; exact < 2; exact++) {
		for (unsigned i = 0; i < 4; i++) {
			for (unsigned third = 0; third < sizeof(thirds) / sizeof(thirds[0]); third++) {
				t_scenario scenario;
				t_scenario_begin(&scenario, exact, 1);
				t_atom a = t_atom_of(t_op_get_at(9, 0), t_op_put(0, parts[i], 0), t_op_none);
				t_atom b = t_atom_of(t_op_none, t_op_put(0, parts[i], 0), t_op_none);
				t_scenario_add(&scenario, &a, 0);
				scenario.setup[0][scenario.n_setup[0]++] =
					(t_op){ .kind = T_GIVE, .order = 8, .offset = 256, .other = 1 };
				t_scenario_add(&scenario, &b, 1);
				if (*thirds[third])
					t_scenario_add(&scenario, t_atom_or_die(thirds[third]), 1);
				(void)snprintf(scenario.name, sizeof(scenario.name), "parts/%s/put%u+put%u%s%s",
					       exact ? "exact" : "fast", parts[i], parts[i], *thirds[third] ? "+" : "",
					       thirds[third]);
				t_budget budget = { *thirds[third] ? 2 : 4, 2500 * (uint64_t)scale,
						    100 * (uint64_t)scale };
				visit(&scenario, exact ? "parts/exact" : "parts/fast", &budget);
			}
		}
	}
}

/* One run put by two threads: one wins (A7, exact mode). */
static void raced_puts(t_scenario_fn visit, unsigned scale)
{
	t_budget budget = { 4, 6000 * (uint64_t)scale, 200 * (uint64_t)scale };
	for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
		for (unsigned whole = 0; whole < 2; whole++) {
			unsigned held = whole || order >= LLFREE_HUGE_ORDER ? order : LLFREE_HUGE_ORDER;
			if (!whole && order >= LLFREE_HUGE_ORDER)
				continue;
			t_scenario scenario;
			t_scenario_begin(&scenario, true, 1);
			t_atom raced =
				t_atom_of(t_op_none, (t_op){ .kind = T_PUT_RACED, .order = (uint8_t)order }, t_op_none);
			t_scenario_add(&scenario, &raced, 0);
			t_scenario_add(&scenario, &raced, 1);
			scenario.bystander[0] = t_op_get_at(held, 0);
			scenario.n_bystander = 1;
			scenario.successes = 1;
			(void)snprintf(scenario.name, sizeof(scenario.name), "double-put/exact/order%u-of-%u", order,
				       held);
			visit(&scenario, "double-put/exact", &budget);
		}
	}
}

/* One run put whole by a, and a part of it by b: one of them wins. Not for huge frames: there a part put between the
 * CAS that opens the child and the clearing of its rows can't be told from an owner's (docs/invariants.md). */
static void raced_parts(t_scenario_fn visit, unsigned scale)
{
	t_budget budget = { 3, 3000 * (uint64_t)scale, 100 * (uint64_t)scale };
	for (unsigned order = 1; order < LLFREE_HUGE_ORDER; order++) {
		for (unsigned part = order > 3 ? order - 3 : 0; part < order; part++) {
			for (unsigned offset = 0; offset < 1u << order; offset += 1u << part) {
				t_scenario scenario;
				t_scenario_begin(&scenario, true, 1);
				t_atom whole = t_atom_of(
					t_op_none, (t_op){ .kind = T_PUT_RACED, .order = (uint8_t)order }, t_op_none);
				t_atom some = t_atom_of(t_op_none, t_op_none, t_op_none);
				some.program[0] = (t_op){ .kind = T_PUT_RACED,
							  .order = (uint8_t)part,
							  .offset = (uint16_t)offset };
				t_scenario_add(&scenario, &whole, 0);
				t_scenario_add(&scenario, &some, 1);
				scenario.bystander[0] = t_op_get_at(order, 0);
				scenario.n_bystander = 1;
				scenario.successes = 1;
				(void)snprintf(scenario.name, sizeof(scenario.name),
					       "double-put/exact/order%u+order%u-at%u", order, part, offset);
				visit(&scenario, "double-put/exact with a part", &budget);
			}
		}
	}
}

/* The slot's reservation is empty, and its tree got 256 frames back through another slot: a get moves them over, while
 * somebody changes the slot, the tree, or both. */
static void synchronisations(t_scenario_fn visit, unsigned scale)
{
	static const unsigned orders[] = { 0, 3, 6, 8 };
	t_budget budget = { 3, 3000 * (uint64_t)scale, 100 * (uint64_t)scale };
	const struct {
		const char *name;
		t_atom atom;
	} others[] = {
		{ "drain-slot", t_atom_of(t_op_none, t_op_at(T_DRAIN_SLOT, 0), t_op_none) },
		{ "drain-all", t_atom_of(t_op_none, t_op_at(T_DRAIN_ALL, 0), t_op_none) },
		{ "get0", t_atom_of(t_op_none, t_op_get(0), t_op_none) },
		{ "get8", t_atom_of(t_op_none, t_op_get(8), t_op_none) },
		{ "offline", t_atom_of(t_op_none, t_op_at(T_OFFLINE, 0), t_op_none) },
		{ "put0", t_atom_of(t_op_none, t_op_put(0, 0, 0), t_op_none) },
		{ "put8", t_atom_of(t_op_none, t_op_put(0, 8, 0), t_op_none) },
		{ "drain-slot-get0", t_atom_of(t_op_none, t_op_at(T_DRAIN_SLOT, 0), t_op_get(0)) },
	};
	for (unsigned exact = 0; exact < 2; exact++) {
		for (unsigned i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
			for (unsigned j = 0; j < sizeof(others) / sizeof(others[0]); j++) {
				t_scenario scenario;
				t_scenario_begin(&scenario, exact, 1);
				t_atom a = t_atom_of(t_op_get(LLFREE_MAX_ORDER), t_op_get(orders[i]), t_op_none);
				t_scenario_add(&scenario, &a, 0);
				t_op *setup = &scenario.setup[0][scenario.n_setup[0]];
				setup[0] = (t_op){ .kind = T_PUT, .order = 8, .offset = 256, .cpu = 1 };
				setup[1] = (t_op){ .kind = T_GIVE, .order = 8, .offset = 0, .other = 1 };
				scenario.n_setup[0] += 2;
				t_scenario_add(&scenario, &others[j].atom, 0);
				(void)snprintf(scenario.name, sizeof(scenario.name), "sync/%s/get%u+%s",
					       exact ? "exact" : "fast", orders[i], others[j].name);
				visit(&scenario, exact ? "sync/exact" : "sync/fast", &budget);
			}
		}
	}
}

/* 40 free frames in the first child, 32 of them in one half row, and more elsewhere: a get of loose frames sees more
 * bits than the child has count left for it. */
static void scarce_children(t_scenario_fn visit, unsigned scale)
{
	static const char *const names[] = { "get0",      "get0-put0",  "get0-get0",  "get3",      "at3",
					     "get-batch", "handle-get", "drain-slot", "drain-all", "hard-last" };
	t_budget budget = { 3, 2500 * (uint64_t)scale, 100 * (uint64_t)scale };
	for (unsigned exact = 0; exact < 2; exact++) {
		for (unsigned i = 0; i < 5; i++) {
			for (unsigned j = i; j < sizeof(names) / sizeof(names[0]); j++) {
				for (unsigned cpu = 0; cpu < 2; cpu++) {
					t_scenario scenario;
					t_scenario_begin(&scenario, exact, 1);
					t_scenario_add(&scenario, t_atom_or_die(names[i]), 0);
					t_scenario_add(&scenario, t_atom_or_die(names[j]), cpu);
					for (unsigned row = 1; row < LLFREE_HUGE_ROWS; row++)
						scenario.bystander[scenario.n_bystander++] = t_op_get_at(6, row * 64);
					scenario.bystander[scenario.n_bystander++] = t_op_get_at(4, 48);
					scenario.bystander[scenario.n_bystander++] = t_op_get_at(3, 40);
					(void)snprintf(scenario.name, sizeof(scenario.name), "scarce/%s/%s+%s/cpu%u",
						       exact ? "exact" : "fast", names[i], names[j], cpu);
					visit(&scenario, exact ? "scarce/exact" : "scarce/fast", &budget);
				}
			}
		}
	}
}

void t_each_put(t_scenario_fn visit, unsigned scale)
{
	shared_huge(visit, scale);
	raced_puts(visit, scale);
	raced_parts(visit, scale);
	synchronisations(visit, scale);
	scarce_children(visit, scale);
}
