/* SPDX-License-Identifier: MIT
 *
 * The two ways to make stores durable: the kernel writes pages back, or the CPU writes lines back. Hosted. */
#define _GNU_SOURCE
#include "base/atomic.h"
#include <llfree/file_arena.h>

#include <sys/mman.h>
#include <unistd.h>

void llfree_flush_msync(void *context, const void *address, size_t n_bytes)
{
	uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
	uintptr_t first = (uintptr_t)address & ~(page_bytes - 1);

	if (msync((void *)first, (uintptr_t)address + n_bytes - first, MS_SYNC) != 0 && context)
		(void)llf_u32_add_acqrel(context, 1);
}

#if defined(__x86_64__)
#include <cpuid.h>

enum { EBX_CLFLUSHOPT = 1 << 23, EBX_CLWB = 1 << 24, LINE_BYTES = 64 };

/* sfence: the write-backs before it are done before any store after it. */
#define FLUSH_LINES(name, instruction)                                                                \
	static void name(void *context, const void *address, size_t n_bytes)                          \
	{                                                                                             \
		(void)context;                                                                        \
		const char *line = (const char *)((uintptr_t)address & ~(uintptr_t)(LINE_BYTES - 1)); \
		for (; line < (const char *)address + n_bytes; line += LINE_BYTES)                    \
			__asm__ volatile(instruction " %0" : : "m"(*line) : "memory");                \
		__asm__ volatile("sfence" : : : "memory");                                            \
	}
FLUSH_LINES(flush_clwb, "clwb")
FLUSH_LINES(flush_clflushopt, "clflushopt")
FLUSH_LINES(flush_clflush, "clflush")

llfree_flush_fn llfree_flush_cache(void)
{
	unsigned eax, ebx = 0, ecx, edx;

	if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx))
		ebx = 0;
	return ebx & EBX_CLWB ? flush_clwb : ebx & EBX_CLFLUSHOPT ? flush_clflushopt : flush_clflush;
}
#elif defined(__aarch64__)
static void flush_cvac(void *context, const void *address, size_t n_bytes)
{
	uint64_t type;

	(void)context;
	__asm__("mrs %0, ctr_el0" : "=r"(type));
	uintptr_t line_bytes = UINT64_C(4) << (type >> 16 & 15);
	uintptr_t line = (uintptr_t)address & ~(line_bytes - 1);

	for (; line < (uintptr_t)address + n_bytes; line += line_bytes)
		__asm__ volatile("dc cvac, %0" : : "r"(line) : "memory");
	__asm__ volatile("dsb sy" : : : "memory");
}

llfree_flush_fn llfree_flush_cache(void)
{
	return flush_cvac;
}
#else
llfree_flush_fn llfree_flush_cache(void)
{
	return NULL;
}
#endif
