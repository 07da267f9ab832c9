/* SPDX-License-Identifier: MIT
 *
 * llfree-qemu: boots real VMs under an unmodified QEMU, takes memory back from them by every technique it knows, and
 * proves that it came back. The first argument names a command; everything else is the command's. */
#define _GNU_SOURCE
#include "cli/hv_options.h"
#include "cli/qvm_commands.h"
#include "scenario/qvm_scenario.h"

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

/* The first time: finish the step, save, end. The second time: the default action; the kernel ends the VMs. */
static void on_signal(int signal_number)
{
	atomic_store_explicit(&interrupted, true, memory_order_relaxed);
	signal(signal_number, SIG_DFL);
}

static const struct {
	const char *name, *summary;
	int (*run)(int argc, char **argv);
} command_table[] = {
	{ "run", "start VMs and measure: run --scenario NAME [OPTION...]", qvm_run_command },
	{ "image", "make the guest's kernel and initramfs, or find them in the cache", qvm_image_command },
	{ "list", "scenarios and techniques, and what this machine lacks for them", qvm_list_command },
	{ "validate", "the same scenario in hvsim and in VMs, side by side", qvm_validate_command },
};
enum { N_COMMANDS = sizeof(command_table) / sizeof(command_table[0]) };

static void usage(FILE *file)
{
	fprintf(file, "Usage: llfree-qemu COMMAND [OPTION...]\n\n"
		      "Takes memory back from real VMs under an unmodified QEMU, and proves that it came "
		      "back.\n\nCommands:\n");
	for (size_t at = 0; at < N_COMMANDS; at++)
		fprintf(file, "  %-12s %s\n", command_table[at].name, command_table[at].summary);
	fprintf(file, "\nllfree-qemu COMMAND --help shows its options. Exit codes: 0 fine, 1 a check failed, 2 usage, "
		      "130 interrupted.\n");
}

int main(int argc, char **argv)
{
	char name[64];
	argp_err_exit_status = HV_EXIT_USAGE;
	if (argc < 2) {
		usage(stderr);
		return HV_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 || strcmp(argv[1], "help") == 0) {
		usage(stdout);
		return 0;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("llfree-qemu %s\n", llfree_version());
		return 0;
	}
	for (size_t at = 0; at < N_COMMANDS; at++) {
		if (strcmp(command_table[at].name, argv[1]) != 0)
			continue;
		snprintf(name, sizeof(name), "llfree-qemu %s", argv[1]);
		argv[1] = name;
		signal(SIGINT, on_signal);
		signal(SIGTERM, on_signal);
		signal(SIGPIPE, SIG_IGN);
		return command_table[at].run(argc - 1, argv + 1);
	}
	fprintf(stderr, "llfree-qemu: unknown command '%s'\n\n", argv[1]);
	usage(stderr);
	return HV_EXIT_USAGE;
}
