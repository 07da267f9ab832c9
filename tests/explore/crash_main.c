/* SPDX-License-Identifier: MIT
 *
 * crash: runs scenarios on a durable region, stops all threads after each single step, loses and reorders the stores
 * that were not flushed in many ways, recovers, and checks that nothing is lost but whole operations that were under
 * way. Also: the same after a kill, where the memory is intact; a recovery that is cut off itself; and, where all
 * threads end, what the explorer checks at rest. Exit code 0: nothing found; 1: something found; 2: usage. */
#define _POSIX_C_SOURCE 200809L
#include "media.h"
#include "scenarios.h"
#include "world_state.h"

#include <string.h>
#include <time.h>

#include "../support/t_rand.h"

enum { STOP_AFTER = 10 };

static struct {
	const char *filter;
	unsigned scale, pair_schedules;
	uint64_t seed;
	bool list, verbose, brief;
	uint64_t scenarios, schedules, points, images, skipped;
	unsigned failures;
	bool keep_claims;
	llfree_slot slots[8]; /* claims that may be lost by a power failure */
	bool slots_fixed;
	const char *how;
} crash;

void llf_sched_point(const void *cell, int kind);
void llf_sched_point(const void *cell, int kind)
{
	if (!t_inside_run())
		return;
	t_media_observe();
	t_point(cell, kind);
	t_media_observe(); /* another thread may have run */
	t_media_watch(cell);
}

