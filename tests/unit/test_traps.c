/* SPDX-License-Identifier: MIT
 *
 * Bugs that other allocators of this family had, each as a test: those that one thread can show. The numbers are the
 * rows of the table in docs/invariants.md, which names the explorer scenarios for those that need two. Built for small,
 * default and large trees. */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

#include <string.h>

enum { TREE_HUGE = LLFREE_TREE_HUGE };

/* Trap 1 */
static void failed_order10_get_leaves_foreign_huge_frame_owned(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 10; order <= LLFREE_MAX_ORDER; order++) {
			unsigned group = 1u << (order - 9);
			for (unsigned foreign = 0; foreign < group; foreign++) {
				t_region region = t_region_make(3 * T_TREE, 1, exact);
				uint64_t first = T_TREE; /* a neighbour on either side is owned as well */
				t_get_at(&region, 9, first - 512);
				t_get_at(&region, 9, first + foreign * 512u);
				t_get_at(&region, 9, first + (UINT64_C(1) << order));
				assert_err(llfree_get_at(&region.a, t_request(0, order, 0), first), LLFREE_ERR_STATE);
				t_check(&region, 3 * T_TREE - 3 * 512);
				assert_err(llfree_get_at(&region.a, t_request(0, 9, 0), first - 512), LLFREE_ERR_STATE);
				assert_err(llfree_get_at(&region.a, t_request(0, 9, 0), first + foreign * 512u),
					   LLFREE_ERR_STATE);
				t_put(&region, 9, first + foreign * 512u);
				t_put(&region, 9, first - 512);
				t_put(&region, 9, first + (UINT64_C(1) << order));
				t_check(&region, 3 * T_TREE);
				t_region_free(&region);
			}
		}
	}
}

/* Trap 2 */
static void failed_order7_and_8_get_returns_every_frame(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 7; order <= 8; order++) {
			for (unsigned row = 0; row < 1u << (order - 6); row++) {
				t_region region = t_region_make(T_TREE, 1, exact);
				t_get_at(&region, 0, row * 64 + 63);
				assert_err(llfree_get_at(&region.a, t_request(0, order, 0), 0), LLFREE_ERR_STATE);
				t_check(&region, T_TREE - 1);
				t_put(&region, 0, row * 64 + 63);
				t_get_at(&region, order, 0);
				t_check(&region, T_TREE - (1u << order));
				t_region_free(&region);
			}
		}
	}
}

/* Trap 3 */
static void multi_row_get_is_refused_when_any_row_has_an_owner(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(512, 1, exact);
		/* In every run of order 7 and 8 some row has an owner: never the same one. */
		t_get_at(&region, 0, 64);
		t_get_at(&region, 0, 128);
		t_get_at(&region, 0, 256 + 63);
		t_get_at(&region, 0, 256 + 255);
		uint64_t frame = 5;
		for (unsigned order = 7; order <= 9; order++)
			assert_err(llfree_get(&region.a, t_request(0, order, 0), &frame), LLFREE_ERR_NOMEM);
		assert_int_equal(frame, 5);
		t_check(&region, 508);
		t_region_free(&region);
	}
}

/* Trap 4 */
static void exactly_as_many_frames_as_needed_can_be_moved_from_tree_to_reservation(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 0; order <= LLFREE_HUGE_ORDER; order++) {
			llfree_config config = { .frames = T_TREE, .cpus = 2, .exact = exact, .reserve_min_frames = 1 };
			t_region region = t_region_of(&config, false);
			for (unsigned n = 0; n < (unsigned)T_TREE >> order; n++)
				(void)t_get_class(&region, 0, order, 0);
			/* Back to the tree's count, since CPU 1 has nothing reserved. */
			assert_ok(llfree_put(&region.a, t_request(1, order, 0), 0));
			if (!exact && !order)
				llfree_drain_slot(&region.a, 1, 0);
			assert_int_equal(t_get_class(&region, 0, order, 0), 0);
			t_check(&region, 0);
			t_region_free(&region);
		}
	}
}

