/* SPDX-License-Identifier: MIT
 *
 * llfree-manual, host half: claims free huge frames in the shared allocator state by hard reclaims until the limit is
 * met, and discards them in batches; the guest is not asked. A return only flips state. The limit is what R does not
 * show as hard. */
#include "techniques/llfree-manual/llfree_manual.h"

#include <llfree/host.h>

enum { FIND_HUGE = 256 };

/* Huge frames to take (or, negative, to return) until the guest has the limit. */
static int64_t huge_above(const hv_host *host, uint64_t limit_bytes)
{
	uint64_t now_huge = host->frames.huge_count - hv_frames_count(&host->frames, HV_R_HARD);
	return (int64_t)now_huge - (int64_t)(limit_bytes >> HV_HUGE_SHIFT);
}

/* One sweep over the memory, in ascending order: neighbours share one range of the discard. */
static hv_err take_free(hv_host *host, uint64_t wanted_huge, uint64_t *taken_huge)
{
	uint64_t huge_idx[FIND_HUGE], cursor = 0;
	while (*taken_huge < wanted_huge && cursor < host->frames.huge_count) {
		uint64_t left = wanted_huge - *taken_huge;
		size_t max_huge = left < FIND_HUGE ? (size_t)left : FIND_HUGE;
		size_t n_found = llfree_find_free_huge(&host->view, false, false, &cursor, huge_idx, max_huge);
		for (size_t at = 0; at < n_found; at++) {
			bool done;
			hv_err err = hv_host_hard(host, huge_idx[at], &done);
			*taken_huge += done;
			if (err != HV_OK)
				return err;
		}
	}
	return HV_OK;
}

static hv_err manual_shrink(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	uint64_t taken_huge = 0;
	*moved_bytes = 0;
	int64_t above_huge = huge_above(host, limit_bytes);
	if (above_huge <= 0)
		return HV_OK;
	hv_err err = take_free(host, (uint64_t)above_huge, &taken_huge);
	if (err == HV_OK && taken_huge < (uint64_t)above_huge) {
		/* claims of the slots break huge frames that are free otherwise */
		llfree_drain_all(&host->view);
		err = take_free(host, (uint64_t)above_huge, &taken_huge);
	}
	*moved_bytes = taken_huge << HV_HUGE_SHIFT;
	hv_err issue_err = hv_host_issue(host);
	if (err != HV_OK || issue_err != HV_OK)
		return err != HV_OK ? err : issue_err;
	return taken_huge < (uint64_t)above_huge ? HV_ERR_SHORT : HV_OK;
}

static hv_err manual_grow(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes)
{
	*moved_bytes = 0;
	int64_t below_huge = -huge_above(host, limit_bytes);
	uint64_t huge_idx = 0;
	while (below_huge > 0) {
		huge_idx = hv_frames_find(&host->frames, HV_R_HARD, huge_idx);
		if (huge_idx >= host->frames.huge_count)
			return HV_ERR_INVAL; /* a limit above the memory */
		bool done;
		hv_err err = hv_host_return(host, huge_idx++, &done);
		if (err != HV_OK)
			return err;
		*moved_bytes += done ? HV_HUGE_BYTES : 0;
		below_huge -= done;
	}
	return HV_OK;
}

static const hv_host_half manual_host = { .shrink = manual_shrink, .grow = manual_grow };

const hv_technique hv_technique_llfree_manual = {
	.name = "llfree-manual",
	.summary = "the host claims free huge frames in the shared allocator state, down to a limit",
	.allocator = "llfree",
	.grain_bytes = HV_HUGE_BYTES,
	.dma_safe = true,
	.batches = true,
	.shared_state = true,
	.guest = &hv_llfree_manual_guest,
	.host = &manual_host,
};
