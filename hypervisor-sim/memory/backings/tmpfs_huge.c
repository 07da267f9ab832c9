/* SPDX-License-Identifier: MIT
 *
 * Backing: a file on a tmpfs mount of our own with huge=always: shared memory in 2 MiB pages where shmem_enabled would
 * give 4 KiB ones. */
#include "measure.h"
#include "memory/hv_memory.h"
#include "memory/private_tmpfs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int tmpfs_open(uint64_t bytes)
{
	const char *failed_call;
	return hv_private_tmpfs_file(bytes, &failed_call);
}

static bool tmpfs_available(char *why, size_t why_bytes)
{
	char mode[32];
	const char *failed_call;
	if (!hv_read_choice("/sys/kernel/mm/transparent_hugepage/shmem_enabled", mode, sizeof(mode))) {
		snprintf(why, why_bytes, "the kernel has no transparent huge pages for shared memory");
		return false;
	}
	if (strcmp(mode, "deny") == 0) {
		snprintf(why, why_bytes, "transparent_hugepage/shmem_enabled is deny, which overrides every mount");
		return false;
	}
	if (measure_thp_disabled()) {
		snprintf(why, why_bytes, "huge pages are " MEASURE_THP_DISABLED " (PR_SET_THP_DISABLE)");
		return false;
	}
	int fd = hv_private_tmpfs_file(HV_HUGE_BYTES, &failed_call);
	if (fd < 0) {
		snprintf(why, why_bytes, "%s: %s", failed_call, strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

const hv_backing hv_backing_tmpfs_huge = {
	.name = "tmpfs-huge",
	.summary = "file on a private tmpfs mount with huge=always, 2 MiB pages",
	.kind = LLFREE_BACKING_FILE,
	.open = tmpfs_open,
	.discard = HV_DISCARD_PUNCH,
	.shared = true,
	.available = tmpfs_available,
};
