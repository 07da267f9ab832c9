/* SPDX-License-Identifier: MIT
 *
 * Statistics against counting by hand, and an audit that sees every single wrong word. */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

#include "core/words.h"

static void statistics_count_what_was_done(void **state)
{
	(void)state;
	t_region region = t_region_make(3 * T_TREE + 600, 2, true);
	t_get_at(&region, 9, 512);
	t_get_at(&region, 10, 1024);
	t_get_at(&region, 0, 4096 + 7);
	assert_ok(llfree_reclaim_soft(&region.a, 10));
	bool was_evicted;
	assert_ok(llfree_reclaim_hard(&region.a, 11, &was_evicted));
	assert_ok(llfree_tree_offline(&region.a, 2));
	llfree_stats stats;
	llfree_stats_exact(&region.a, &stats);
	uint64_t frames = 3 * T_TREE + 600, free_frames = frames - 512 - 1024 - 1 - 512;
	assert_int_equal(stats.frames, frames);
	assert_int_equal(stats.free_frames, free_frames);
	assert_int_equal(stats.cached_frames, 0);
	assert_int_equal(stats.huge_frames, 25);
	assert_int_equal(stats.taken_huge, 4);
	assert_int_equal(stats.free_huge, 25 - 4 - 1);
	assert_int_equal(stats.evicted_huge, 2);
	assert_int_equal(stats.trees, 4);
	assert_int_equal(stats.free_trees, 2);
	assert_int_equal(stats.offline_trees, 1);
	assert_int_equal(stats.reserved_trees, 0);
	assert_int_equal(stats.fragmentation_permille, (free_frames - 20 * 512) * 1000 / free_frames);
	llfree_tree_stats tree;
	assert_ok(llfree_stats_tree(&region.a, 1, &tree));
	assert_int_equal(tree.free_frames, T_TREE - 513);
	assert_int_equal(tree.children, 8);
	assert_int_equal(tree.free_huge, 6);
	assert_int_equal(tree.taken_huge, 1);
	assert_int_equal(tree.evicted_huge, 2);
	assert_false(tree.reserved);
	assert_ok(llfree_stats_tree(&region.a, 3, &tree));
	assert_int_equal(tree.children, 2);
	assert_int_equal(tree.free_frames, 600);
	assert_err(llfree_stats_tree(&region.a, 4, &tree), LLFREE_ERR_INVAL);
	llfree_huge_state huge;
	assert_err(llfree_huge_state_of(&region.a, 26, &huge), LLFREE_ERR_INVAL);
	assert_ok(llfree_huge_state_of(&region.a, 25, &huge));
	assert_int_equal(huge.free_frames, 600 - 512);
	assert_false(huge.free);
	assert_false(llfree_is_free(&region.a, frames));
	assert_false(llfree_is_free(&region.a, UINT64_MAX));
	t_region_free(&region);
}

static void reserved_trees_are_counted_with_their_frames(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(4 * T_TREE, 1, exact);
		(void)t_get_class(&region, 0, 3, 0);
		(void)t_get_class(&region, 0, 3, 1);
		llfree_stats stats;
		llfree_stats_fast(&region.a, &stats);
		assert_int_equal(stats.reserved_trees, 2);
		assert_int_equal(stats.free_frames, 4 * T_TREE - 16);
		uint64_t sum = 0, trees = 0;
		for (unsigned i = 0; i < 3; i++) {
			sum += stats.classes[i].free_frames;
			trees += stats.classes[i].trees;
		}
		assert_int_equal(trees, 4);
		assert_int_equal(sum, stats.free_frames);
		assert_int_equal(stats.classes[1].trees, 1);
		assert_int_equal(stats.classes[1].free_frames, T_TREE - 8);
		t_region_free(&region);
	}
}

