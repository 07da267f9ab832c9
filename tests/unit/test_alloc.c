/* SPDX-License-Identifier: MIT
 *
 * Get and put of every order, in both modes; out of memory; classes. */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

#include <stdlib.h>

static void every_order_can_be_got_and_put(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(3 * T_TREE, 2, exact);
		for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
			uint64_t frame = t_get(&region, order);
			for (uint64_t i = 0; i < UINT64_C(1) << order; i++)
				assert_false(llfree_is_free(&region.a, frame + i));
			t_check(&region, 3 * T_TREE - (UINT64_C(1) << order));
			t_put(&region, order, frame);
			t_check(&region, 3 * T_TREE);
		}
		t_region_free(&region);
	}
}

static void memory_can_be_filled_by_runs_of_any_one_order(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
			uint64_t frames = 2 * T_TREE, run = UINT64_C(1) << order;
			t_region region = t_region_make(frames, 2, exact);
			uint8_t *owned = calloc(frames, 1);
			assert_non_null(owned);
			for (uint64_t n = 0; n < frames / run; n++) {
				uint64_t frame = t_get_class(&region, (uint32_t)n, order, 0);
				for (uint64_t i = 0; i < run; i++)
					assert_int_equal(owned[frame + i]++, 0);
			}
			uint64_t frame;
			assert_err(llfree_get(&region.a, t_request(0, order, 0), &frame), LLFREE_ERR_NOMEM);
			t_check(&region, 0);
			for (uint64_t first = 0; first < frames; first += run)
				t_put(&region, order, first);
			t_check(&region, frames);
			free(owned);
			t_region_free(&region);
		}
	}
}

static void failed_get_of_every_order_changes_nothing(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		/* One frame of every run of order 1 is taken: nothing above order 0 fits. */
		t_region region = t_region_make(2 * T_TREE, 1, exact);
		for (uint64_t frame = 0; frame < 2 * T_TREE; frame += 2)
			t_get_at(&region, 0, frame);
		uint64_t observed = t_observed(&region);
		for (unsigned order = 1; order <= LLFREE_MAX_ORDER; order++) {
			uint64_t frame = 5;
			assert_err(llfree_get(&region.a, t_request(0, order, 0), &frame), LLFREE_ERR_NOMEM);
			assert_int_equal(frame, 5);
		}
		assert_int_equal(t_observed(&region), observed);
		t_check(&region, T_TREE);
		t_region_free(&region);
	}
}

static void bad_arguments_are_refused_and_change_nothing(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(T_TREE + 100, 1, exact);
		uint64_t held = t_get(&region, 0), frame = 5, observed = t_observed(&region);
		assert_err(llfree_get(&region.a, t_request(0, LLFREE_MAX_ORDER + 1, 0), &frame), LLFREE_ERR_INVAL);
		assert_err(llfree_get(&region.a, t_request(0, 255, 0), &frame), LLFREE_ERR_INVAL);
		assert_err(llfree_get(&region.a, t_request(0, 0, 3), &frame), LLFREE_ERR_INVAL);
		assert_err(llfree_get(&region.a, t_request(0, 4, 255), &frame), LLFREE_ERR_INVAL);
		assert_err(llfree_put(&region.a, t_request(0, LLFREE_MAX_ORDER + 1, 0), 0), LLFREE_ERR_INVAL);
		assert_err(llfree_put(&region.a, t_request(0, 0, 0), T_TREE + 100), LLFREE_ERR_INVAL);
		assert_err(llfree_put(&region.a, t_request(0, 0, 0), UINT64_MAX), LLFREE_ERR_INVAL);
		assert_err(llfree_put(&region.a, t_request(0, 6, 0), T_TREE + 64), LLFREE_ERR_INVAL);
		for (unsigned order = 1; order <= LLFREE_MAX_ORDER; order++)
			assert_err(llfree_put(&region.a, t_request(0, order, 0), (UINT64_C(1) << order) / 2),
				   LLFREE_ERR_INVAL);
		assert_int_equal(frame, 5);
		assert_int_equal(t_observed(&region), observed);
		t_put(&region, 0, held);
		t_region_free(&region);
	}
}

