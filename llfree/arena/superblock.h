/* SPDX-License-Identifier: MIT
 *
 * The first block of an arena's file; docs/shared-layout.md has it as a table. What follows it: the region at
 * region_offset, the memory at memory_offset. Little-endian, offsets only. Hosted; includes public headers and base. */
#ifndef LLF_SUPERBLOCK_H
#define LLF_SUPERBLOCK_H

#include "base/atomic.h"
#include <llfree/file_arena.h>

#define LLF_SUPERBLOCK_MAGIC UINT64_C(0x01004e4552414c4c) /* the bytes "LLAREN", 0, 1 */
enum {
	LLF_SUPERBLOCK_VERSION = 1,
	LLF_SUPERBLOCK_BYTES = 4096,
	LLF_REGION_OFFSET = 65536, /* a multiple of every page size of Linux */
	LLF_BOOT_ID_BYTES = 40
};

/* Anything but LLF_FILE_CLEAN is in use: a torn word is not taken for a clean one. */
enum { LLF_FILE_IN_USE = 0x55534544, LLF_FILE_CLEAN = 0x4e41454c };

typedef struct llf_superblock {
	uint64_t magic;         /*  0 written last by create */
	uint32_t version;       /*  8 */
	uint32_t block_bytes;   /* 12 LLF_SUPERBLOCK_BYTES */
	uint32_t frame_shift;   /* 16 */
	uint32_t huge_order;    /* 20 */
	uint32_t tree_huge;     /* 24 */
	uint32_t flags;         /* 28 as in the region's header */
	uint32_t page_bytes;    /* 32 of the machine that made it */
	uint32_t unused0_;      /* 36 0 */
	uint64_t region_offset; /* 40 */
	uint64_t region_bytes;  /* 48 */
	uint64_t memory_offset; /* 56 */
	uint64_t memory_bytes;  /* 64 */
	uint64_t checksum;      /* 72 of the 72 bytes before it */
	/* What changes: one of these words at a time, each written out before the next. */
	llfree_u32_cell state;           /* 80 LLF_FILE_* */
	llfree_u32_cell flush_errors;    /* 84 flushes that failed since it was opened */
	char boot_id[LLF_BOOT_ID_BYTES]; /* 88 the boot of the machine that has or had it in use */
} llf_superblock;
_Static_assert(offsetof(llf_superblock, checksum) == 72 && sizeof(llf_superblock) == 128, "superblock layout");

/* The superblock of a new arena. @return false: no such sizes */
bool llf_superblock_make(llf_superblock *block, const llfree_config *allocator, uint64_t memory_bytes);
/* Is this copy, and the file's size, what llf_superblock_make() could have made? */
llfree_err llf_superblock_check(const llf_superblock *block, uint64_t file_bytes);
/* This boot of this machine; empty when the system does not say. */
void llf_boot_id(char boot_id[LLF_BOOT_ID_BYTES]);
static inline uint64_t llf_file_bytes(const llf_superblock *block)
{
	return block->memory_offset + block->memory_bytes;
}

#endif