static void empty_and_full_regions_have_sensible_fragmentation(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, true);
	llfree_stats stats;
	llfree_stats_exact(&region.a, &stats);
	assert_int_equal(stats.fragmentation_permille, 0);
	for (unsigned huge = 0; huge < 8; huge++)
		t_get_at(&region, 0, huge * 512);
	llfree_stats_exact(&region.a, &stats);
	assert_int_equal(stats.fragmentation_permille, 1000);
	for (unsigned n = 8; n < T_TREE; n++)
		(void)t_get(&region, 0);
	llfree_stats_exact(&region.a, &stats);
	assert_int_equal(stats.free_frames, 0);
	assert_int_equal(stats.fragmentation_permille, 0);
	t_region_free(&region);
}

/* Make one word wrong, see that the audit counts exactly that, and where. */
static void audit_sees_each_kind_of_wrong_word(void **state)
{
	(void)state;
	t_region region = t_region_make(2 * T_TREE + 600, 1, false);
	uint64_t frame = t_get(&region, 0);
	t_get_at(&region, 9, T_TREE + 512);
	(void)t_get(&region, 0);
	llfree_audit_report report;
	assert_true(llfree_audit(&region.a, &report));
	assert_int_equal(report.first_bad, UINT64_MAX);
	llfree_slot *slot = &region.a.slots[0];
	uint64_t tree = frame / T_TREE, other = 1 - tree;
#define SEES(word, value, counter)                                  \
	do {                                                        \
		__typeof__(word) good = (word);                     \
		(word) = (__typeof__(word))(value);                 \
		assert_false(llfree_audit(&region.a, &report));     \
		assert_true(report.counter > 0);                    \
		assert_int_not_equal(report.first_bad, UINT64_MAX); \
		(word) = good;                                      \
		assert_true(llfree_audit(&region.a, &report));      \
	} while (0)
	SEES(region.a.children[3].word_, 511, child_count_wrong);
	SEES(region.a.rows[24].word_, 1, child_count_wrong);
	SEES(region.a.rows[72].word_, 1, huge_rows_open);
	SEES(region.a.children[9].word_, LLFREE_CHILD_HUGE | 5, huge_rows_open);
	SEES(region.a.trees[other].word_, region.a.trees[other].word_ - 1, tree_count_wrong);
	SEES(region.a.trees[2].word_, region.a.trees[2].word_ | LLFREE_TREE_RESERVED, reservation_wrong);
	SEES(region.a.trees[tree].word_, region.a.trees[tree].word_ & ~(uint32_t)LLFREE_TREE_RESERVED,
	     reservation_wrong);
	SEES(slot->reservation.word_, 0, reservation_wrong);
	SEES(region.a.slots[1].reservation.word_, slot->reservation.word_, reservation_wrong);
	SEES(slot->reservation.word_, slot->reservation.word_ + 1, tree_count_wrong);
	SEES(slot->claim.word_, slot->claim.word_ + (UINT64_C(40) << 32), claim_wrong);
	SEES(region.a.slots[1].claim.word_, slot->claim.word_, claim_wrong);
	SEES(slot->claim.word_, claim_make(0, LLFREE_CLAIM_NONE - 1, 1), claim_wrong);
	SEES(region.a.rows[region.a.n_rows - 1].word_, 0, tail_open);
	SEES(region.a.children[2].word_, 512 | 0x2000, word_invalid);
	SEES(region.a.children[2].word_, 513, word_invalid);
	SEES(region.a.trees[other].word_, region.a.trees[other].word_ | 1u << 31, word_invalid);
	SEES(region.a.trees[other].word_, region.a.trees[other].word_ | 7u << 16, word_invalid);
#undef SEES
	t_region_free(&region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statistics_count_what_was_done),
		cmocka_unit_test(reserved_trees_are_counted_with_their_frames),
		cmocka_unit_test(empty_and_full_regions_have_sensible_fragmentation),
		cmocka_unit_test(audit_sees_each_kind_of_wrong_word),
	};
	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