static double seconds_now(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void report_failure(const t_scenario *scenario)
{
	static char schedule[T_REPLAY_MAX];
	crash.failures++;
	t_schedule_text(schedule, sizeof(schedule));
	printf("FAILED %s\n  %s\n  %s, schedule %s\n", scenario->name, t_run_failure(), crash.how, schedule);
	(void)fflush(stdout);
}

static void check_image(void)
{
	if (!t_run_failure())
		t_world_check_media(crash.keep_claims, crash.slots);
}

/* Everything that may be left of this moment. The world is as it was afterwards. */
static void check_stopped(void)
{
	static t_world saved;
	t_media_observe();
	saved = world;
	if (!crash.slots_fixed)
		memcpy(crash.slots, world.view.slots, sizeof(llfree_slot) * world.view.cpus * world.view.classes);
	crash.points++;
	crash.keep_claims = false;
	crash.how = "killed";
	t_world_media_begin();
	crash.images++;
	check_image();
	crash.keep_claims = true;
	t_world_media_begin();
	for (unsigned lines = 0; lines < 2 && !t_run_failure(); lines++) {
		crash.how = lines ? "power failure, stores of a line in order" : "power failure, stores in any order";
		crash.images += t_media_each(world.region, lines, crash.brief ? 8 : 64, crash.scale > 1 ? 8 : 2,
					     crash.seed + crash.points, check_image);
	}
	world = saved;
}

static void reset(void)
{
	t_world_reset();
	t_media_reset(world.region, world.region_bytes,
		      (size_t)((const uint8_t *)world.view.durable_rows - world.region));
}

/* One schedule to its end, then stopped after each of its steps. */
static bool run_schedule(const t_scenario *scenario, t_body_fn body)
{
	reset();
	/* What a recovery gives back is not flushed before its end. */
	crash.slots_fixed = body != t_world_thread;
	memcpy(crash.slots, world.view.slots, sizeof(llfree_slot) * world.view.cpus * world.view.classes);
	crash.how = "at rest";
	crash.schedules++;
	t_outcome outcome = t_explore_run(body, 0);
	uint64_t steps = t_run_steps();
	if (outcome == T_RUN_DONE && !t_run_failure()) {
		check_stopped();
		if (!t_run_failure() && body == t_world_thread)
			t_world_check();
	}
	for (uint64_t stop = 1; stop < steps && !t_run_failure(); stop++) {
		reset();
		if (t_explore_run(body, stop) == T_RUN_STOPPED)
			check_stopped();
	}
	if (!t_run_failure())
		return true;
	report_failure(scenario);
	return false;
}

/* A recovery after a kill is an operation like others: it may be cut off, by a kill or by a power failure. */
static void recovery_thread(unsigned thread)
{
	(void)thread;
	llfree_t view;
	if (llfree_recover(&view, world.region, world.region_bytes, false) != LLFREE_OK)
		t_fail("A10: recovery");
}

static void visit_with(const t_scenario *scenario, const t_budget *budget, t_body_fn body)
{
	if ((crash.filter && !strstr(scenario->name, crash.filter)) || crash.failures >= STOP_AFTER)
		return;
	if (crash.list) {
		printf("%s\n", scenario->name);
		return;
	}
	if (!t_world_setup(scenario)) {
		crash.skipped++;
		return;
	}
	crash.scenarios++;
	uint64_t images = crash.images;
	double since = seconds_now();
	t_explore_begin(T_EXHAUSTIVE, scenario->n_threads, budget->preemptions, 0);
	for (uint64_t n = 0; n < budget->max_schedules; n++) {
		if (!run_schedule(scenario, body) || !t_explore_next())
			break;
	}
	t_explore_begin(T_RANDOM, scenario->n_threads, 3, crash.seed + crash.scenarios);
	for (uint64_t n = 0; n < budget->random_schedules; n++) {
		if (!run_schedule(scenario, body))
			break;
	}
	if (crash.verbose)
		printf("  %-60s %9llu images %7.3f s\n", scenario->name, (unsigned long long)(crash.images - images),
		       seconds_now() - since);
}

static void visit_one(const t_scenario *scenario, const t_budget *budget)
{
	visit_with(scenario, budget, t_world_thread);
}

static void begin(t_scenario *scenario, bool exact, unsigned trees, const char *what, const char *name)
{
	t_scenario_begin(scenario, exact, trees);
	scenario->durable = true;
	scenario->flush = t_media_flush;
	(void)snprintf(scenario->name, sizeof(scenario->name), "%s/%s/%s", what, exact ? "exact" : "fast", name);
}

/* --- scenarios -------------------------------------------------------------------------------------------------- */

/* Every order: got, got at a place, put as a whole, and in parts of every smaller order. */
static void each_order(bool exact)
{
	t_budget one = { 0, 1, 0 };
	t_scenario scenario;
	char name[48];
	for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
		t_atom atoms[] = { t_atom_of(t_op_none, t_op_get(order), t_op_put(0, order, 0)),
				   t_atom_of(t_op_get_at(0, 0), t_op_get(order), t_op_get(0)),
				   t_atom_of(t_op_none, t_op_get_at(order, 0), t_op_put(0, order, 0)) };
		for (unsigned i = 0; i < sizeof(atoms) / sizeof(atoms[0]); i++) {
			(void)snprintf(name, sizeof(name), "order%u.%u", order, i);
			begin(&scenario, exact, 2, "orders", name);
			t_scenario_add(&scenario, &atoms[i], 0);
			visit_one(&scenario, &one);
		}
		for (unsigned part = 0; part < order; part++) {
			bool telling = part == 0 || part == 6 || part == 8 || part == 9 || part + 1 == order;
			if (order > LLFREE_HUGE_ORDER + 1 && !telling)
				continue;
			t_atom atom = t_atom_of(t_op_get(order), t_op_put(0, part, 0), t_op_put(0, part, 1u << part));
			(void)snprintf(name, sizeof(name), "parts%u-of-%u", part, order);
			begin(&scenario, exact, 2, "orders", name);
			t_scenario_add(&scenario, &atom, 0);
			visit_one(&scenario, &one);
		}
	}
}

static void singles(bool exact)
{
	t_budget one = { 0, 1, 0 };
	t_scenario scenario;
	for (unsigned i = 0; i < t_n_atoms; i++) {
		begin(&scenario, exact, 2, "single", t_atoms[i].name);
		t_scenario_add(&scenario, &t_atoms[i], 0);
		visit_one(&scenario, &one);
	}
}

static void pairs(bool exact)
{
	static const char *const partners[] = { "get0-put0", "put0-adopt", "parts8-of-9", "get7",      "put8",
						"get9",      "put9",       "hard-last",   "drain-all", "at8" };
	t_scenario scenario;
	char name[64];
	for (unsigned i = 0; i < t_n_atoms; i++) {
		for (unsigned j = 0; j < sizeof(partners) / sizeof(partners[0]); j++) {
			(void)snprintf(name, sizeof(name), "%s+%s", t_atoms[i].name, partners[j]);
			begin(&scenario, exact, 1, "pair", name);
			t_scenario_add(&scenario, &t_atoms[i], 0);
			t_scenario_add(&scenario, t_atom_or_die(partners[j]), 1);
			visit_one(&scenario, &(t_budget){ 1, crash.pair_schedules, crash.pair_schedules });
		}
	}
}

