/* SPDX-License-Identifier: MIT
 *
 * The transitions of a huge frame; see hv_host.h. Each: R -> busy, guest word, memory, R -> final. An install ends
 * with E 1 -> 0 while R is still busy, so no reclaim can start on a frame whose install has not ended. */
#include "host/hv_host.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static void count(_Atomic uint64_t *counter, uint64_t add)
{
	atomic_fetch_add_explicit(counter, add, memory_order_relaxed);
}

hv_err hv_host_open(hv_host *self, const hv_host_config *config)
{
	if (config->batch_huge == 0 || config->batch_huge > HV_DISCARD_MAX)
		return HV_ERR_INVAL;
	/* the region's header may be the guest's: a sweep over R must end where one over the children does */
	if (!config->without_view && config->view.n_children != config->memory.huge_count)
		return HV_ERR_GUEST;
	memset(self, 0, sizeof(*self));
	self->view = config->view;
	self->memory = config->memory;
	self->batch_huge = config->batch_huge;
	hv_batch_init(&self->batch);
	hv_err err = hv_frames_create(&self->frames, config->memory.huge_count);
	if (err != HV_OK)
		return err;
	hv_discarder_open(&self->discarder, config->discard);
	return HV_OK;
}

void hv_host_close(hv_host *self)
{
	hv_discarder_close(&self->discarder);
	hv_frames_destroy(&self->frames);
}

void hv_host_set_discard(hv_host *self, hv_discard_way way, uint32_t batch_huge)
{
	hv_discarder_close(&self->discarder);
	hv_discarder_open(&self->discarder, way);
	self->batch_huge = batch_huge;
}

void hv_host_stop_vm(hv_host *self, const char *why)
{
	const char *none = NULL;
	atomic_compare_exchange_strong(&self->fault, &none, why);
}

void hv_host_guest_gone(hv_host *self, const char *why)
{
	atomic_store_explicit(&self->gone, why, memory_order_release);
	hv_host_stop_vm(self, why);
}

hv_err hv_host_verdict(const hv_host *self)
{
	const char *fault = hv_host_fault(self);
	if (fault == NULL)
		return HV_OK;
	return fault == atomic_load_explicit(&self->gone, memory_order_acquire) ? HV_ERR_GONE : HV_ERR_GUEST;
}

const char *hv_host_fault(const hv_host *self)
{
	return atomic_load_explicit(&self->fault, memory_order_acquire);
}

const char *hv_host_fault_text(const hv_host *self, char *text, size_t text_bytes)
{
	const char *why = hv_host_fault(self), *name = self->name;
	snprintf(text, text_bytes, "%s%s %s%s", name != NULL ? "VM " : "the VM", name != NULL ? name : "",
		 why != NULL ? "was stopped: " : "runs", why != NULL ? why : "");
	return text;
}

/* What a library call says about the guest: nonsense stops the VM, all else only means "not now". */
static hv_err guest_verdict(hv_host *self, llfree_err err, const char *why)
{
	if (err != LLFREE_ERR_CORRUPT)
		return HV_OK;
	hv_host_stop_vm(self, why);
	return HV_ERR_GUEST;
}

static hv_err batch_add(hv_host *self, uint64_t huge_idx, hv_r to)
{
	hv_batch_add(&self->batch, huge_idx, to);
	return hv_batch_count(&self->batch) >= self->batch_huge ? hv_host_issue(self) : HV_OK;
}

hv_err hv_host_soft(hv_host *self, uint64_t huge_idx, bool *done)
{
	*done = false;
	if (hv_host_fault(self) != NULL)
		return hv_host_verdict(self);
	if (huge_idx >= self->frames.huge_count || !hv_frames_begin(&self->frames, huge_idx, HV_R_INSTALLED))
		return HV_OK;
	llfree_err err = llfree_reclaim_soft(&self->view, huge_idx);
	if (err != LLFREE_OK) {
		hv_frames_end(&self->frames, huge_idx, HV_R_INSTALLED);
		return guest_verdict(self, err, "nonsense in the shared state, seen by a soft reclaim");
	}
	*done = true;
	count(&self->counters.soft, 1);
	return batch_add(self, huge_idx, HV_R_SOFT);
}

hv_err hv_host_hard(hv_host *self, uint64_t huge_idx, bool *done)
{
	*done = false;
	if (hv_host_fault(self) != NULL)
		return hv_host_verdict(self);
	if (huge_idx >= self->frames.huge_count)
		return HV_OK;
	hv_r from = hv_frames_state(&self->frames, huge_idx);
	if ((from != HV_R_INSTALLED && from != HV_R_SOFT) || !hv_frames_begin(&self->frames, huge_idx, from))
		return HV_OK;
	bool was_evicted;
	llfree_err err = llfree_reclaim_hard(&self->view, huge_idx, &was_evicted);
	if (err != LLFREE_OK) {
		hv_frames_end(&self->frames, huge_idx, from);
		return guest_verdict(self, err, "nonsense in the shared state, seen by a hard reclaim");
	}
	*done = true;
	count(&self->counters.hard, 1);
	if (from == HV_R_SOFT && was_evicted) {
		hv_frames_end(&self->frames, huge_idx, HV_R_HARD);
		return HV_OK;
	}
	if (from == HV_R_SOFT) /* only an install clears E, and installs are ours */
		hv_host_stop_vm(self, "the guest cleared the evicted mark of a frame without an install");
	return batch_add(self, huge_idx, HV_R_HARD);
}

