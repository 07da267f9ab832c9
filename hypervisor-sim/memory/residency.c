/* SPDX-License-Identifier: MIT
 *
 * The residency oracle; see residency.h. The structures of PAGEMAP_SCAN are defined here, since kernel headers are
 * often older than kernels. */
#define _GNU_SOURCE
#include "memory/residency.h"
#include "memory/base_page.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* linux/fs.h of kernel 6.7 and later, under names of our own */
typedef struct scan_region {
	uint64_t start, end, categories;
} scan_region;

typedef struct scan_arg {
	uint64_t arg_bytes, flags, start, end, walk_end, regions, n_regions, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
} scan_arg;

enum { SCAN_PRESENT = 1 << 3, SCAN_SWAPPED = 1 << 4, SCAN_ZERO_PAGE = 1 << 5, SCAN_HUGE = 1 << 6, SCAN_REGIONS = 512 };
#define PINNED_WAIT_NS UINT64_C(5000000000)
#define SCAN_IOCTL     _IOWR('f', 16, scan_arg)
_Static_assert(sizeof(scan_arg) == 96 && sizeof(scan_region) == 24, "layout of the kernel");

enum { HUGE_WORDS = HV_HUGE_FRAMES / 64 };

/* C libraries differ in the type of a request. */
static long scan(int pagemap_fd, scan_arg *arg)
{
	return syscall(SYS_ioctl, pagemap_fd, SCAN_IOCTL, arg);
}

/* A map without arrays only counts. */
static void bits_add(hv_residency_map *map, uint64_t first_frame, uint64_t end_frame)
{
	if (map->frame_words == NULL)
		return;
	for (uint64_t frame = first_frame; frame < end_frame;) {
		uint64_t shift = frame % 64, n_here = 64 - shift < end_frame - frame ? 64 - shift : end_frame - frame;
		map->frame_words[frame / 64] |= (n_here == 64 ? UINT64_MAX : (UINT64_C(1) << n_here) - 1) << shift;
		frame += n_here;
	}
}

static void map_add(hv_residency_map *map, uint64_t first_frame, uint64_t end_frame, bool huge)
{
	bits_add(map, first_frame, end_frame);
	for (uint64_t frame = first_frame; map->resident_frames != NULL && frame < end_frame;) {
		uint64_t huge_idx = frame / HV_HUGE_FRAMES;
		uint64_t stop = (huge_idx + 1) * HV_HUGE_FRAMES;
		if (stop > end_frame)
			stop = end_frame;
		map->resident_frames[huge_idx] = (uint16_t)(map->resident_frames[huge_idx] + (stop - frame));
		frame = stop;
	}
	map->resident_bytes += (end_frame - first_frame) * HV_FRAME_BYTES;
	if (huge)
		map->huge_page_bytes += (end_frame - first_frame) * HV_FRAME_BYTES;
}

static hv_err look_scan(const hv_residency *self, const hv_memory *memory, hv_residency_map *map)
{
	scan_region regions[SCAN_REGIONS];
	uint64_t base = (uint64_t)(uintptr_t)memory->base;
	scan_arg arg = {
		.arg_bytes = sizeof(arg),
		.start = base,
		.end = base + (memory->huge_count << HV_HUGE_SHIFT),
		.regions = (uint64_t)(uintptr_t)regions,
		.n_regions = SCAN_REGIONS,
		.category_inverted = SCAN_ZERO_PAGE,
		.category_mask = SCAN_ZERO_PAGE,
		.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
		.return_mask = SCAN_PRESENT | SCAN_HUGE,
	};
	while (arg.start < arg.end) {
		long n_found = scan(self->pagemap_fd, &arg);
		if (n_found < 0 && errno == EINTR)
			continue;
		if (n_found < 0)
			return HV_ERR_SYSTEM;
		for (long at = 0; at < n_found; at++)
			map_add(map, (regions[at].start - base) / HV_FRAME_BYTES,
				(regions[at].end - base) / HV_FRAME_BYTES, (regions[at].categories & SCAN_HUGE) != 0);
		arg.start = arg.walk_end;
	}
	return HV_OK;
}