/* Trap 5 */
static void offline_tree_stays_offline_after_a_free_and_comes_back(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE, 1, exact);
		uint64_t frame = t_get(&region, 0), other;
		assert_ok(llfree_tree_offline(&region.a, 0));
		t_put(&region, 0, frame);
		assert_err(llfree_get(&region.a, t_request(0, 0, 0), &other), LLFREE_ERR_NOMEM);
		assert_ok(llfree_tree_online(&region.a, 0));
		(void)t_get(&region, LLFREE_MAX_ORDER);
		t_check(&region, 0);
		t_region_free(&region);
	}
}

/* Trap 7 */
static void recovery_of_a_partial_last_tree_reads_nothing_beyond(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 1, 64, 65, 511, 513, T_TREE + 1, T_TREE + 65, 2 * T_TREE - 1 };
	T_EACH_MODE(exact)
	{
		for (unsigned i = 0; i < T_COUNT(sizes); i++) {
			t_region region = t_region_make(sizes[i], 1, exact);
			llfree_t other;
			assert_ok(llfree_recover(&other, region.bytes, region.n_bytes, false));
			t_check(&region, sizes[i]);
			t_region_free(&region);
		}
	}
}

static void evicted_is(const t_region *region, bool expected)
{
	llfree_huge_state huge;
	assert_ok(llfree_huge_state_of(&region->a, 0, &huge));
	assert_int_equal(huge.evicted, expected);
}

/* Trap 13 */
static void every_transition_keeps_the_evicted_mark(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(512, 1, exact);
		uint64_t frame;
		bool was_evicted;
		assert_ok(llfree_reclaim_soft(&region.a, 0));
		evicted_is(&region, true);
		/* Gets whose install fails take and give back under E. */
		for (unsigned order = 0; order <= LLFREE_HUGE_ORDER; order++) {
			assert_err(llfree_get(&region.a, t_request(0, order, 0), &frame), LLFREE_ERR_INSTALL);
			evicted_is(&region, true);
			assert_err(llfree_get_at(&region.a, t_request(0, order, 0), 0), LLFREE_ERR_INSTALL);
			evicted_is(&region, true);
			t_check(&region, 512);
		}
		llfree_drain_all(&region.a);
		assert_ok(llfree_reclaim_hard(&region.a, 0, &was_evicted));
		evicted_is(&region, true);
		assert_ok(llfree_return(&region.a, 0));
		evicted_is(&region, true);
		assert_ok(llfree_tree_offline(&region.a, 0));
		assert_ok(llfree_tree_online(&region.a, 0));
		evicted_is(&region, true);
		llfree_t other;
		assert_ok(llfree_recover(&other, region.bytes, region.n_bytes, false));
		evicted_is(&region, true);
		assert_ok(llfree_install(&region.a, 0));
		evicted_is(&region, false);
		t_region_free(&region);
	}
}

/* Trap 15 */
static void counters_hold_a_whole_tree_and_orders_do_not_overflow_shifts(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(4 * T_TREE, 1, exact);
		for (unsigned n = 0; n < 4; n++) {
			(void)t_get(&region, LLFREE_MAX_ORDER);
			t_check(&region, (3 - n) * T_TREE);
		}
		for (unsigned n = 0; n < 4; n++)
			t_put(&region, LLFREE_MAX_ORDER, n * T_TREE);
		t_check(&region, 4 * T_TREE);
		uint64_t frame = 5;
		for (unsigned order = LLFREE_MAX_ORDER + 1; order < 256; order++) {
			assert_err(llfree_get(&region.a, t_request(0, order, 0), &frame), LLFREE_ERR_INVAL);
			assert_err(llfree_get_at(&region.a, t_request(0, order, 0), 0), LLFREE_ERR_INVAL);
			assert_err(llfree_put(&region.a, t_request(0, order, 0), 0), LLFREE_ERR_INVAL);
		}
		t_check(&region, 4 * T_TREE);
		t_region_free(&region);
	}
}

