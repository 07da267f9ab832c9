/* SPDX-License-Identifier: MIT
 *
 * Regions of tests. The memory comes from aligned_alloc with the exact size, so that the address sanitizer sees one
 * byte too far. */
#include "t_cmocka.h"
#include "t_region.h"

#include <stdlib.h>
#include <string.h>

static bool install(void *context, uint64_t huge_idx)
{
	t_region *region = context;
	region->installs++;
	if (region->install_fails)
		return false;
	llfree_err err = llfree_install(&region->a, huge_idx);
	return err == LLFREE_OK || err == LLFREE_ERR_STATE;
}

t_region t_region_of(const llfree_config *config, bool all_taken)
{
	t_region region = { .config = *config };
	region.n_bytes = llfree_metadata_bytes(config);
	assert_true(region.n_bytes > 0);
	/* A multiple of 64 always: the layout rounds each part up. */
	region.bytes = aligned_alloc(64, region.n_bytes);
	assert_non_null(region.bytes);
	memset(region.bytes, 0xa5, region.n_bytes);
	assert_ok(llfree_init(&region.a, config, region.bytes, region.n_bytes, all_taken));
	return region;
}

t_region t_region_make(uint64_t frames, uint32_t cpus, bool exact)
{
	return t_region_of(&(llfree_config){ .frames = frames, .cpus = cpus, .exact = exact }, false);
}

void t_region_free(t_region *region)
{
	free(region->bytes);
	region->bytes = NULL;
}

llfree_request t_request(uint32_t cpu, unsigned order, unsigned class_idx)
{
	return (llfree_request){ cpu, (uint8_t)order, (uint8_t)class_idx };
}

uint64_t t_get_class(t_region *region, uint32_t cpu, unsigned order, unsigned class_idx)
{
	/* Here, and not in make: the context must not move. */
	llfree_set_install(&region->a, install, region);
	uint64_t frame = UINT64_MAX;
	assert_ok(llfree_get(&region->a, t_request(cpu, order, class_idx), &frame));
	assert_int_equal(frame % (UINT64_C(1) << order), 0);
	assert_true(frame + (UINT64_C(1) << order) <= region->config.frames);
	return frame;
}

uint64_t t_get(t_region *region, unsigned order)
{
	return t_get_class(region, 0, order, 0);
}

void t_get_at(t_region *region, unsigned order, uint64_t frame)
{
	llfree_set_install(&region->a, install, region);
	assert_ok(llfree_get_at(&region->a, t_request(0, order, 0), frame));
}

void t_put(t_region *region, unsigned order, uint64_t frame)
{
	assert_ok(llfree_put(&region->a, t_request(0, order, 0), frame));
}

uint64_t t_free_frames(const t_region *region)
{
	llfree_stats stats;
	llfree_stats_exact(&region->a, &stats);
	return stats.free_frames;
}

void t_check(const t_region *region, uint64_t free_frames)
{
	llfree_audit_report report;
	bool clean = llfree_audit(&region->a, &report);
	if (!clean)
		print_error("child_count %lu huge_rows %lu tree_count %lu reservation %lu claim %lu tail %lu invalid "
			    "%lu at %lu\n",
			    (unsigned long)report.child_count_wrong, (unsigned long)report.huge_rows_open,
			    (unsigned long)report.tree_count_wrong, (unsigned long)report.reservation_wrong,
			    (unsigned long)report.claim_wrong, (unsigned long)report.tail_open,
			    (unsigned long)report.word_invalid, (unsigned long)report.first_bad);
	assert_true(clean);
	assert_int_equal(report.free_frames, free_frames);
	llfree_stats stats;
	llfree_stats_exact(&region->a, &stats);
	assert_int_equal(stats.free_frames, free_frames);
	assert_int_equal(stats.cached_frames, report.cached_frames);
	llfree_stats_fast(&region->a, &stats);
	assert_int_equal(stats.free_frames, free_frames);
	uint64_t n = 0;
	for (uint64_t frame = 0; frame < region->config.frames; frame++)
		n += llfree_is_free(&region->a, frame);
	assert_int_equal(n, free_frames);
}

uint64_t t_observed(const t_region *region)
{
	uint64_t hash = 1;
	for (uint64_t frame = 0; frame < region->config.frames; frame++)
		hash = hash * 31 + llfree_is_free(&region->a, frame);
	for (uint64_t huge = 0; huge < region->a.n_children; huge++) {
		llfree_huge_state state;
		assert_ok(llfree_huge_state_of(&region->a, huge, &state));
		hash = hash * 31 + state.taken_huge * 2u + state.evicted;
	}
	for (uint64_t tree = 0; tree < region->a.n_trees; tree++) {
		llfree_tree_stats stats;
		assert_ok(llfree_stats_tree(&region->a, tree, &stats));
		hash = hash * 31 + stats.offline;
	}
	return hash;
}
