/* SPDX-License-Identifier: MIT
 *
 * The scenarios of the explorer: made one after another, so that none of them has to be stored. */
#ifndef T_SCENARIOS_H
#define T_SCENARIOS_H

#include "world.h"

typedef struct t_budget {
	unsigned preemptions;   /* bound of the exhaustive search */
	uint64_t max_schedules; /* then it is cut off, and random ones follow */
	uint64_t random_schedules;
} t_budget;

/* family: what the table of results adds up. */
typedef void (*t_scenario_fn)(const t_scenario *scenario, const char *family, const t_budget *budget);

/* Every scenario, in a fixed order. scale multiplies the budgets. */
void t_each_scenario(t_scenario_fn visit, unsigned scale);

/* Parts, by the file that makes them. */
void t_each_pair(t_scenario_fn visit, unsigned scale);
void t_each_special(t_scenario_fn visit, unsigned scale);

/* A named operation with what it needs beforehand. */
typedef struct t_atom {
	const char *name;
	t_op setup[6];
	t_op program[T_OPS_MAX];
} t_atom;
extern const t_atom t_atoms[];
extern const unsigned t_n_atoms;
const t_atom *t_atom_named(const char *name);
/* Add a thread that does this. */
void t_scenario_add(t_scenario *scenario, const t_atom *atom, unsigned cpu);
void t_scenario_begin(t_scenario *scenario, bool exact, unsigned trees);

#endif
