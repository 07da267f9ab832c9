/* SPDX-License-Identifier: MIT
 *
 * The page cache; see page_cache.h. Words of a file are written by its home alone; another vCPU that finds it cached
 * has its read served by that. */
#include "guest/page_cache.h"

#include <stdatomic.h>
#include <stdlib.h>

hv_err hv_page_cache_open(hv_page_cache *self, uint32_t n_files)
{
	*self = (hv_page_cache){ .n_files = n_files };
	self->home = calloc(n_files, sizeof(*self->home));
	self->peak = calloc(n_files, sizeof(*self->peak));
	self->used = calloc(n_files, sizeof(*self->used));
	atomic_init(&self->ask_frames, UINT64_MAX);
	if (self->home == NULL || self->peak == NULL || self->used == NULL) {
		hv_page_cache_close(self);
		return HV_ERR_SYSTEM;
	}
	for (uint32_t idx = 0; idx < n_files; idx++)
		atomic_init(&self->home[idx], HV_CACHE_NOT_CACHED);
	return HV_OK;
}

void hv_page_cache_close(hv_page_cache *self)
{
	free((void *)self->home);
	free((void *)self->peak);
	free((void *)self->used);
	*self = (hv_page_cache){ 0 };
}

static void count(_Atomic uint64_t *counter, uint64_t add)
{
	/* one writer: the vCPU itself */
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + add, memory_order_relaxed);
}

static hv_holding_list *list_of(const hv_cache_part *self, uint32_t file_idx)
{
	return &self->holding->lists[self->first_list + file_idx];
}

static bool is_home(const hv_cache_part *self, uint32_t file_idx)
{
	return atomic_load_explicit(&self->cache->home[file_idx], memory_order_relaxed) ==
	       (int32_t)self->holding->vcpu->cpu_idx;
}

static bool home_claim(hv_cache_part *self, uint32_t file_idx)
{
	int32_t none = HV_CACHE_NOT_CACHED;
	return is_home(self, file_idx) ||
	       atomic_compare_exchange_strong_explicit(&self->cache->home[file_idx], &none,
						       (int32_t)self->holding->vcpu->cpu_idx, memory_order_acq_rel,
						       memory_order_relaxed);
}

hv_cache_read hv_cache_part_read(hv_cache_part *self, uint32_t file_idx, uint64_t n_frames)
{
	hv_page_cache *cache = self->cache;
	atomic_store_explicit(&cache->used[file_idx],
			      atomic_fetch_add_explicit(&cache->clock, 1, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	if (!home_claim(self, file_idx))
		return HV_CACHE_ALL;
	hv_holding_list *list = list_of(self, file_idx);
	uint64_t peak = atomic_load_explicit(&cache->peak[file_idx], memory_order_relaxed);
	while (list->frames < n_frames) {
		if (hv_holding_get(self->holding, self->first_list + file_idx, 0) != LLFREE_OK)
			return HV_CACHE_NO_MEMORY;
		count(&self->frames, 1);
		if (list->frames <= peak)
			count(&self->refaults, 1);
		else
			atomic_store_explicit(&cache->peak[file_idx], list->frames, memory_order_relaxed);
	}
	return HV_CACHE_ALL;
}

/* All of the file, the last frame first. */
static uint64_t file_drop(hv_cache_part *self, uint32_t file_idx, uint64_t max_frames)
{
	uint64_t dropped = 0;
	while (dropped < max_frames) {
		uint64_t frames = hv_holding_put(self->holding, self->first_list + file_idx, false);
		if (frames == 0)
			break;
		dropped += frames;
	}
	count(&self->frames, 0 - dropped);
	if (list_of(self, file_idx)->frames == 0)
		atomic_store_explicit(&self->cache->home[file_idx], HV_CACHE_NOT_CACHED, memory_order_release);
	return dropped;
}

void hv_cache_part_delete(hv_cache_part *self, uint32_t file_idx)
{
	if (!is_home(self, file_idx))
		return;
	file_drop(self, file_idx, UINT64_MAX);
	atomic_store_explicit(&self->cache->peak[file_idx], 0, memory_order_relaxed);
}

static bool coldest(const hv_cache_part *self, uint32_t *file_idx)
{
	uint64_t oldest = UINT64_MAX;
	for (uint32_t idx = 0; idx < self->cache->n_files; idx++) {
		uint64_t used = atomic_load_explicit(&self->cache->used[idx], memory_order_relaxed);
		if (list_of(self, idx)->frames > 0 && used < oldest) {
			oldest = used;
			*file_idx = idx;
		}
	}
	return oldest != UINT64_MAX;
}

uint64_t hv_cache_part_shrink(hv_cache_part *self, uint64_t n_frames)
{
	uint64_t dropped = 0;
	uint32_t file_idx = 0;
	while (dropped < n_frames && coldest(self, &file_idx))
		dropped += file_drop(self, file_idx, n_frames - dropped);
	count(&self->dropped, dropped);
	return dropped;
}
