/* SPDX-License-Identifier: MIT
 *
 * run: finds the scenario and hands it the rest of the command line. */
#define _GNU_SOURCE
#include "cli/hv_options.h"
#include "cli/qvm_commands.h"
#include "scenario/qvm_scenario.h"

#include <stdio.h>
#include <string.h>

static void usage(FILE *file)
{
	fprintf(file, "Usage: llfree-qemu run --scenario NAME [OPTION...]\n\nScenarios:\n");
	for (const qvm_scenario *const *each = qvm_scenarios; *each != NULL; each++)
		fprintf(file, "  %-14s %s\n", (*each)->name, (*each)->summary);
	fprintf(file, "\nllfree-qemu run --scenario NAME --help shows its options.\n");
}

/* Take --scenario NAME or --scenario=NAME out of the arguments. @return its value; NULL when it is not there */
static const char *scenario_take(int *argc, char **argv)
{
	static const char option[] = "--scenario";
	for (int at = 1; at < *argc; at++) {
		bool alone = strcmp(argv[at], option) == 0 && at + 1 < *argc;
		bool joined = strncmp(argv[at], option, sizeof(option) - 1) == 0 && argv[at][sizeof(option) - 1] == '=';
		if (!alone && !joined)
			continue;
		const char *name = alone ? argv[at + 1] : argv[at] + sizeof(option);
		int n_taken = alone ? 2 : 1;
		memmove(&argv[at], &argv[at + n_taken], (size_t)(*argc - at - n_taken + 1) * sizeof(*argv));
		*argc -= n_taken;
		return name;
	}
	return NULL;
}

int qvm_run_command(int argc, char **argv)
{
	char name[100];
	const char *wanted = scenario_take(&argc, argv);
	if (wanted == NULL) {
		bool help = argc == 2 && strcmp(argv[1], "--help") == 0;
		if (!help)
			fprintf(stderr, "llfree-qemu run: --scenario NAME is missing\n\n");
		usage(help ? stdout : stderr);
		return help ? 0 : HV_EXIT_USAGE;
	}
	for (const qvm_scenario *const *each = qvm_scenarios; *each != NULL; each++) {
		if (strcmp((*each)->name, wanted) != 0)
			continue;
		snprintf(name, sizeof(name), "llfree-qemu run --scenario %s", wanted);
		argv[0] = name;
		return (*each)->run(argc, argv);
	}
	fprintf(stderr, "llfree-qemu run: unknown scenario '%s'\n\n", wanted);
	usage(stderr);
	return HV_EXIT_USAGE;
}