/* What tells the mappings of some memory from others, in smaps: addresses of ours, the file in another process. */
typedef struct mapping_match {
	uint64_t base, end;
	dev_t device;
	ino_t inode; /* 0 = go by address */
} mapping_match;

static bool mapping_inside(const mapping_match *self, const char *line, bool *inside)
{
	uint64_t first, last, inode;
	unsigned high, low;
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*x %x:%x %" SCNu64, &first, &last, &high, &low, &inode) != 5)
		return false;
	*inside = self->inode != 0 ? inode == self->inode && makedev(high, low) == self->device
				   : first < self->end && last > self->base;
	return true;
}

/* The 2 MiB pages of the mappings of this memory, from smaps. */
static uint64_t smaps_huge_bytes(const hv_memory *memory, int mapper_pid)
{
	uint64_t base = (uint64_t)(uintptr_t)memory->base, kib = 0, value;
	mapping_match match = { .base = base, .end = base + (memory->huge_count << HV_HUGE_SHIFT) };
	char path[48] = "/proc/self/smaps", line[512];
	struct stat status;
	if (mapper_pid != 0 && fstat(memory->fd, &status) == 0) {
		match.device = status.st_dev;
		match.inode = status.st_ino;
		snprintf(path, sizeof(path), "/proc/%d/smaps", mapper_pid);
	}
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	bool inside = false;
	while (fgets(line, sizeof(line), file) != NULL)
		if (!mapping_inside(&match, line, &inside) && inside &&
		    (sscanf(line, "AnonHugePages: %" SCNu64, &value) == 1 ||
		     sscanf(line, "ShmemPmdMapped: %" SCNu64, &value) == 1))
			kib += value;
	fclose(file);
	return kib << 10;
}

static hv_err look_mincore(const hv_residency *self, const hv_memory *memory, hv_residency_map *map)
{
	unsigned char present[HV_HUGE_FRAMES];
	unsigned page_frames = (unsigned)(hv_mincore_bytes() / HV_FRAME_BYTES);
	for (uint64_t huge_idx = 0; huge_idx < memory->huge_count; huge_idx++) {
		if (mincore(hv_memory_huge(memory, huge_idx), HV_HUGE_BYTES, present) != 0)
			return HV_ERR_SYSTEM;
		unsigned n_frames = 0;
		for (unsigned page = 0; page < HV_HUGE_FRAMES / page_frames; page++) {
			uint64_t first_frame = huge_idx * HV_HUGE_FRAMES + (uint64_t)page * page_frames;
			if ((present[page] & 1u) == 0)
				continue;
			n_frames += page_frames;
			bits_add(map, first_frame, first_frame + page_frames);
		}
		if (map->resident_frames != NULL)
			map->resident_frames[huge_idx] = (uint16_t)n_frames;
		map->resident_bytes += (uint64_t)n_frames * HV_FRAME_BYTES;
	}
	if (map->resident_frames != NULL)
		map->huge_page_bytes = smaps_huge_bytes(memory, self->mapper_pid);
	return HV_OK;
}

uint64_t hv_pinned_bytes(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	if (file == NULL)
		return 0;
	uint64_t kib = 0;
	char line[256];
	while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "VmPin: %" SCNu64, &kib) != 1)
		;
	fclose(file);
	return kib << 10;
}

bool hv_pinned_becomes(uint64_t wanted_bytes)
{
	uint64_t until_ns = hv_now_ns() + PINNED_WAIT_NS;
	while (hv_pinned_bytes() != wanted_bytes) {
		if (hv_now_ns() > until_ns)
			return false;
		hv_sleep_ns(1000000);
	}
	return true;
}

