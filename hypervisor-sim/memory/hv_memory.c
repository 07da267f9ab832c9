/* SPDX-License-Identifier: MIT
 *
 * The registry of backings and populate; see hv_memory.h. */
#define _GNU_SOURCE
#include "memory/hv_memory.h"
#include "memory/base_page.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

const hv_backing *hv_backing_find(const char *name)
{
	for (const hv_backing *const *each = hv_backings; *each != NULL; each++)
		if (strcmp((*each)->name, name) == 0)
			return *each;
	return NULL;
}

bool hv_backing_available(const hv_backing *backing, char *why, size_t why_bytes)
{
	return backing->available == NULL || backing->available(why, why_bytes);
}

void hv_populate_touch(uint8_t *start, size_t bytes)
{
	for (size_t offset = 0; offset < bytes; offset += HV_FRAME_BYTES) {
		/* not fetch_or(0), which Clang turns into a load: that maps the zero page and populates nothing */
		_Atomic uint8_t *byte = (_Atomic uint8_t *)(start + offset);
		uint8_t seen = atomic_load_explicit(byte, memory_order_relaxed);
		while (!atomic_compare_exchange_weak_explicit(byte, &seen, seen, memory_order_relaxed,
							      memory_order_relaxed))
			;
	}
}

hv_err hv_populate(uint8_t *start, size_t bytes)
{
	for (;;) {
		if (!hv_populate_known()) {
			hv_populate_touch(start, bytes);
			return HV_OK;
		}
		if (madvise(start, bytes, MADV_POPULATE_WRITE) == 0)
			return HV_OK;
		if (errno != EINTR && errno != EAGAIN)
			return HV_ERR_SYSTEM;
	}
}

bool hv_populate_known(void)
{
	enum { UNASKED, UNKNOWN, KNOWN };
	static _Atomic int known; /* the same whoever asks first */
	int answer = atomic_load_explicit(&known, memory_order_relaxed);
	if (answer != UNASKED)
		return answer == KNOWN;
	size_t page_bytes = hv_base_page_bytes();
	void *probe = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (probe == MAP_FAILED)
		return false;
	/* looked at afterwards: qemu-user takes all advice that it does not know for done */
	answer = madvise(probe, page_bytes, MADV_POPULATE_WRITE) == 0 && hv_page_present(probe) ? KNOWN : UNKNOWN;
	munmap(probe, page_bytes);
	atomic_store_explicit(&known, answer, memory_order_relaxed);
	return answer == KNOWN;
}
