/* SPDX-License-Identifier: MIT
 *
 * Guest memory as the host sees it: an address range, what is behind it, and how it is given back to the kernel.
 * A backing is one file in backings/ with one descriptor; what a machine lacks is said, never silently replaced.
 * May include the public headers of the library and base/. */
#ifndef HV_MEMORY_H
#define HV_MEMORY_H

#include "base/hv_base.h"

#include <llfree/arena.h>

/** What takes memory of this backing away from the guest for good. */
typedef enum hv_discard_kind {
	HV_DISCARD_DONTNEED, /**< private memory: dropping the mapping frees it */
	HV_DISCARD_PUNCH     /**< a file: drop the mappings first, with one TLB flush, then punch the holes */
} hv_discard_kind;

typedef struct hv_backing {
	const char *name, *summary;
	llfree_backing kind;
	/** A file of this size, for LLFREE_BACKING_FILE; else NULL. @return a descriptor; -1 with errno */
	int (*open)(uint64_t bytes);
	bool small_frames; /**< ask the kernel for 4 KiB frames */
	hv_discard_kind discard;
	bool shared; /**< a file: residency is what the page cache holds, not what is mapped */
	/** NULL = always. @return false with the reason in why */
	bool (*available)(char *why, size_t why_bytes);
} hv_backing;

/** All backings, ended by NULL; collected by the build. */
extern const hv_backing *const hv_backings[];
/** @return NULL when unknown */
const hv_backing *hv_backing_find(const char *name);
/** @return false with the reason in why */
HV_MUST_CHECK bool hv_backing_available(const hv_backing *backing, char *why, size_t why_bytes);

/** The memory of one VM. A view: whoever made the memory keeps it. */
typedef struct hv_memory {
	uint8_t *base; /**< of frame 0, 2 MiB aligned */
	uint64_t huge_count;
	int fd;               /**< -1 for private memory */
	uint64_t file_offset; /**< of base, in the file */
	const hv_backing *backing;
} hv_memory;

static inline uint8_t *hv_memory_huge(const hv_memory *memory, uint64_t huge_idx)
{
	return memory->base + (huge_idx << HV_HUGE_SHIFT);
}

/** Make memory present without changing it: MADV_POPULATE_WRITE, on older kernels by touching every frame.
 *  @return HV_OK; HV_ERR_SYSTEM (errno says why: the host is out of memory) */
HV_MUST_CHECK hv_err hv_populate(uint8_t *start, size_t bytes);
/** The fallback of hv_populate(), also beside threads that write the same memory. */
void hv_populate_touch(uint8_t *start, size_t bytes);
/** Does MADV_POPULATE_WRITE populate here? Tried once. */
bool hv_populate_known(void);

#endif
