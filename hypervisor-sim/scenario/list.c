/* SPDX-License-Identifier: MIT
 *
 * hvsim list: techniques, backings, policies and guest allocators that are known, and what this machine lacks. */
#include "device/hv_dma.h"
#include "cli/policy_options.h"
#include "memory/base_page.h"
#include "memory/discard.h"
#include "memory/residency.h"
#include "scenario/hv_scenario.h"
#include "techniques/hv_technique.h"

#include <argp.h>
#include <stdio.h>

static void show_techniques(void)
{
	printf("techniques\n");
	for (const hv_technique *const *each = hv_techniques; *each != NULL; each++) {
		char grain[32];
		printf("  %-14s %s\n  %-14s moves %s, %s, %s, guest allocator %s\n", (*each)->name, (*each)->summary,
		       "", hv_format_bytes((*each)->grain_bytes, grain, sizeof(grain)),
		       (*each)->automatic ? "automatic" : "down to a limit",
		       (*each)->dma_safe ? "DMA-safe" : "not DMA-safe", (*each)->allocator);
	}
}

static void show_backings(void)
{
	printf("backings\n");
	for (const hv_backing *const *each = hv_backings; *each != NULL; each++) {
		char why[160];
		bool available = hv_backing_available(*each, why, sizeof(why));
		printf("  %-14s %s%s%s\n", (*each)->name, (*each)->summary,
		       available ? "" : "; not here: ", available ? "" : why);
	}
}

static void show_policies(void)
{
	printf("policies (--policy; or a plug-in, FILE.so)\n");
	for (const hv_policy *const *each = hv_policies; *each != NULL; each++) {
		char why[300];
		bool available = hv_policy_available(*each, NULL, why, sizeof(why));
		printf("  %-14s %s%s%s\n", (*each)->name, (*each)->summary,
		       available ? "" : "; not here: ", available ? "" : why);
	}
}

static void show_machine(void)
{
	char text[32], why[300];
	hv_psi psi;
	hv_discarder discarder;
	hv_discarder_open(&discarder, HV_DISCARD_VECTORED);
	bool vectored = discarder.way == HV_DISCARD_VECTORED;
	hv_discarder_close(&discarder);
	printf("this machine\n");
	printf("  base pages     %u KiB\n", (unsigned)(hv_base_page_bytes() >> 10));
	printf("  discard        %s\n",
	       vectored ? "vectored process_madvise"
			: "no process_madvise on oneself (kernel 6.13): madvise over neighbours");
	printf("  residency      %s\n",
	       hv_residency_scan_known() ? "PAGEMAP_SCAN" : "no PAGEMAP_SCAN (kernel 6.7): mincore and smaps");
	printf("  populate       %s\n",
	       hv_populate_known() ? "MADV_POPULATE_WRITE" : "no MADV_POPULATE_WRITE (kernel 5.14): touching");
	printf("  DMA device     %s\n", hv_dma_available(why, sizeof(why)) ? "io_uring fixed buffers" : why);
	printf("  pressure       %s\n", hv_psi_read(HV_PSI_HOST, &psi, why, sizeof(why)) ? HV_PSI_HOST : why);
	printf("  memory         %s available\n",
	       hv_format_bytes(hv_meminfo_bytes("MemAvailable"), text, sizeof(text)));
}

static int list_run(int argc, char **argv)
{
	static const struct argp argp = { .doc = "Show the techniques, backings, policies and guest allocators that "
						 "are known, and what this machine lacks." };
	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	show_techniques();
	show_backings();
	show_policies();
	printf("guest allocators\n");
	for (const hv_guest_allocator *const *each = hv_guest_allocators; *each != NULL; each++)
		printf("  %-14s %s\n", (*each)->name, (*each)->summary);
	show_machine();
	return 0;
}

const hv_scenario hv_scenario_list = {
	.name = "list",
	.summary = "what is known, and what this machine lacks",
	.run = list_run,
};
