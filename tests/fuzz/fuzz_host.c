/* SPDX-License-Identifier: MIT
 *
 * Fuzz target: the bytes fill the shared region behind its header, and name the host's operations, while a thread of
 * the guest goes on writing. Every operation ends, stays in the region, and leaves no huge frame busy. */
#define _GNU_SOURCE
#include "fuzz_sim.h"

#include <pthread.h>
#include <stdatomic.h>

typedef struct writer {
	fuzz_host *host;
	uint64_t random;
	_Atomic bool stop;
} writer;

/* Plausible states, one bit, noise. Atomic, but of another width than the host's: as a guest may. */
static void *writer_thread(void *context)
{
	writer *self = context;
	size_t n_words = self->host->region_bytes / 4;
	while (!atomic_load_explicit(&self->stop, memory_order_relaxed)) {
		uint64_t dice = hv_random(&self->random);
		static const uint32_t states[] = { 0x82000200, 0x4000c000, 0x02000200, 0xc000c000, 0x20001000, 0 };
		uint32_t *word = (uint32_t *)(void *)self->host->region + dice % n_words;
		uint32_t value = (uint32_t)(dice >> 32);
		if (dice >> 62 != 0)
			value = dice >> 62 == 1 ? states[value % 6]
						: __atomic_load_n(word, __ATOMIC_RELAXED) ^ 1u << value % 32;
		__atomic_store_n(word, value, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void look(const llfree_t *view)
{
	llfree_stats stats;
	llfree_audit_report report;
	llfree_stats_fast(view, &stats);
	llfree_stats_exact(view, &stats);
	(void)!llfree_audit(view, &report);
}

static void step(fuzz_input *input, hv_host *host)
{
	uint64_t op = fuzz_take(input, 1), huge_idx = fuzz_take(input, 1) % (FUZZ_HUGE + 1), cursor = huge_idx,
		 found[8];
	bool done;
	switch (op % 8) {
	case 0:
		(void)!hv_host_soft(host, huge_idx, &done);
		break;
	case 1:
		(void)!hv_host_hard(host, huge_idx, &done);
		break;
	case 2:
		(void)!hv_host_return(host, huge_idx, &done);
		break;
	case 3:
		if (huge_idx < FUZZ_HUGE) /* beyond, the VM would be stopped, and nothing done any more */
			(void)!hv_host_install(host, huge_idx);
		break;
	case 4:
		FUZZ_CHECK(llfree_find_free_huge(&host->view, op & 8, op & 16, &cursor, found, 8) <= 8 &&
			   cursor <= FUZZ_HUGE + 1);
		break;
	case 5:
		llfree_drain_all(&host->view);
		break;
	case 6:
		look(&host->view);
		break;
	default:
		(void)!hv_host_issue(host);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	static fuzz_host self;
	fuzz_input input = { bytes, n_bytes, 0 };
	pthread_t thread;
	fuzz_host_open(&self);
	writer guest = { .host = &self, .random = fuzz_take(&input, 4) };
	size_t n_words = (self.region_bytes - sizeof(llfree_header)) / 4, n_filled = fuzz_take(&input, 1) * 4;
	for (size_t at = 0; at < n_filled && fuzz_more(&input); at++)
		fuzz_store32(self.region + sizeof(llfree_header) + at * 37 % n_words * 4, fuzz_take(&input, 4));
	FUZZ_CHECK(pthread_create(&thread, NULL, writer_thread, &guest) == 0);
	while (fuzz_more(&input))
		step(&input, &self.host);
	(void)!hv_host_issue(&self.host);
	atomic_store(&guest.stop, true);
	FUZZ_CHECK(pthread_join(thread, NULL) == 0);
	FUZZ_CHECK(hv_frames_count(&self.host.frames, HV_R_BUSY) == 0);
	fuzz_host_close(&self);
	return 0;
}
