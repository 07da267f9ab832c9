/* SPDX-License-Identifier: MIT
 *
 * The residency oracle: which frames the kernel really holds memory for. Every byte that a result calls reclaimed is
 * proven here (H3, H5). Private memory: ioctl PAGEMAP_SCAN (kernel 6.7), else mincore() with the huge share from smaps.
 * Shared files: mincore(), which answers for the page cache; a page table knows only what is mapped. The shared zero
 * page is not memory. */
#ifndef HV_RESIDENCY_H
#define HV_RESIDENCY_H

#include "memory/hv_memory.h"

typedef enum hv_residency_way { HV_RESIDENCY_PAGEMAP_SCAN, HV_RESIDENCY_MINCORE } hv_residency_way;

typedef struct hv_residency {
	hv_residency_way way;
	int pagemap_fd;
	int mapper_pid; /**< a file: whose page tables tell of huge pages; 0 = ours */
} hv_residency;

/** What was seen, one number per huge frame, one bit per frame. */
typedef struct hv_residency_map {
	uint16_t *resident_frames; /**< 0..512 each */
	uint64_t *frame_words;     /**< one bit per 4 KiB frame, eight words per huge frame */
	uint64_t huge_count;
	uint64_t resident_bytes;
	uint64_t huge_page_bytes; /**< of these, in 2 MiB pages */
	uint64_t file_bytes;      /**< of a file: what its file system holds (st_blocks), the second witness */
} hv_residency_map;

/** Probe what the kernel offers for this memory; force_fallback takes mincore() in any case. */
HV_MUST_CHECK hv_err hv_residency_open(hv_residency *self, const hv_memory *memory, bool force_fallback);
void hv_residency_close(hv_residency *self);
const char *hv_residency_way_text(hv_residency_way way);

HV_MUST_CHECK hv_err hv_residency_map_create(hv_residency_map *map, uint64_t huge_count);
void hv_residency_map_destroy(hv_residency_map *map);

/** Look at the whole memory. Beside running guests each number is a snapshot of its own moment.
 *  @return HV_OK; HV_ERR_SYSTEM; HV_ERR_INVAL the map is of another size */
HV_MUST_CHECK hv_err hv_residency_look(const hv_residency *self, const hv_memory *memory, hv_residency_map *map);

/** The sum alone, by the cheapest exact means: of a file what its file system holds, else as above. */
HV_MUST_CHECK hv_err hv_residency_bytes(const hv_residency *self, const hv_memory *memory, uint64_t *bytes);

/** Bytes of this process that a device has pinned (VmPin). Pinned memory that was discarded looks gone to all of the
 *  above, and is not. */
uint64_t hv_pinned_bytes(void);
/** Wait until it is this much, five seconds at most: the kernel counts pins back a moment after it has told that a slot
 *  has left, or a device has been closed. */
HV_MUST_CHECK bool hv_pinned_becomes(uint64_t wanted_bytes);

/** Does this kernel know PAGEMAP_SCAN? */
bool hv_residency_scan_known(void);

#endif
