/* SPDX-License-Identifier: MIT
 *
 * What the process of a guest runs: a VM with its allocator, vCPUs and driver, told what to do by its control socket.
 * Programs that start guests (hvsim, tests) hand their command line over here first. */
#ifndef HV_GUEST_MAIN_H
#define HV_GUEST_MAIN_H

#include "base/hv_base.h"

#include <signal.h>

/** The one argument of such a process. */
#define HV_GUEST_COMMAND "guest-process"

/** Was this process started to be a guest? */
bool hv_guest_wanted(int argc, char **argv);
/** What it ignores: whoever starts one holds these back until it does. */
void hv_guest_signals(sigset_t *signals);
/** Be one. @return the exit code, HV_GUEST_EXIT_* */
int hv_guest_main(void);

#endif
