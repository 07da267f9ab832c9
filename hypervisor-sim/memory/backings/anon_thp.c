/* SPDX-License-Identifier: MIT
 *
 * Backing: private anonymous memory with transparent huge pages. A discarded huge frame goes back to the kernel as one
 * 2 MiB page. */
#include "measure.h"
#include "memory/hv_memory.h"

#include <stdio.h>
#include <string.h>

static bool thp_available(char *why, size_t why_bytes)
{
	char mode[32];
	if (!hv_read_choice("/sys/kernel/mm/transparent_hugepage/enabled", mode, sizeof(mode))) {
		snprintf(why, why_bytes, "the kernel has no transparent huge pages");
		return false;
	}
	if (strcmp(mode, "never") == 0) {
		snprintf(why, why_bytes, "transparent_hugepage/enabled is never");
		return false;
	}
	if (measure_thp_disabled()) {
		snprintf(why, why_bytes, "huge pages are " MEASURE_THP_DISABLED " (PR_SET_THP_DISABLE)");
		return false;
	}
	return true;
}

const hv_backing hv_backing_anon_thp = {
	.name = "anon-thp",
	.summary = "private anonymous memory, transparent huge pages",
	.kind = LLFREE_BACKING_ANON,
	.discard = HV_DISCARD_DONTNEED,
	.available = thp_available,
};