static void double_free_in_exact_mode_is_refused_for_every_order(void **state)
{
	(void)state;
	for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
		t_region region = t_region_make(2 * T_TREE, 1, true);
		uint64_t frame = t_get(&region, order);
		t_put(&region, order, frame);
		uint64_t observed = t_observed(&region);
		assert_err(llfree_put(&region.a, t_request(0, order, 0), frame), LLFREE_ERR_STATE);
		assert_int_equal(t_observed(&region), observed);
		t_check(&region, 2 * T_TREE);
		t_region_free(&region);
	}
}

static void put_of_a_run_that_is_only_partly_taken_is_refused(void **state)
{
	(void)state;
	for (unsigned order = 1; order <= LLFREE_MAX_ORDER; order++) {
		t_region region = t_region_make(2 * T_TREE, 1, true);
		uint64_t frame = t_get(&region, order);
		uint64_t hole = frame + (UINT64_C(1) << order) - 1;
		t_put(&region, 0, hole);
		uint64_t observed = t_observed(&region);
		assert_err(llfree_put(&region.a, t_request(0, order, 0), frame), LLFREE_ERR_STATE);
		assert_int_equal(t_observed(&region), observed);
		t_check(&region, 2 * T_TREE - (UINT64_C(1) << order) + 1);
		t_region_free(&region);
	}
}

static void every_aligned_part_of_a_larger_run_can_be_put(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		for (unsigned order = 1; order <= LLFREE_MAX_ORDER; order++) {
			for (unsigned part = 0; part < order; part++) {
				t_region region = t_region_make(2 * T_TREE, 1, exact);
				uint64_t frame = t_get(&region, order), step = UINT64_C(1) << part;
				/* The last part first, then the rest. */
				uint64_t end = UINT64_C(1) << order;
				if (end / step > 600) {
					t_region_free(&region);
					continue;
				}
				for (uint64_t offset = end; offset; offset -= step)
					t_put(&region, part, frame + offset - step);
				t_check(&region, 2 * T_TREE);
				llfree_drain_all(&region.a);
				t_put(&region, LLFREE_MAX_ORDER, t_get(&region, LLFREE_MAX_ORDER));
				t_region_free(&region);
			}
		}
	}
}

static void cpu_numbers_wrap(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(2 * T_TREE, 3, exact);
		uint64_t first = t_get_class(&region, UINT32_MAX, 0, 0), second = t_get_class(&region, 1000003, 0, 2);
		assert_ok(llfree_put(&region.a, t_request(UINT32_MAX, 0, 0), first));
		assert_ok(llfree_put(&region.a, t_request(77777, 0, 0), second));
		llfree_drain_slot(&region.a, UINT32_MAX, 0);
		llfree_drain_cpu(&region.a, 12345);
		t_check(&region, 2 * T_TREE);
		t_region_free(&region);
	}
}

static void last_frame_of_a_tree_whose_count_is_split_can_be_got(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		/* All frames got through CPU 0; then one is put back while another CPU's slot is used. */
		t_region region = t_region_make(T_TREE, 2, exact);
		for (uint64_t n = 0; n < T_TREE; n++)
			(void)t_get_class(&region, 0, 0, 0);
		assert_ok(llfree_put(&region.a, t_request(1, 0, 0), 1234));
		assert_int_equal(t_get_class(&region, 0, 0, 0), 1234);
		assert_ok(llfree_put(&region.a, t_request(0, 0, 0), 4095));
		assert_int_equal(t_get_class(&region, 1, 0, 0), 4095);
		t_check(&region, 0);
		t_region_free(&region);
	}
}

static void classes_stay_in_trees_of_their_own_while_there_is_room(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(6 * T_TREE, 1, exact);
		uint64_t tree[3];
		for (unsigned class_idx = 0; class_idx < 3; class_idx++) {
			tree[class_idx] = t_get_class(&region, 0, 0, class_idx) / T_TREE;
			llfree_tree_stats stats;
			assert_ok(llfree_stats_tree(&region.a, tree[class_idx], &stats));
			assert_int_equal(stats.class_idx, class_idx);
		}
		assert_true(tree[0] != tree[1] && tree[0] != tree[2] && tree[1] != tree[2]);
		t_region_free(&region);
	}
}

