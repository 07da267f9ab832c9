/* SPDX-License-Identifier: MIT
 *
 * Backing: private anonymous memory in 4 KiB pages, as on a host that has transparent huge pages switched off. */
#include "memory/hv_memory.h"

const hv_backing hv_backing_anon_4k = {
	.name = "anon-4k",
	.summary = "private anonymous memory, 4 KiB pages",
	.kind = LLFREE_BACKING_ANON,
	.small_frames = true,
	.discard = HV_DISCARD_DONTNEED,
};
