/* SPDX-License-Identifier: MIT
 *
 * A scenario: one command of hvsim. One file in scenario/ with one descriptor hv_scenario_NAME; the build collects
 * them. It parses its own command line, writes rows and checks into a result, and returns the exit code. */
#ifndef HV_SCENARIO_H
#define HV_SCENARIO_H

#include "base/hv_base.h"

typedef struct hv_scenario {
	const char *name, *summary;
	/** argv[0] is "hvsim NAME". */
	int (*run)(int argc, char **argv);
} hv_scenario;

/** All scenarios, ended by NULL; collected by the build. */
extern const hv_scenario *const hv_scenarios[];

/** Did somebody press Ctrl-C (or send SIGTERM)? Scenarios ask between steps, save and return HV_EXIT_INTERRUPTED. */
bool hv_interrupted(void);

#endif