static void class_that_may_never_use_another_fails_although_that_has_memory(void **state)
{
	(void)state;
	llfree_policy policy = { .classes = 2,
				 .rule = { { LLFREE_MATCH, LLFREE_NEVER }, { LLFREE_NEVER, LLFREE_MATCH } } };
	T_EACH_MODE(exact)
	{
		t_region region = t_region_of(
			&(llfree_config){ .frames = T_TREE, .cpus = 1, .exact = exact, .policy = &policy }, false);
		uint64_t mine = t_get_class(&region, 0, 0, 0), frame;
		for (unsigned order = 0; order <= LLFREE_HUGE_ORDER; order++)
			assert_err(llfree_get(&region.a, t_request(0, order, 1), &frame), LLFREE_ERR_NOMEM);
		t_put(&region, 0, mine);
		/* Now the tree is empty again, and so anybody's. */
		(void)t_get_class(&region, 0, 0, 1);
		t_check(&region, T_TREE - 1);
		t_region_free(&region);
	}
}

static void eight_classes_work_and_a_ninth_is_refused(void **state)
{
	(void)state;
	llfree_policy policy = { .classes = 8 };
	for (unsigned i = 0; i < 8; i++) {
		for (unsigned j = 0; j < 8; j++)
			policy.rule[i][j] = i == j ? LLFREE_MATCH : LLFREE_STEAL;
	}
	T_EACH_MODE(exact)
	{
		t_region region = t_region_of(
			&(llfree_config){ .frames = 9 * T_TREE, .cpus = 2, .exact = exact, .policy = &policy }, false);
		uint64_t frames[8];
		for (unsigned class_idx = 0; class_idx < 8; class_idx++)
			frames[class_idx] = t_get_class(&region, class_idx, class_idx, class_idx);
		uint64_t frame;
		assert_err(llfree_get(&region.a, t_request(0, 0, 8), &frame), LLFREE_ERR_INVAL);
		llfree_drain_slot(&region.a, 0, 8); /* nothing happens */
		for (unsigned class_idx = 0; class_idx < 8; class_idx++)
			t_put(&region, class_idx, frames[class_idx]);
		t_check(&region, 9 * T_TREE);
		t_region_free(&region);
	}
}

static void stealing_leaves_the_class_and_demoting_changes_it(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		/* The default table: movable steals from fixed; fixed demotes movable. */
		t_region region = t_region_make(T_TREE, 1, exact);
		llfree_tree_stats stats;
		(void)t_get_class(&region, 0, 3, LLFREE_CLASS_FIXED);
		(void)t_get_class(&region, 0, 3, LLFREE_CLASS_MOVABLE);
		assert_ok(llfree_stats_tree(&region.a, 0, &stats));
		assert_int_equal(stats.class_idx, LLFREE_CLASS_FIXED);
		t_region_free(&region);

		region = t_region_make(T_TREE, 1, exact);
		(void)t_get_class(&region, 0, 3, LLFREE_CLASS_MOVABLE);
		llfree_drain_all(&region.a);
		(void)t_get_class(&region, 0, 3, LLFREE_CLASS_FIXED);
		assert_ok(llfree_stats_tree(&region.a, 0, &stats));
		assert_int_equal(stats.class_idx, LLFREE_CLASS_FIXED);
		t_region_free(&region);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_order_can_be_got_and_put),
		cmocka_unit_test(memory_can_be_filled_by_runs_of_any_one_order),
		cmocka_unit_test(failed_get_of_every_order_changes_nothing),
		cmocka_unit_test(bad_arguments_are_refused_and_change_nothing),
		cmocka_unit_test(double_free_in_exact_mode_is_refused_for_every_order),
		cmocka_unit_test(put_of_a_run_that_is_only_partly_taken_is_refused),
		cmocka_unit_test(every_aligned_part_of_a_larger_run_can_be_put),
		cmocka_unit_test(cpu_numbers_wrap),
		cmocka_unit_test(last_frame_of_a_tree_whose_count_is_split_can_be_got),
		cmocka_unit_test(classes_stay_in_trees_of_their_own_while_there_is_room),
		cmocka_unit_test(class_that_may_never_use_another_fails_although_that_has_memory),
		cmocka_unit_test(eight_classes_work_and_a_ninth_is_refused),
		cmocka_unit_test(stealing_leaves_the_class_and_demoting_changes_it),
	};
	return cmocka_run_group_tests_name("alloc", tests, NULL, NULL);
}