/* Trap 16 */
static void every_cpu_has_a_slot_of_every_class(void **state)
{
	(void)state;
	llfree_policy policy = { .classes = 5 };
	for (unsigned i = 0; i < 5; i++) {
		for (unsigned j = 0; j < 5; j++)
			policy.rule[i][j] = i == j ? LLFREE_MATCH : LLFREE_STEAL;
	}
	T_EACH_MODE(exact)
	{
		t_region region = t_region_of(
			&(llfree_config){ .frames = 6 * T_TREE, .cpus = 3, .exact = exact, .policy = &policy }, false);
		for (unsigned round = 0; round < 2; round++) {
			for (uint32_t cpu = 0; cpu < 7; cpu++) {
				for (unsigned class_idx = 0; class_idx < 5; class_idx++) {
					uint64_t frame = t_get_class(&region, cpu, 0, class_idx);
					assert_ok(llfree_put(&region.a, t_request(cpu + 2, 0, 4 - class_idx), frame));
				}
			}
			t_check(&region, 6 * T_TREE);
			llfree_drain_all(&region.a);
		}
		t_region_free(&region);
	}
}

/* Trap 17 */
static void free_trees_are_used_before_the_slots_of_others(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(4 * T_TREE, 2, exact);
		uint64_t mine = t_get_class(&region, 0, 0, 0) / T_TREE;
		uint64_t other = t_get_class(&region, 1, 0, 0) / T_TREE;
		assert_int_not_equal(mine, other);
		llfree_tree_stats stats;
		assert_ok(llfree_stats_tree(&region.a, mine, &stats));
		assert_true(stats.reserved);
		t_region_free(&region);
	}
}

/* Trap 17 */
static void tree_is_not_demoted_against_the_table(void **state)
{
	(void)state;
	llfree_policy policy = { .classes = 2,
				 .rule = { { LLFREE_MATCH, LLFREE_NEVER }, { LLFREE_STEAL, LLFREE_MATCH } } };
	T_EACH_MODE(exact)
	{
		t_region region = t_region_of(
			&(llfree_config){ .frames = T_TREE, .cpus = 1, .exact = exact, .policy = &policy }, false);
		uint64_t kept = t_get_class(&region, 0, 0, 1), frame;
		for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++)
			assert_err(llfree_get(&region.a, t_request(0, order, 0), &frame), LLFREE_ERR_NOMEM);
		llfree_tree_stats stats;
		assert_ok(llfree_stats_tree(&region.a, 0, &stats));
		assert_int_equal(stats.class_idx, 1);
		t_put(&region, 0, kept);
		t_region_free(&region);
	}
}

/* Trap 18 */
static void metadata_parts_do_not_overlap_in_a_region_of_exactly_the_size_asked_for(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 1, 511, 513, T_TREE, T_TREE + 1, 17 * T_TREE - 3, 33 * 512 };
	static const uint32_t cpus[] = { 1, 3, 17 };
	for (unsigned i = 0; i < T_COUNT(sizes); i++) {
		for (unsigned j = 0; j < T_COUNT(cpus); j++) {
			/* The address sanitizer watches the end; the parts between are compared. */
			t_region region = t_region_make(sizes[i], cpus[j], false);
			const uint8_t *end[] = { (const uint8_t *)(region.a.header + 1),
						 (const uint8_t *)(region.a.slots + cpus[j] * 3u),
						 (const uint8_t *)(region.a.trees + region.a.n_trees),
						 (const uint8_t *)(region.a.children + region.a.n_children),
						 (const uint8_t *)(region.a.rows + region.a.n_rows) };
			const uint8_t *begin[] = { (const uint8_t *)region.a.slots, (const uint8_t *)region.a.trees,
						   (const uint8_t *)region.a.children, (const uint8_t *)region.a.rows,
						   region.bytes + region.n_bytes };
			for (unsigned part = 0; part < T_COUNT(end); part++)
				assert_true(end[part] <= begin[part]);
			t_region_free(&region);
		}
	}
}

