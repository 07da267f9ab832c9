/* SPDX-License-Identifier: MIT
 *
 * A scenario of real VMs: `llfree-qemu run --scenario NAME`. One file scenario/qvm_NAME.c with one descriptor
 * qvm_scenario_NAME; the build collects them. It parses its own command line (qvm_options_argp is the part that all
 * share), starts VMs by qvm_rig, writes rows and checks into a result, and returns the exit code. */
#ifndef QVM_SCENARIO_H
#define QVM_SCENARIO_H

#include "base/hv_base.h"

typedef struct qvm_scenario {
	const char *name, *summary;
	/** argv[0] is "llfree-qemu run --scenario NAME"; --scenario itself is taken out. */
	int (*run)(int argc, char **argv);
} qvm_scenario;

/** All scenarios, ended by NULL; collected by the build. */
extern const qvm_scenario *const qvm_scenarios[];

/** Did somebody press Ctrl-C (or send SIGTERM)? Scenarios ask between steps, save and return HV_EXIT_INTERRUPTED. */
bool hv_interrupted(void);

#endif
