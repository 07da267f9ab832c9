/* SPDX-License-Identifier: MIT
 *
 * The command line and the run of scenarios that measure what a simulated guest feels of resizes: all but the kernel
 * that its vCPUs run. */
#ifndef HV_IMPACT_COMMAND_H
#define HV_IMPACT_COMMAND_H

#include "cli/impact_rows.h"
#include "rig/impact.h"

/** Where these scenarios differ from the common options. */
#define HV_IMPACT_DEFAULTS \
	"--memory 2G, --vcpus as many as CPUs, --iterations 3 windows of each kind, --slow-limit 256M, --period 500."

typedef struct hv_impact_spec {
	const char *scenario, *doc;
	const hv_impact_kernel *kernel;
	const hv_impact_measure *measure;
	bool (*interrupted)(void);
} hv_impact_spec;

/** Parse, run, write. @return the exit code */
int hv_impact_command(const hv_impact_spec *spec, int argc, char **argv);

#endif