/* Claims of two slots and a huge frame, then a kill, then a recovery. */
static void recoveries(void)
{
	t_atom holder = { "", { t_op_get(0), t_op_get(9), { .kind = T_GET, .cpu = 1 } }, { { .kind = T_END } } };
	t_scenario scenario;
	begin(&scenario, false, 2, "recovery", "with-claims");
	t_scenario_add(&scenario, &holder, 0);
	visit_with(&scenario, &(t_budget){ 0, 1, 0 }, recovery_thread);
}

/* Two puts of one run race, and two owners give parts of one: the durable words decide who wins (A7). */
static void visit_put(const t_scenario *scenario, const char *family, const t_budget *budget)
{
	(void)family;
	t_scenario durable = *scenario;
	if (strncmp(durable.name, "double-put", 10) != 0 && strncmp(durable.name, "parts/", 6) != 0)
		return;
	durable.durable = true;
	durable.flush = t_media_flush;
	if ((crash.filter && !strstr(durable.name, crash.filter)) || crash.failures >= STOP_AFTER)
		return;
	if (crash.list || !t_world_setup(&durable)) {
		if (crash.list)
			printf("%s\n", durable.name);
		return;
	}
	crash.scenarios++;
	crash.how = "at rest";
	t_explore_begin(T_EXHAUSTIVE, durable.n_threads, budget->preemptions > 3 ? 3 : budget->preemptions, 0);
	for (uint64_t n = 0; n < (crash.brief ? 50 : crash.scale > 1 ? budget->max_schedules : 300); n++) {
		reset();
		crash.schedules++;
		if (t_explore_run(t_world_thread, 0) == T_RUN_DONE)
			t_world_check();
		if (t_run_failure()) {
			report_failure(&durable);
			return;
		}
		if (!t_explore_next())
			return;
	}
}

/* --- main ------------------------------------------------------------------------------------------------------- */

static int usage(void)
{
	fprintf(stderr, "usage: crash [--filter TEXT] [--orders] [--long | --brief] [--seed N] [--verbose] [--list]\n"
			"  --orders   every order alone, nothing else\n");
	return 2;
}

int main(int argc, char **argv)
{
	bool orders_only = false;
	crash.scale = crash.pair_schedules = 1;
	crash.seed = t_seed(1);
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--long")) {
			crash.scale = 20;
			crash.pair_schedules = 40;
		} else if (!strcmp(argv[i], "--brief"))
			crash.brief = true;
		else if (!strcmp(argv[i], "--orders"))
			orders_only = true;
		else if (!strcmp(argv[i], "--verbose"))
			crash.verbose = true;
		else if (!strcmp(argv[i], "--list"))
			crash.list = true;
		else if (!strcmp(argv[i], "--filter") && i + 1 < argc)
			crash.filter = argv[++i];
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			crash.seed = strtoull(argv[++i], NULL, 0);
		else
			return usage();
	}
	double since = seconds_now();
	for (unsigned exact = 2; exact-- > 0;) {
		each_order(exact);
		if (orders_only)
			continue;
		singles(exact);
		pairs(exact);
	}
	if (!orders_only) {
		recoveries();
		t_each_put(visit_put, crash.scale);
	}
	if (crash.list)
		return 0;
	printf("crash: orders 0..%d, seed %llu: %llu scenarios (%llu don't fit), %llu schedules, %llu crash points, "
	       "%llu store "
	       "orders, %u violations, %.1f s\n",
	       LLFREE_MAX_ORDER, (unsigned long long)crash.seed, (unsigned long long)crash.scenarios,
	       (unsigned long long)crash.skipped, (unsigned long long)crash.schedules, (unsigned long long)crash.points,
	       (unsigned long long)crash.images, crash.failures, seconds_now() - since);
	if (!crash.scenarios) {
		fprintf(stderr, "no scenario matches %s\n", crash.filter ? crash.filter : "");
		return 2;
	}
	return crash.failures ? 1 : 0;
}
