/* SPDX-License-Identifier: MIT
 *
 * llfree-auto, host half: every period, one pass over the shared state (18 cache lines per GiB) that soft-reclaims the
 * free huge frames outside of trees that a CPU has reserved. They stay allocatable, so there is nothing to give back.
 */
#include "techniques/llfree-auto/llfree_auto.h"

#include <llfree/host.h>

enum { FIND_HUGE = 256 };

static hv_err auto_pass(hv_host *host, uint64_t *moved_bytes)
{
	uint64_t huge_idx[FIND_HUGE], cursor = 0;
	hv_err err = HV_OK;
	*moved_bytes = 0;
	while (err == HV_OK && cursor < host->frames.huge_count) {
		size_t n_found = llfree_find_free_huge(&host->view, true, true, &cursor, huge_idx, FIND_HUGE);
		for (size_t at = 0; at < n_found && err == HV_OK; at++) {
			bool done;
			err = hv_host_soft(host, huge_idx[at], &done);
			*moved_bytes += done ? HV_HUGE_BYTES : 0;
		}
	}
	hv_err issue_err = hv_host_issue(host);
	return err != HV_OK ? err : issue_err;
}

static const hv_host_half auto_host = { .pass = auto_pass };

const hv_technique hv_technique_llfree_auto = {
	.name = "llfree-auto",
	.summary = "the host evicts free huge frames every period; an allocation installs them again",
	.allocator = "llfree",
	.grain_bytes = HV_HUGE_BYTES,
	.automatic = true,
	.dma_safe = true,
	.batches = true,
	.shared_state = true,
	.period_ns = UINT64_C(5000000000),
	.guest = &hv_llfree_auto_guest,
	.host = &auto_host,
};
