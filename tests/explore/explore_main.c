/* SPDX-License-Identifier: MIT
 *
 * explore: runs scenarios under the schedule engine and prints how many schedules each family of them took. On a
 * failure it prints the scenario, what went wrong and a string that replays exactly this run, with a trace. Exit code
 * 0: nothing found; 1: something found; 2: usage. */
#define _POSIX_C_SOURCE 200809L
#include "scenarios.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../support/t_rand.h"

enum { SEEN_SLOTS = 1 << 15, SERIAL_MAX = 64, STOP_AFTER = 10 };

void llf_sched_point(const void *cell, int kind);
void llf_sched_point(const void *cell, int kind)
{
	t_point(cell, kind);
}

static struct {
	const char *filter, *replay_name, *replay_schedule;
	unsigned scale, divisor;
	bool list, verbose, keep_going, strict;
	uint64_t seed;
	/* this scenario */
	uint64_t seen[SEEN_SLOTS];
	uint64_t serial[SERIAL_MAX];
	unsigned n_serial;
	/* this family */
	char family[96];
	uint64_t family_scenarios, family_schedules, family_refusals, family_cut;
	double family_since;
	/* all */
	uint64_t scenarios, schedules, skipped, refusals;
	unsigned failures;
} explore;

static double seconds_now(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* --- one scenario ----------------------------------------------------------------------------------------------- */

static bool seen_before(uint64_t hash)
{
	hash |= 1;
	for (unsigned probe = 0; probe < 64; probe++) {
		uint64_t *slot = &explore.seen[(hash + probe) % SEEN_SLOTS];
		if (*slot == hash)
			return true;
		if (!*slot) {
			*slot = hash;
			return false;
		}
	}
	return false;
}

static void report_failure(const t_scenario *scenario)
{
	static char schedule[T_REPLAY_MAX];
	char results[1024];
	explore.failures++;
	t_schedule_text(schedule, sizeof(schedule));
	t_world_results_text(results, sizeof(results));
	printf("FAILED %s\n  %s\n%s  replay: explore_x%d --replay '%s %s'\n", scenario->name, t_run_failure(), results,
	       LLFREE_TREE_HUGE, scenario->name, schedule);
	(void)fflush(stdout);
}

/* Every order of whole operations; what they return is what concurrent ones may return. */
static bool run_serial(const t_scenario *scenario)
{
	explore.n_serial = 0;
	t_explore_begin(T_SERIAL, scenario->n_threads, 0, 0);
	do {
		t_world_reset();
		t_outcome outcome = t_explore_run(t_world_thread, 0);
		explore.schedules++;
		explore.family_schedules++;
		uint64_t results = t_world_results();
		if (outcome == T_RUN_DONE && !seen_before(t_world_hash()))
			t_world_check();
		if (t_run_failure()) {
			report_failure(scenario);
			return false;
		}
		unsigned i = 0;
		while (i < explore.n_serial && explore.serial[i] != results)
			i++;
		if (i == explore.n_serial && i < SERIAL_MAX)
			explore.serial[explore.n_serial++] = results;
	} while (t_explore_next());
	return true;
}

static void check_results(void)
{
	uint64_t results = t_world_results();
	for (unsigned i = 0; i < explore.n_serial; i++) {
		if (explore.serial[i] == results)
			return;
	}
	explore.family_refusals++;
	explore.refusals++;
	if (!t_world_result_allowed(explore.serial, explore.n_serial, explore.strict))
		t_fail("these results come from no order of the operations");
}

static bool run_one(const t_scenario *scenario)
{
	t_world_reset();
	t_outcome outcome = t_explore_run(t_world_thread, 0);
	explore.schedules++;
	explore.family_schedules++;
	if (outcome == T_RUN_DONE && !seen_before(t_world_hash())) {
		check_results();
		if (!t_run_failure())
			t_world_check();
	}
	if (!t_run_failure())
		return true;
	report_failure(scenario);
	return false;
}

/* The last schedule again, stopped after each of its steps. */
static bool run_crashes(const t_scenario *scenario)
{
	t_world_reset();
	if (t_explore_run(t_world_thread, 0) != T_RUN_DONE) {
		report_failure(scenario);
		return false;
	}
	uint64_t steps = t_run_steps();
	for (uint64_t stop = 1; stop < steps; stop++) {
		t_world_reset();
		t_outcome outcome = t_explore_run(t_world_thread, stop);
		explore.schedules++;
		explore.family_schedules++;
		if (outcome == T_RUN_STOPPED && !seen_before(t_world_hash()))
			t_world_check_crash();
		if (t_run_failure()) {
			report_failure(scenario);
			return false;
		}
	}
	return true;
}

static bool explore_scenario(const t_scenario *scenario, const t_budget *budget)
{
	memset(explore.seen, 0, sizeof(explore.seen));
	if (!scenario->crash && !run_serial(scenario))
		return false;
	uint64_t n = 0;
	bool more = true;
	t_explore_begin(T_EXHAUSTIVE, scenario->n_threads, budget->preemptions, 0);
	while (more && n++ < (budget->max_schedules + explore.divisor - 1) / explore.divisor) {
		if (scenario->crash ? !run_crashes(scenario) : !run_one(scenario))
			return false;
		more = t_explore_next();
	}
	explore.family_cut += more;
	for (unsigned strategy = 0; more && strategy < 2; strategy++) {
		t_explore_begin(strategy ? T_PRIORITY : T_RANDOM, scenario->n_threads, 3,
				explore.seed + explore.scenarios);
		for (n = 0; n < budget->random_schedules / explore.divisor; n++) {
			if (!run_one(scenario))
				return false;
		}
	}
	return true;
}

/* --- families --------------------------------------------------------------------------------------------------- */

static void end_family(void)
{
	if (explore.family_scenarios)
		printf("%-44s %6llu scenarios %9llu schedules %5llu cut off %5llu mixed %7.2f s\n", explore.family,
		       (unsigned long long)explore.family_scenarios, (unsigned long long)explore.family_schedules,
		       (unsigned long long)explore.family_cut, (unsigned long long)explore.family_refusals,
		       seconds_now() - explore.family_since);
	explore.family_scenarios = explore.family_schedules = explore.family_refusals = explore.family_cut = 0;
}

static void visit(const t_scenario *scenario, const char *family, const t_budget *budget)
{
	if ((explore.filter && !strstr(scenario->name, explore.filter)) ||
	    (explore.failures >= STOP_AFTER && !explore.keep_going))
		return;
	if (explore.list) {
		printf("%s\n", scenario->name);
		return;
	}
	if (strcmp(family, explore.family)) {
		end_family();
		(void)snprintf(explore.family, sizeof(explore.family), "%s", family);
		explore.family_since = seconds_now();
	}
	if (!t_world_setup(scenario)) {
		/* Too little memory in this geometry for what the scenario needs. */
		explore.skipped++;
		if (explore.verbose)
			printf("not here: %s: %s\n", scenario->name, t_run_failure());
		return;
	}
	explore.scenarios++;
	explore.family_scenarios++;
	double since = seconds_now();
	uint64_t schedules = explore.schedules, refusals = explore.refusals;
	(void)explore_scenario(scenario, budget);
	if (explore.verbose)
		printf("  %-70s %8llu schedules %5llu mixed %7.3f s\n", scenario->name,
		       (unsigned long long)(explore.schedules - schedules),
		       (unsigned long long)(explore.refusals - refusals), seconds_now() - since);
}

/* --- replay ----------------------------------------------------------------------------------------------------- */

static void print_step(const t_trace_step *step)
{
	char text[160];
	if (step->kind < 0)
		t_op_text(step->cell, text, sizeof(text));
	else
		t_world_cell_text(step->cell, step->kind, text, sizeof(text));
	printf("%s%c: %s\n", step->kind < 0 ? "" : "    ", 'a' + (int)step->thread, text);
}

static void visit_replay(const t_scenario *scenario, const char *family, const t_budget *budget)
{
	(void)family;
	(void)budget;
	if (strcmp(scenario->name, explore.replay_name))
		return;
	explore.scenarios++;
	if (!t_world_setup(scenario)) {
		printf("setup: %s\n", t_run_failure());
		explore.failures++;
		return;
	}
	if (!scenario->crash && !run_serial(scenario))
		return;
	if (!t_explore_replay(scenario->n_threads, explore.replay_schedule)) {
		fprintf(stderr, "not a schedule: %s\n", explore.replay_schedule);
		exit(2);
	}
	memset(explore.seen, 0, sizeof(explore.seen));
	t_trace_enable(print_step);
	t_world_reset();
	t_outcome outcome = t_explore_run(t_world_thread, 0);
	t_trace_enable(NULL);
	if (outcome == T_RUN_STOPPED)
		t_world_check_crash();
	if (outcome == T_RUN_DONE) {
		check_results();
		if (!t_run_failure())
			t_world_check();
	}
	if (t_run_failure())
		report_failure(scenario);
	else
		printf("nothing wrong in this run\n");
}

static int usage(void)
{
	fprintf(stderr,
		"usage: explore [--filter TEXT] [--long | --brief] [--scale N] [--seed N] [--verbose] [--keep-going] "
		"[--strict] [--list]\n"
		"       explore --replay 'SCENARIO SCHEDULE'\n");
	return 2;
}

static bool parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		char *value = i + 1 < argc ? argv[i + 1] : NULL;
		if (!strcmp(argv[i], "--long"))
			explore.scale = 20;
		else if (!strcmp(argv[i], "--brief"))
			explore.divisor = 8;
		else if (!strcmp(argv[i], "--verbose"))
			explore.verbose = true;
		else if (!strcmp(argv[i], "--keep-going"))
			explore.keep_going = true;
		else if (!strcmp(argv[i], "--strict"))
			explore.strict = true;
		else if (!strcmp(argv[i], "--list"))
			explore.list = true;
		else if (!value)
			return false;
		else if (!strcmp(argv[i], "--filter"))
			explore.filter = argv[++i];
		else if (!strcmp(argv[i], "--scale"))
			explore.scale = (unsigned)strtoul(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--seed"))
			explore.seed = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--replay")) {
			char *space = strchr(argv[++i], ' ');
			if (!space)
				return false;
			*space = 0;
			explore.replay_name = argv[i];
			explore.replay_schedule = space + 1;
		} else
			return false;
	}
	return explore.scale > 0;
}

