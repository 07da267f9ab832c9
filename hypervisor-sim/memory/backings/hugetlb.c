/* SPDX-License-Identifier: MIT
 *
 * Backing: a memfd of the kernel's pool of 2 MiB pages. The pool is the administrator's: it is never changed here. All
 * pages are reserved before the guest runs, since a touch without one is a SIGBUS; a hole gives page and reservation
 * back to the pool. */
#define _GNU_SOURCE
#include "memory/hv_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif

#define POOL "/sys/kernel/mm/hugepages/hugepages-2048kB/"

static int hugetlb_open(uint64_t bytes)
{
	int fd = memfd_create("hv-hugetlb", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB);
	if (fd < 0)
		return -1;
	/* a mapping reserves its pages for the file, and the file keeps them when it is gone */
	void *reserve = MAP_FAILED;
	if (ftruncate(fd, (off_t)bytes) == 0)
		reserve = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (reserve == MAP_FAILED) {
		int why = errno;
		close(fd);
		errno = why;
		return -1;
	}
	munmap(reserve, bytes);
	return fd;
}

static bool hugetlb_available(char *why, size_t why_bytes)
{
	char free_text[32], reserved_text[32] = "0";
	if (!hv_read_line(POOL "free_hugepages", free_text, sizeof(free_text))) {
		snprintf(why, why_bytes, "the kernel has no pool of 2 MiB pages");
		return false;
	}
	if (!hv_read_line(POOL "resv_hugepages", reserved_text, sizeof(reserved_text)))
		return false;
	uint64_t free_huge = strtoull(free_text, NULL, 10), reserved_huge = strtoull(reserved_text, NULL, 10);
	if (free_huge > reserved_huge)
		return true;
	snprintf(
		why, why_bytes,
		"its pool is empty; as root: sysctl vm.nr_hugepages=N, N = memory of the VM / 2 MiB, and 0 afterwards");
	return false;
}

const hv_backing hv_backing_hugetlb = {
	.name = "hugetlb",
	.summary = "memfd of the kernel's pool of 2 MiB pages (hugetlb)",
	.kind = LLFREE_BACKING_FILE,
	.open = hugetlb_open,
	.discard = HV_DISCARD_PUNCH,
	.shared = true,
	.available = hugetlb_available,
};
