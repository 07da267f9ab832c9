/* SPDX-License-Identifier: MIT
 *
 * Lists over the held entries of a vCPU; see holding.h. A put moves the vCPU's last entry into the gap: so do the links
 * here. */
#define _GNU_SOURCE
#include "guest/holding.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

typedef struct hv_holding_link {
	uint32_t next, prev, list_idx;
} hv_holding_link;

hv_err hv_holding_open(hv_holding *self, hv_vcpu *vcpu, uint32_t n_lists)
{
	memset(self, 0, sizeof(*self));
	self->vcpu = vcpu;
	self->n_lists = n_lists;
	self->lists = calloc(n_lists, sizeof(*self->lists));
	/* only what is used becomes memory */
	void *links = mmap(NULL, vcpu->max_held * sizeof(*self->links), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (links != MAP_FAILED)
		self->links = links;
	if (self->lists == NULL || self->links == NULL) {
		hv_holding_close(self);
		return HV_ERR_SYSTEM;
	}
	for (uint32_t idx = 0; idx < n_lists; idx++)
		self->lists[idx] = (hv_holding_list){ HV_HOLDING_NONE, HV_HOLDING_NONE, 0 };
	return HV_OK;
}

void hv_holding_close(hv_holding *self)
{
	free(self->lists);
	if (self->links != NULL)
		munmap(self->links, self->vcpu->max_held * sizeof(*self->links));
	self->lists = NULL;
	self->links = NULL;
}

/* Whoever points to an entry from inside its list points to `at` from now on; NONE: it is left out. */
static void neighbours_point(hv_holding *self, const hv_holding_link *link, uint32_t next_at, uint32_t prev_at)
{
	hv_holding_list *list = &self->lists[link->list_idx];
	if (link->prev != HV_HOLDING_NONE)
		self->links[link->prev].next = next_at;
	else
		list->head = next_at;
	if (link->next != HV_HOLDING_NONE)
		self->links[link->next].prev = prev_at;
	else
		list->tail = prev_at;
}

static void frames_add(hv_holding *self, uint64_t frames)
{
	/* one writer: the vCPU itself */
	atomic_store_explicit(&self->frames, atomic_load_explicit(&self->frames, memory_order_relaxed) + frames,
			      memory_order_relaxed);
}

static void got_tell(const hv_holding *self, unsigned order, bool got, uint64_t installs)
{
	if (self->watch == NULL)
		return;
	uint64_t frame = UINT64_MAX;
	if (got) {
		hv_held *held = &self->vcpu->held[self->vcpu->n_held - 1];
		hv_run run = hv_held_lock(held);
		hv_held_unlock(held, run);
		frame = run.frame;
	}
	self->watch->got(self->watch->context, self->vcpu->cpu_idx, order, frame, installs);
}

llfree_err hv_holding_get(hv_holding *self, uint32_t list_idx, unsigned order)
{
	uint64_t calls = self->vcpu->port.calls, begin_ns = hv_now_ns();
	llfree_err err = hv_workload_get(self->vcpu, order);
	uint64_t elapsed_ns = hv_now_ns() - begin_ns;
	got_tell(self, order, err == LLFREE_OK, self->vcpu->port.calls - calls);
	if (err != LLFREE_OK)
		return err;
	hv_histogram_add(&self->get_ns, elapsed_ns);
	self->write_ns += elapsed_ns;
	uint32_t at = (uint32_t)self->vcpu->n_held - 1;
	hv_holding_list *list = &self->lists[list_idx];
	self->links[at] = (hv_holding_link){ HV_HOLDING_NONE, list->tail, list_idx };
	neighbours_point(self, &self->links[at], at, at);
	list->frames += UINT64_C(1) << order;
	frames_add(self, UINT64_C(1) << order);
	return LLFREE_OK;
}

uint64_t hv_holding_put(hv_holding *self, uint32_t list_idx, bool oldest)
{
	hv_holding_list *list = &self->lists[list_idx];
	uint32_t at = oldest ? list->head : list->tail, last = (uint32_t)self->vcpu->n_held - 1;
	if (at == HV_HOLDING_NONE)
		return 0;
	hv_holding_link link = self->links[at];
	neighbours_point(self, &link, link.next, link.prev);
	if (self->watch != NULL)
		self->watch->put(self->watch->context, self->vcpu->cpu_idx, at);
	uint64_t n_frames = UINT64_C(1) << hv_workload_put(self->vcpu, at);
	if (at != last) {
		self->links[at] = self->links[last];
		neighbours_point(self, &self->links[at], at, at);
	}
	list->frames -= n_frames;
	frames_add(self, 0 - n_frames);
	return n_frames;
}
