/* SPDX-License-Identifier: MIT
 *
 * --live: what the VMs of this process are doing, five times a second on one screen, or where there is no terminal as
 * lines on stderr, one per VM and second. A thread of its own looks at the host's records and at resident memory; it
 * costs some CPU, so figures measured beside it are not for comparison. All of this does nothing while it is off. */
#ifndef HV_LIVE_H
#define HV_LIVE_H

#include "host/monitor.h"

/** Begin. @return HV_OK; HV_ERR_SYSTEM */
HV_MUST_CHECK hv_err hv_live_open(const char *scenario);
/** End, and leave the terminal as it was. Idempotent. */
void hv_live_close(void);
bool hv_live_on(void);

/** Show a VM: its host, monitor and oracle, which live until hv_live_vm_remove(). The monitor is watched from here on.
 */
void hv_live_vm_add(hv_monitor *monitor, const hv_residency *residency);
/** Nothing of it is looked at any more when this returns. Unknown: nothing happens. */
void hv_live_vm_remove(hv_monitor *monitor);

/** What the scenario is doing; NULL = nothing to tell. */
void hv_live_progress(const char *text);
/** Something that a person should see. Any thread. */
void hv_live_event(const char *text);

#endif
