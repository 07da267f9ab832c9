/* SPDX-License-Identifier: MIT
 *
 * A guard for shared memory whose file can't be sealed (tmpfs, hugetlb): another process may shrink that file, and the
 * next access here would end this process with SIGBUS. With a guard the whole range becomes private zeros instead, and
 * its owner is told: the VM is stopped, the host goes on (H4). */
#ifndef HV_BUS_GUARD_H
#define HV_BUS_GUARD_H

#include "base/hv_base.h"

/** Watch this range until hv_bus_guard_remove(). Installs a handler for SIGBUS where it is not there yet, which passes
 *  on what is not about a watched range, and stays. Any thread.
 *  @param hit  called in the signal handler of the thread that met the hole: it may do what a handler may do
 *  @return HV_OK; HV_ERR_UNAVAILABLE too many ranges; HV_ERR_SYSTEM */
HV_MUST_CHECK hv_err hv_bus_guard_add(void *base, size_t bytes, void (*hit)(void *context), void *context);
/** Before the range is unmapped, and when nobody accesses it any more. Of what is not watched: nothing happens. */
void hv_bus_guard_remove(const void *base);

#endif
