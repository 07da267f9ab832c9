/* SPDX-License-Identifier: MIT
 *
 * Helpers of the arena tests. */
#define _GNU_SOURCE
#include "arena_support.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

const char *t_new_path(char *buffer, size_t buffer_bytes)
{
	static unsigned count;
	const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	int length = snprintf(buffer, buffer_bytes, "%s/llfree-test-%d-%u", folder, (int)getpid(), count++);

	assert_true(length > 0 && (size_t)length < buffer_bytes);
	unlink(buffer);
	return buffer;
}

llfree_arena_config t_arena_config(llfree_backing backing, const char *path)
{
	return (llfree_arena_config){ .memory_bytes = T_MEMORY_BYTES, .backing = backing, .path = path };
}

unsigned t_open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

unsigned t_mappings_named(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[4096];
	unsigned count = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		count += strstr(line, name) != NULL;
	fclose(maps);
	return count;
}

int t_region_copy(const llfree_arena *arena, size_t copied_bytes, size_t file_bytes, bool sealed)
{
	int fd = memfd_create("region-copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, arena->region, copied_bytes, 0), copied_bytes);
	assert_int_equal(ftruncate(fd, (off_t)file_bytes), 0);
	if (sealed)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
	return fd;
}

llfree_request t_request(unsigned order)
{
	return (llfree_request){ .cpu = llfree_current_cpu(),
				 .order = (uint8_t)order,
				 .class_idx = order < LLFREE_HUGE_ORDER ? LLFREE_CLASS_MOVABLE : LLFREE_CLASS_HUGE };
}

void t_write_and_check_frames(const llfree_arena *arena, uint64_t step_frames)
{
	uint64_t frames = arena->memory_bytes >> LLFREE_FRAME_SHIFT;

	for (uint64_t frame = 0; frame < frames; frame += step_frames)
		memcpy(llfree_arena_address(arena, frame), &frame, sizeof(frame));
	for (uint64_t frame = 0; frame < frames; frame += step_frames) {
		uint64_t found;

		memcpy(&found, llfree_arena_address(arena, frame), sizeof(found));
		assert_int_equal(found, frame);
	}
}