bool hv_residency_scan_known(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	uint8_t here = 1;
	uint64_t page_bytes = hv_base_page_bytes(), start = (uint64_t)(uintptr_t)&here & ~(page_bytes - 1);
	scan_region region;
	scan_arg arg = { .arg_bytes = sizeof(arg),
			 .start = start,
			 .end = start + page_bytes,
			 .regions = (uint64_t)(uintptr_t)&region,
			 .n_regions = 1,
			 .category_anyof_mask = SCAN_PRESENT,
			 .return_mask = SCAN_PRESENT };
	bool known = scan(fd, &arg) >= 0;
	close(fd);
	return known;
}

hv_err hv_residency_open(hv_residency *self, const hv_memory *memory, bool force_fallback)
{
	*self = (hv_residency){ .way = HV_RESIDENCY_MINCORE, .pagemap_fd = -1 };
	if (force_fallback || memory->backing->shared || !hv_residency_scan_known())
		return HV_OK;
	self->pagemap_fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (self->pagemap_fd < 0)
		return HV_ERR_SYSTEM;
	self->way = HV_RESIDENCY_PAGEMAP_SCAN;
	return HV_OK;
}

void hv_residency_close(hv_residency *self)
{
	if (self->pagemap_fd >= 0)
		close(self->pagemap_fd);
	self->pagemap_fd = -1;
}

const char *hv_residency_way_text(hv_residency_way way)
{
	return way == HV_RESIDENCY_PAGEMAP_SCAN ? "PAGEMAP_SCAN" : "mincore";
}

hv_err hv_residency_map_create(hv_residency_map *map, uint64_t huge_count)
{
	*map = (hv_residency_map){ .huge_count = huge_count };
	map->resident_frames = calloc(huge_count, sizeof(*map->resident_frames));
	map->frame_words = calloc(huge_count * HUGE_WORDS, sizeof(*map->frame_words));
	if (map->resident_frames != NULL && map->frame_words != NULL)
		return HV_OK;
	hv_residency_map_destroy(map);
	return HV_ERR_SYSTEM;
}

void hv_residency_map_destroy(hv_residency_map *map)
{
	free(map->resident_frames);
	free(map->frame_words);
	map->resident_frames = NULL;
	map->frame_words = NULL;
}

hv_err hv_residency_look(const hv_residency *self, const hv_memory *memory, hv_residency_map *map)
{
	if (map->huge_count != memory->huge_count)
		return HV_ERR_INVAL;
	memset(map->resident_frames, 0, map->huge_count * sizeof(*map->resident_frames));
	memset(map->frame_words, 0, map->huge_count * HUGE_WORDS * sizeof(*map->frame_words));
	map->resident_bytes = map->huge_page_bytes = map->file_bytes = 0;
	struct stat file;
	if (memory->backing->shared && memory->fd >= 0) {
		if (fstat(memory->fd, &file) != 0)
			return HV_ERR_SYSTEM;
		map->file_bytes = (uint64_t)file.st_blocks * 512;
	}
	return self->way == HV_RESIDENCY_PAGEMAP_SCAN ? look_scan(self, memory, map) : look_mincore(self, memory, map);
}

hv_err hv_residency_bytes(const hv_residency *self, const hv_memory *memory, uint64_t *bytes)
{
	struct stat file;
	if (memory->backing->shared && memory->fd >= 0) { /* its file system counts, nothing has to be walked */
		if (fstat(memory->fd, &file) != 0)
			return HV_ERR_SYSTEM;
		*bytes = (uint64_t)file.st_blocks * 512;
		return HV_OK;
	}
	hv_residency_map map = { .huge_count = memory->huge_count };
	hv_err err = self->way == HV_RESIDENCY_PAGEMAP_SCAN ? look_scan(self, memory, &map)
							    : look_mincore(self, memory, &map);
	*bytes = map.resident_bytes;
	return err;
}