/* Trap 19 */
static void rows_beyond_the_end_are_never_handed_out(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 1, 63, 65, 100, 513, 600, 1000, T_TREE + 70 };
	T_EACH_MODE(exact)
	{
		for (unsigned i = 0; i < T_COUNT(sizes); i++) {
			for (unsigned order = 0; order <= LLFREE_HUGE_ORDER; order++) {
				t_region region = t_region_make(sizes[i], 1, exact);
				uint64_t frame, n = 0;
				while (llfree_get(&region.a, t_request(0, order, 0), &frame) == LLFREE_OK) {
					assert_true(frame + (UINT64_C(1) << order) <= sizes[i]);
					n++;
				}
				assert_int_equal(n, sizes[i] >> order);
				t_region_free(&region);
			}
		}
	}
}

static llfree_huge_state seen_in_install;

static bool looking_install(void *context, uint64_t huge_idx)
{
	llfree_t *a = context;
	return llfree_huge_state_of(a, huge_idx, &seen_in_install) == LLFREE_OK &&
	       llfree_install(a, huge_idx) == LLFREE_OK;
}

/* Trap 20 */
static void taken_and_evicted_has_two_meanings_that_only_the_host_record_tells_apart(void **state)
{
	(void)state;
	t_region region = t_region_make(2 * 512, 1, true);
	bool was_evicted;
	uint64_t frame;
	assert_ok(llfree_reclaim_soft(&region.a, 0));
	assert_ok(llfree_reclaim_hard(&region.a, 1, &was_evicted));
	llfree_set_install(&region.a, looking_install, &region.a);
	assert_ok(llfree_get(&region.a, t_request(0, 9, 0), &frame));
	/* While the guest that owns frame 0 waited for its install, its word was that of a hard-reclaimed one. */
	llfree_huge_state reclaimed;
	assert_ok(llfree_huge_state_of(&region.a, 1, &reclaimed));
	assert_int_equal(reclaimed.taken_huge, seen_in_install.taken_huge);
	assert_int_equal(reclaimed.evicted, seen_in_install.evicted);
	assert_int_equal(reclaimed.free_frames, seen_in_install.free_frames);
	assert_true(reclaimed.taken_huge && reclaimed.evicted);
	/* Once it is installed the difference shows, and a return is refused. */
	assert_err(llfree_return(&region.a, frame / 512), LLFREE_ERR_STATE);
	t_region_free(&region);
}

/* Trap 21 */
static void install_is_idempotent(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(512, 1, exact);
		assert_ok(llfree_reclaim_soft(&region.a, 0));
		assert_ok(llfree_install(&region.a, 0));
		for (unsigned i = 0; i < 3; i++)
			assert_err(llfree_install(&region.a, 0), LLFREE_ERR_STATE);
		t_check(&region, 512);
		(void)t_get(&region, 9);
		assert_int_equal(region.installs, 0);
		t_region_free(&region);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failed_order10_get_leaves_foreign_huge_frame_owned),
		cmocka_unit_test(failed_order7_and_8_get_returns_every_frame),
		cmocka_unit_test(multi_row_get_is_refused_when_any_row_has_an_owner),
		cmocka_unit_test(exactly_as_many_frames_as_needed_can_be_moved_from_tree_to_reservation),
		cmocka_unit_test(offline_tree_stays_offline_after_a_free_and_comes_back),
		cmocka_unit_test(recovery_of_a_partial_last_tree_reads_nothing_beyond),
		cmocka_unit_test(every_transition_keeps_the_evicted_mark),
		cmocka_unit_test(counters_hold_a_whole_tree_and_orders_do_not_overflow_shifts),
		cmocka_unit_test(every_cpu_has_a_slot_of_every_class),
		cmocka_unit_test(free_trees_are_used_before_the_slots_of_others),
		cmocka_unit_test(tree_is_not_demoted_against_the_table),
		cmocka_unit_test(metadata_parts_do_not_overlap_in_a_region_of_exactly_the_size_asked_for),
		cmocka_unit_test(rows_beyond_the_end_are_never_handed_out),
		cmocka_unit_test(taken_and_evicted_has_two_meanings_that_only_the_host_record_tells_apart),
		cmocka_unit_test(install_is_idempotent),
	};
	print_message("%d huge frames per tree\n", TREE_HUGE);
	return cmocka_run_group_tests_name("traps", tests, NULL, NULL);
}
