/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: the bytes are changes to a valid file of an arena, in its superblock and its region. Opening it
 * must refuse it and leave it as it is, or make it consistent. */
#define _GNU_SOURCE
#include "arena/superblock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

enum { HEAD_BYTES = LLF_REGION_OFFSET + 4096, CHANGE_BYTES = 4 };

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int new_file(llfree_config allocator)
{
	llfree_file file;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	llfree_file_config config = { .fd = fd, .memory_bytes = 4 << 20, .allocator = allocator };
	uint64_t frame;

	must(llfree_file_create(&file, &config) == LLFREE_OK);
	must(llfree_get(&file.arena.allocator, (llfree_request){ 0, 3, 1 }, &frame) == LLFREE_OK);
	must(llfree_get(&file.arena.allocator, (llfree_request){ 0, 9, 1 }, &frame) == LLFREE_OK);
	must(llfree_file_close(&file) == LLFREE_OK);
	return fd;
}

/* Without this, nothing but the checksum would ever be tried. */
static void mend_checksum(llf_superblock *block)
{
	const uint8_t *bytes = (const uint8_t *)block;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < offsetof(llf_superblock, checksum); i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	block->checksum = sum;
}

/* Each change: two bytes say where (the upper half of all places: in the region), one is written. */
static void change(uint8_t *head, const uint8_t *bytes, size_t n_bytes)
{
	for (size_t i = 0; i + CHANGE_BYTES <= n_bytes; i += CHANGE_BYTES) {
		size_t at = (size_t)bytes[i] | (size_t)bytes[i + 1] << 8;

		head[at < 0x8000 ? at % sizeof(llf_superblock) : LLF_REGION_OFFSET + at % 4096] = bytes[i + 2];
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	static uint8_t head[HEAD_BYTES], after[HEAD_BYTES];

	if (n_bytes < 1)
		return 0;
	int fd = new_file((llfree_config){ .cpus = 1, .exact = bytes[0] & 1 });
	llfree_file_config config = { .fd = fd, .accept_lost_stores = bytes[0] & 2 };
	llfree_file file;

	must(pread(fd, head, sizeof(head), 0) == sizeof(head));
	change(head, bytes + 1, n_bytes - 1);
	if (bytes[0] & 4)
		mend_checksum((llf_superblock *)(void *)head);
	must(pwrite(fd, head, sizeof(head), 0) == sizeof(head));
	if (bytes[0] & 8)
		must(ftruncate(fd, (off_t)bytes[0] << 12) == 0);
	memset(head, 0, sizeof(head));
	memset(after, 0, sizeof(after));
	must(pread(fd, head, sizeof(head), 0) >= 0);
	llfree_err err = llfree_file_open(&file, &config);

	if (err) {
		must(err != LLFREE_ERR_SYSTEM && pread(fd, after, sizeof(after), 0) >= 0);
		must(memcmp(head, after, sizeof(head)) == 0);
	} else {
		llfree_audit_report report;

		must(llfree_audit(&file.arena.allocator, &report));
		must(llfree_file_close(&file) == LLFREE_OK);
	}
	close(fd);
	return 0;
}