int main(int argc, char **argv)
{
	explore.scale = explore.divisor = 1;
	explore.seed = t_seed(1);
	if (!parse(argc, argv))
		return usage();
	double since = seconds_now();
	if (explore.replay_name) {
		t_each_scenario(visit_replay, explore.scale);
		if (!explore.scenarios) {
			fprintf(stderr, "no scenario is called %s; --list shows all\n", explore.replay_name);
			return 2;
		}
		return explore.failures ? 1 : 0;
	}
	if (!explore.list)
		printf("explore: %d huge frames per tree, seed %llu, scale %u\n", LLFREE_TREE_HUGE,
		       (unsigned long long)explore.seed, explore.scale);
	t_each_scenario(visit, explore.scale);
	if (explore.list)
		return 0;
	end_family();
	printf("%llu scenarios, %llu schedules, %llu results that no serial order gives, %llu scenarios don't fit, %u "
	       "failures, "
	       "%.1f s\n",
	       (unsigned long long)explore.scenarios, (unsigned long long)explore.schedules,
	       (unsigned long long)explore.refusals, (unsigned long long)explore.skipped, explore.failures,
	       seconds_now() - since);
	if (!explore.scenarios) {
		fprintf(stderr, "no scenario matches %s\n", explore.filter ? explore.filter : "");
		return 2;
	}
	return explore.failures ? 1 : 0;
}
