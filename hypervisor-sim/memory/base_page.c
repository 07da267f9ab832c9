/* SPDX-License-Identifier: MIT
 *
 * The base page; see base_page.h. */
#define _GNU_SOURCE
#include "memory/base_page.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* no kernel has smaller pages, so none writes more entries for a page than this */
enum { ENTRIES_MAX = 65536 / HV_FRAME_BYTES, UNWRITTEN = 0xfe };

size_t hv_base_page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* @return how many entries were written */
static size_t entries_of(void *page, unsigned char entries[ENTRIES_MAX])
{
	size_t n_entries = 0;
	memset(entries, UNWRITTEN, ENTRIES_MAX);
	if (mincore(page, hv_base_page_bytes(), entries) != 0)
		return 0;
	while (n_entries < ENTRIES_MAX && entries[n_entries] != UNWRITTEN)
		n_entries++;
	return n_entries;
}

size_t hv_mincore_bytes(void)
{
	static _Atomic size_t known; /* the same whoever asks first */
	size_t bytes = atomic_load_explicit(&known, memory_order_relaxed);
	if (bytes != 0)
		return bytes;
	unsigned char entries[ENTRIES_MAX];
	size_t page_bytes = hv_base_page_bytes(), n_entries = 0;
	void *probe = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (probe != MAP_FAILED) {
		n_entries = entries_of(probe, entries);
		munmap(probe, page_bytes);
	}
	bytes = page_bytes / (n_entries != 0 ? n_entries : 1);
	atomic_store_explicit(&known, bytes, memory_order_relaxed);
	return bytes;
}

bool hv_page_present(void *page)
{
	unsigned char entries[ENTRIES_MAX];
	return entries_of(page, entries) > 0 && (entries[0] & 1u) != 0;
}
