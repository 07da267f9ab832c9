/* SPDX-License-Identifier: MIT
 *
 * The scenarios of the explorer: made one after another, so that none of them has to be stored. */
#ifndef T_SCENARIOS_H
#define T_SCENARIOS_H

#include "world.h"

#include <stdio.h>
#include <stdlib.h>

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
void t_each_put(t_scenario_fn visit, unsigned scale);
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

/* --- short ways to write them ------------------------------------------------------------------------------------ */

static const t_op t_op_none = { .kind = T_END };

static inline t_op t_op_get(unsigned order)
{
	return (t_op){ .kind = T_GET, .order = (uint8_t)order };
}

static inline t_op t_op_get_at(unsigned order, unsigned frame)
{
	return (t_op){ .kind = T_GET_AT, .order = (uint8_t)order, .at = (uint16_t)frame };
}

static inline t_op t_op_put(unsigned held_idx, unsigned order, unsigned offset)
{
	return (t_op){ .kind = T_PUT, .order = (uint8_t)order, .at = (uint16_t)held_idx, .offset = (uint16_t)offset };
}

static inline t_op t_op_at(t_kind kind, unsigned idx)
{
	return (t_op){ .kind = kind, .at = (uint16_t)idx };
}

static inline t_atom t_atom_of(t_op setup, t_op first, t_op second)
{
	return (t_atom){ "", { setup }, { first, second } };
}

static inline const t_atom *t_atom_or_die(const char *name)
{
	const t_atom *atom = t_atom_named(name);
	if (!atom) {
		fprintf(stderr, "no operation is called %s\n", name);
		exit(2);
	}
	return atom;
}

#endif
