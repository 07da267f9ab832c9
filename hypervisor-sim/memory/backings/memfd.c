/* SPDX-License-Identifier: MIT
 *
 * Backing: a sealed memfd, the shared memory that a VMM with device processes uses. Dropping the mapping frees nothing
 * here: the file's pages stay until a hole is punched. */
#include "memory/hv_memory.h"

const hv_backing hv_backing_memfd = {
	.name = "memfd",
	.summary = "shared memory file (memfd), 4 KiB pages unless shmem_enabled says otherwise",
	.kind = LLFREE_BACKING_MEMFD,
	.discard = HV_DISCARD_PUNCH,
	.shared = true,
};
