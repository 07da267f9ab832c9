/* SPDX-License-Identifier: MIT
 *
 * The guest's page cache: files by number, their frames held by the vCPU that read them first. Free memory is not made
 * of it until somebody asks: a guest that is out of memory, a "drop caches", or a host whose technique can ask. All
 * frames are clean: they may go at any time, and reading them again is a refault. */
#ifndef HV_PAGE_CACHE_H
#define HV_PAGE_CACHE_H

#include "guest/holding.h"

enum { HV_CACHE_NOT_CACHED = -1 };

/** Shared by all vCPUs of a VM. */
typedef struct hv_page_cache {
	uint32_t n_files;
	_Atomic int32_t *home;  /**< per file: the vCPU that holds it */
	_Atomic uint64_t *peak; /**< per file: most frames it ever had cached */
	_Atomic uint64_t *used; /**< per file: when it was last read, by the clock below */
	_Atomic uint64_t clock;
	_Atomic uint64_t ask_frames; /**< that the host wants to be left of the cache; UINT64_MAX = it does not ask */
} hv_page_cache;

HV_MUST_CHECK hv_err hv_page_cache_open(hv_page_cache *self, uint32_t n_files);
void hv_page_cache_close(hv_page_cache *self);

/** One vCPU's part; its files are the lists first_list.. of the holding. */
typedef struct hv_cache_part {
	hv_page_cache *cache;
	hv_holding *holding;
	uint32_t first_list;
	_Atomic uint64_t frames, refaults, dropped;
} hv_cache_part;

typedef enum hv_cache_read { HV_CACHE_ALL, HV_CACHE_NO_MEMORY } hv_cache_read;

/** Have the first n_frames of a file cached, here or at another vCPU. HV_CACHE_NO_MEMORY: not all of it is; ask again.
 */
HV_MUST_CHECK hv_cache_read hv_cache_part_read(hv_cache_part *self, uint32_t file_idx, uint64_t n_frames);
/** The file is deleted: its frames are free. Not a refault when it is made again. */
void hv_cache_part_delete(hv_cache_part *self, uint32_t file_idx);
/** Give up at least this many frames of what was used least recently. @return how many it were */
uint64_t hv_cache_part_shrink(hv_cache_part *self, uint64_t n_frames);

#endif
