/* SPDX-License-Identifier: MIT
 *
 * Which CPU runs this thread, and how many there are. Hosted.
 * The kernel keeps the CPU number of each thread in its rseq area; glibc 2.35 and later registers that area and says
 * where it lies, relative to the thread pointer. Reading it costs a load. The symbols are weak, so that the same
 * source links with older glibc and with musl, where sched_getcpu() answers. Never rdtscp or rdpid: some hypervisors
 * leave their value wrong. */
#define _GNU_SOURCE
#include <llfree/arena.h>

#include <sched.h>
#include <stddef.h>
#include <unistd.h>

#if defined(__x86_64__) || defined(__aarch64__)
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned int __rseq_size __attribute__((weak));

enum { RSEQ_CPU_ID_OFFSET = 4 }; /* struct rseq: cpu_id_start, cpu_id, ... */

/* Negative while the area is not registered, and when its registration failed. */
static int32_t rseq_cpu_id(ptrdiff_t offset)
{
	int32_t cpu;

#if defined(__x86_64__)
	__asm__ volatile("movl %%fs:%c2(%1), %0" : "=r"(cpu) : "r"(offset), "i"(RSEQ_CPU_ID_OFFSET));
#else
	const char *thread;

	__asm__("mrs %0, tpidr_el0" : "=r"(thread));
	cpu = *(const volatile int32_t *)(thread + offset + RSEQ_CPU_ID_OFFSET);
#endif
	return cpu;
}

uint32_t llfree_current_cpu(void)
{
	if (&__rseq_size && &__rseq_offset && __rseq_size != 0) {
		int32_t cpu = rseq_cpu_id(__rseq_offset);

		if (cpu >= 0)
			return (uint32_t)cpu;
	}
	int cpu = sched_getcpu();

	return cpu >= 0 ? (uint32_t)cpu : 0;
}
#else
uint32_t llfree_current_cpu(void)
{
	int cpu = sched_getcpu();

	return cpu >= 0 ? (uint32_t)cpu : 0;
}
#endif

uint32_t llfree_machine_cpus(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);

	if (cpus < 1)
		return 1;
	return cpus < UINT32_MAX ? (uint32_t)cpus : UINT32_MAX;
}
