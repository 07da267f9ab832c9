/* SPDX-License-Identifier: MIT
 *
 * Making and judging superblocks. Works on copies: what a file says is read once, checked, then used (H4). */
#define _GNU_SOURCE
#include "arena/superblock.h"

#include "arena/arena_map.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* FNV-1a, 64 bits: notices damage, keeps nobody out. */
static uint64_t checksum(const llf_superblock *block)
{
	const uint8_t *bytes = (const uint8_t *)block;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < offsetof(llf_superblock, checksum); i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

bool llf_superblock_make(llf_superblock *block, const llfree_config *allocator, uint64_t memory_bytes)
{
	uint64_t region_bytes = llfree_metadata_bytes(allocator);

	memset(block, 0, sizeof(*block));
	if (!region_bytes)
		return false;
	*block = (llf_superblock){ .magic = LLF_SUPERBLOCK_MAGIC,
				   .version = LLF_SUPERBLOCK_VERSION,
				   .block_bytes = LLF_SUPERBLOCK_BYTES,
				   .frame_shift = LLFREE_FRAME_SHIFT,
				   .huge_order = LLFREE_HUGE_ORDER,
				   .tree_huge = LLFREE_TREE_HUGE,
				   .flags = (allocator->exact ? LLFREE_FLAG_EXACT : 0u) |
					    (allocator->durable ? LLFREE_FLAG_DURABLE : 0u),
				   .page_bytes = (uint32_t)sysconf(_SC_PAGESIZE),
				   .region_offset = LLF_REGION_OFFSET,
				   .region_bytes = region_bytes,
				   .memory_offset = llf_huge_round_up(LLF_REGION_OFFSET + region_bytes),
				   .memory_bytes = memory_bytes,
				   .state = { LLF_FILE_IN_USE } };
	block->checksum = checksum(block);
	return true;
}

static bool page_bytes_valid(uint32_t page_bytes)
{
	return page_bytes >= LLFREE_FRAME_BYTES && page_bytes <= LLF_REGION_OFFSET &&
	       (page_bytes & (page_bytes - 1)) == 0;
}

llfree_err llf_superblock_check(const llf_superblock *block, uint64_t file_bytes)
{
	if (block->magic != LLF_SUPERBLOCK_MAGIC)
		return LLFREE_ERR_MAGIC;
	if (block->version != LLF_SUPERBLOCK_VERSION)
		return LLFREE_ERR_VERSION;
	if (block->checksum != checksum(block))
		return LLFREE_ERR_CORRUPT;
	if (block->frame_shift != LLFREE_FRAME_SHIFT || block->huge_order != LLFREE_HUGE_ORDER ||
	    block->tree_huge != LLFREE_TREE_HUGE)
		return LLFREE_ERR_GEOMETRY;
	/* A checksum can be forged: every number is also compared with what it must be. */
	if (block->block_bytes != LLF_SUPERBLOCK_BYTES || block->unused0_ || !page_bytes_valid(block->page_bytes) ||
	    block->region_offset != LLF_REGION_OFFSET || block->region_bytes < sizeof(llfree_header) ||
	    block->region_bytes > INT64_MAX / 4 || block->memory_bytes == 0 || block->memory_bytes > INT64_MAX / 4 ||
	    block->memory_bytes % LLFREE_HUGE_BYTES ||
	    block->memory_offset != llf_huge_round_up(LLF_REGION_OFFSET + block->region_bytes))
		return LLFREE_ERR_CORRUPT;
	return file_bytes < llf_file_bytes(block) ? LLFREE_ERR_TRUNCATED : LLFREE_OK;
}

void llf_boot_id(char boot_id[LLF_BOOT_ID_BYTES])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n_bytes = 0;

	memset(boot_id, 0, LLF_BOOT_ID_BYTES);
	if (fd >= 0) {
		n_bytes = read(fd, boot_id, LLF_BOOT_ID_BYTES - 1);
		close(fd);
	}
	if (n_bytes <= 0)
		memset(boot_id, 0, LLF_BOOT_ID_BYTES);
}
