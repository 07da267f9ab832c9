/* SPDX-License-Identifier: MIT
 *
 * hvsim: takes memory back from simulated VMs, by every technique it knows, and proves that it came back. The first
 * argument names a scenario; everything else is the scenario's. */
#define _GNU_SOURCE
#include "cli/hv_options.h"
#include "rig/guest_main.h"
#include "scenario/hv_scenario.h"

#include <llfree/llfree.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

/* Atomic: any thread may be the one that gets the signal. */
static atomic_bool interrupted;

bool hv_interrupted(void)
{
	return atomic_load_explicit(&interrupted, memory_order_relaxed);
}

/* The first time: finish the step, save, end. The second time: the default action. */
static void on_signal(int signal_number)
{
	atomic_store_explicit(&interrupted, true, memory_order_relaxed);
	signal(signal_number, SIG_DFL);
}

static void usage(FILE *file)
{
	fprintf(file,
		"Usage: hvsim COMMAND [OPTION...]\n\n"
		"A simulated hypervisor that takes memory back from VMs and proves that it came back.\n\nCommands:\n");
	for (const hv_scenario *const *each = hv_scenarios; *each != NULL; each++)
		fprintf(file, "  %-12s %s\n", (*each)->name, (*each)->summary);
	fprintf(file, "\nhvsim COMMAND --help shows its options. Exit codes: 0 fine, 1 a check failed, 2 usage, "
		      "130 interrupted.\n");
}

static int scenario_run(const hv_scenario *scenario, int argc, char **argv)
{
	char name[64];
	snprintf(name, sizeof(name), "hvsim %s", scenario->name);
	argv[1] = name;
	argp_err_exit_status = HV_EXIT_USAGE;
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	return scenario->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	if (hv_guest_wanted(argc, argv))
		return hv_guest_main();
	if (argc < 2) {
		usage(stderr);
		return HV_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 || strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("hvsim %s\n", llfree_version());
		return 0;
	}
	for (const hv_scenario *const *each = hv_scenarios; *each != NULL; each++)
		if (strcmp((*each)->name, argv[1]) == 0)
			return scenario_run(*each, argc, argv);
	fprintf(stderr, "hvsim: unknown command '%s'\n\n", argv[1]);
	usage(stderr);
	return HV_EXIT_USAGE;
}
