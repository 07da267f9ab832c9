/* SPDX-License-Identifier: MIT
 *
 * libFuzzer target: the bytes are a region. Attach and recover must refuse it or make it consistent, and what only
 * looks must survive it. The memory is exactly as large as the input. */
#include <llfree/host.h>
#include <llfree/llfree.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

/* Random bytes never pass the checks of the header: mend what a real one would have. */
static void mend_header(uint8_t *region, size_t n_bytes)
{
	llfree_config config = { .frames = 700, .cpus = 1 };
	llfree_t a;
	size_t wanted = llfree_metadata_bytes(&config);
	uint8_t *good = aligned_alloc(64, wanted);
	if (!good || n_bytes < sizeof(llfree_header) || llfree_init(&a, &config, good, wanted, false) != LLFREE_OK)
		abort();
	memcpy(region, good, sizeof(llfree_header));
	free(good);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	void *memory = NULL;
	llfree_t a;
	if (posix_memalign(&memory, 64, n_bytes ? n_bytes : 1))
		return 0;
	if (n_bytes)
		memcpy(memory, bytes, n_bytes);
	if (n_bytes >= sizeof(llfree_header) && (bytes[0] & 1))
		mend_header(memory, n_bytes);
	if (llfree_attach(&a, memory, n_bytes) == LLFREE_OK) {
		llfree_stats stats;
		llfree_audit_report report;
		bool was_evicted;
		llfree_stats_exact(&a, &stats);
		(void)llfree_audit(&a, &report);
		for (uint64_t huge = 0; huge <= a.n_children; huge++) {
			(void)!llfree_reclaim_soft(&a, huge);
			(void)!llfree_reclaim_hard(&a, huge, &was_evicted);
			(void)!llfree_return(&a, huge);
			(void)!llfree_install(&a, huge);
		}
		llfree_drain_all(&a);
		/* Whatever the words were, a recovered region is consistent. */
		if (llfree_recover(&a, memory, n_bytes, bytes[0] & 2) != LLFREE_OK || !llfree_audit(&a, &report))
			abort();
	}
	free(memory);
	return 0;
}
