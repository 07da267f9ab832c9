/* SPDX-License-Identifier: MIT
 *
 * Mapping, and what can be known before it. Includes the public headers and the OS only. */
#define _GNU_SOURCE
#include "arena/arena_map.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* Reserve addresses for one huge frame more, map inside, give the ends back. */
uint8_t *llf_map_aligned(uint64_t map_bytes, int flags, int fd, uint64_t offset)
{
	uint64_t span_bytes = map_bytes + LLFREE_HUGE_BYTES;
	uint8_t *span = mmap(NULL, span_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (span == MAP_FAILED)
		return NULL;
	uint64_t head_bytes = llf_huge_round_up((uintptr_t)span) - (uintptr_t)span;
	uint8_t *memory = mmap(span + head_bytes, map_bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED | MAP_NORESERVE,
			       fd, (off_t)offset);

	if (memory == MAP_FAILED) {
		int saved_errno = errno;

		munmap(span, span_bytes);
		errno = saved_errno;
		return NULL;
	}
	if (head_bytes)
		munmap(span, head_bytes);
	munmap(memory + map_bytes, LLFREE_HUGE_BYTES - head_bytes);
	return memory;
}

const char *llf_file_lacks_space(int fd, uint64_t file_bytes)
{
	struct stat file;
	struct statvfs system;

	if (fstat(fd, &file) != 0)
		return "fstat";
	uint64_t present_bytes = (uint64_t)file.st_blocks * 512;

	if (present_bytes >= file_bytes)
		return NULL;
	if (fstatvfs(fd, &system) != 0)
		return "fstatvfs";
	/* A file system without a limit of its own reports no blocks at all. */
	if (system.f_blocks != 0 && (file_bytes - present_bytes) / system.f_frsize > system.f_bavail) {
		errno = ENOSPC;
		return "fstatvfs (more than the file system has free)";
	}
	return NULL;
}

llfree_err llf_allocator_complete(llfree_config *allocator, uint64_t memory_bytes)
{
	allocator->frames = memory_bytes >> LLFREE_FRAME_SHIFT;
	if (allocator->cpus == 0) {
		uint32_t cpus = llfree_machine_cpus();

		allocator->cpus = cpus < LLFREE_MAX_CPUS ? cpus : LLFREE_MAX_CPUS; /* CPU numbers wrap */
	}
	return llfree_metadata_bytes(allocator) ? LLFREE_OK : LLFREE_ERR_INVAL;
}