/* The kernel kept the memory: undo, so that R and E tell the truth. */
static void discard_undo(hv_host *self, uint64_t huge_idx, hv_r to)
{
	if (to == HV_R_HARD && llfree_return(&self->view, huge_idx) != LLFREE_OK)
		hv_host_stop_vm(self, "the guest changed a hard-reclaimed frame");
	if (llfree_install(&self->view, huge_idx) == LLFREE_ERR_INVAL)
		hv_host_stop_vm(self, "the shared state shrank");
	hv_frames_end(&self->frames, huge_idx, HV_R_INSTALLED);
	count(&self->counters.discard_failures, 1);
}

hv_err hv_host_issue(hv_host *self)
{
	uint64_t huge_idx[HV_DISCARD_MAX];
	hv_r to[HV_DISCARD_MAX];
	bool failed[HV_DISCARD_MAX];
	size_t n_huge = hv_batch_take(&self->batch, huge_idx, to);
	if (n_huge == 0)
		return HV_OK;
	hv_err err = hv_host_discard(self, huge_idx, n_huge, failed);
	for (size_t pos = 0; pos < n_huge; pos++) {
		if (failed[pos])
			discard_undo(self, huge_idx[pos], to[pos]);
		else
			hv_frames_end(&self->frames, huge_idx[pos], to[pos]);
	}
	return err;
}

hv_err hv_host_return(hv_host *self, uint64_t huge_idx, bool *done)
{
	*done = false;
	if (hv_host_fault(self) != NULL)
		return hv_host_verdict(self);
	if (huge_idx >= self->frames.huge_count || !hv_frames_begin(&self->frames, huge_idx, HV_R_HARD))
		return HV_OK;
	llfree_err err = llfree_return(&self->view, huge_idx);
	if (err != LLFREE_OK) {
		/* R says hard: nobody but the host may have touched these words */
		hv_frames_end(&self->frames, huge_idx, HV_R_HARD);
		hv_host_stop_vm(self, "the guest changed a hard-reclaimed frame");
		return HV_ERR_GUEST;
	}
	hv_frames_end(&self->frames, huge_idx, HV_R_SOFT);
	*done = true;
	count(&self->counters.returned, 1);
	return HV_OK;
}

/* E 1 -> 0, then R: until then the frame is busy and no reclaim can begin. */
static hv_install_result install_finish(hv_host *self, uint64_t huge_idx)
{
	llfree_err err = llfree_install(&self->view, huge_idx);
	hv_frames_end(&self->frames, huge_idx, HV_R_INSTALLED);
	count(&self->counters.installed, 1);
	return err == LLFREE_OK || err == LLFREE_ERR_STATE ? HV_INSTALL_DONE : HV_INSTALL_REFUSED;
}

static hv_install_result install_refuse(hv_host *self)
{
	count(&self->counters.refused, 1);
	return HV_INSTALL_REFUSED;
}

/* Someone was faster, or the guest set E itself: the memory is there, so E = 0 is the truth. But the request may be one
 * that timed out, and the frame free again: without busy a soft reclaim could set E between our look at R and our
 * clearing of E, and the guest would get a frame that is about to be discarded. */
static hv_install_result install_again(hv_host *self, uint64_t huge_idx)
{
	if (!hv_frames_begin(&self->frames, huge_idx, HV_R_INSTALLED))
		return HV_INSTALL_AGAIN;
	llfree_err err = llfree_install(&self->view, huge_idx);
	hv_frames_end(&self->frames, huge_idx, HV_R_INSTALLED);
	return err == LLFREE_OK || err == LLFREE_ERR_STATE ? HV_INSTALL_DONE : install_refuse(self);
}

hv_install_result hv_host_install(hv_host *self, uint64_t huge_idx)
{
	if (hv_host_fault(self) != NULL)
		return install_refuse(self);
	if (huge_idx >= self->frames.huge_count) {
		hv_host_stop_vm(self, "the guest asked to install a frame beyond its memory");
		return install_refuse(self);
	}
	switch (hv_frames_state(&self->frames, huge_idx)) {
	case HV_R_INSTALLED:
		return install_again(self, huge_idx);
	case HV_R_SOFT:
		if (!hv_frames_begin(&self->frames, huge_idx, HV_R_SOFT))
			return HV_INSTALL_AGAIN;
		if (hv_host_populate(self, huge_idx) == HV_OK)
			return install_finish(self, huge_idx);
		hv_frames_end(&self->frames, huge_idx, HV_R_SOFT);
		return install_refuse(self);
	case HV_R_BUSY:
		if (!hv_batch_withdraw(&self->batch, huge_idx))
			return HV_INSTALL_AGAIN;
		count(&self->counters.withdrawn, 1);
		return install_finish(self, huge_idx);
	case HV_R_HARD:
		break;
	}
	return install_refuse(self); /* hard: a request that timed out long ago, or a guest that cheats */
}
