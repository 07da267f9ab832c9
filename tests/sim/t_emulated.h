/* SPDX-License-Identifier: MIT
 *
 * For tests of what emulators of programs do otherwise than kernels; _GNU_SOURCE comes before. */
#ifndef T_EMULATED_H
#define T_EMULATED_H

#include "t_sim.h"

#include "memory/base_page.h"

#include <sys/mman.h>

/* Does an emulator of programs (qemu-user) stand in for the kernel? It takes advice on what is no memory, as no kernel
 * does. */
static inline bool t_emulated(void)
{
	size_t page_bytes = hv_base_page_bytes();
	void *gone = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(gone, MAP_FAILED);
	assert_int_equal(munmap(gone, page_bytes), 0);
	return madvise(gone, page_bytes, MADV_DONTNEED) == 0;
}

#endif
