/* SPDX-License-Identifier: MIT
 *
 * Scenarios that measure what a real guest feels of resizes: the windows, rows and table of hvsim's
 * (rig/impact_course.h, cli/impact_rows.h) around a job in the guest that runs the same kernels. */
#ifndef QVM_IMPACT_H
#define QVM_IMPACT_H

#include "cli/impact_rows.h"

typedef struct qvm_impact_spec {
	const char *scenario, *doc; /**< the scenario's name is that of the kernel in the guest */
	const hv_impact_measure *measure;
} qvm_impact_spec;

/** Where these scenarios differ from the common options. */
#define QVM_IMPACT_DEFAULTS "--iterations 3 windows of each kind, --duration 2.5 seconds each, --period 500."

/** Parse, run, write. @return the exit code */
int qvm_impact_command(const qvm_impact_spec *spec, int argc, char **argv);

#endif
