/* SPDX-License-Identifier: MIT
 *
 * list: what is known, and what this machine lacks. */
#define _GNU_SOURCE
#include "cli/hv_options.h"
#include "cli/qvm_commands.h"
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"

#include <stdio.h>
#include <string.h>

static void techniques_list(const char *qemu)
{
	printf("Techniques:\n");
	for (const qvm_technique *const *each = qvm_techniques; *each != NULL; each++) {
		const char *device = (*each)->device;
		printf("  %-14s %s", (*each)->technique->name, (*each)->technique->summary);
		if (device != NULL && !qvm_device_known(qemu, device))
			printf(" [not here: this QEMU has no %s]", device);
		printf("\n");
	}
}

static void machine_list(void)
{
	char why[200];
	qvm_accel chosen;
	qvm_memory memory;
	if (qvm_accel_choose(QVM_ACCEL_AUTO, &chosen, why, sizeof(why)) == HV_OK)
		printf("Accelerator: %s%s%s\n", qvm_accel_text(chosen), why[0] != '\0' ? ", since " : "", why);
	if (qvm_memory_open(&memory, HV_HUGE_BYTES, NULL) == HV_OK)
		printf("Memory files: %s%s%s\n", memory.backing, memory.why[0] != '\0' ? ", since " : "", memory.why);
	qvm_memory_close(&memory);
}

int qvm_list_command(int argc, char **argv)
{
	const char *qemu = "qemu-system-x86_64";
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		printf("Usage: llfree-qemu list [--qemu PROGRAM]\n");
		return 0;
	}
	if (argc == 3 && strcmp(argv[1], "--qemu") == 0) {
		qemu = argv[2];
	} else if (argc > 1) {
		fprintf(stderr, "llfree-qemu list: unknown argument '%s'; allowed: --qemu PROGRAM\n", argv[1]);
		return HV_EXIT_USAGE;
	}
	printf("Scenarios:\n");
	for (const qvm_scenario *const *each = qvm_scenarios; *each != NULL; each++)
		printf("  %-14s %s\n", (*each)->name, (*each)->summary);
	techniques_list(qemu);
	machine_list();
	return 0;
}
