/* SPDX-License-Identifier: MIT
 *
 * The word of a tree: counts, the class table, offline and reserved survive every change. */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

#include "core/core.h"
#include "core/words.h"

static const llf_claimant nobody = { NULL, LLF_NO_CLASS };

static void tree_counts_survive_beside_every_mark(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, true);
	uint32_t *word = &region.a.trees[0].word_;
	static const uint32_t marks[] = { 0, LLFREE_TREE_RESERVED, LLFREE_TREE_OFFLINE,
					  LLFREE_TREE_RESERVED | LLFREE_TREE_OFFLINE, 2u << LLFREE_TREE_CLASS_SHIFT };
	for (unsigned i = 0; i < T_COUNT(marks); i++) {
		*word = marks[i] | 100;
		llf_tree_give(&region.a, 0, 28);
		assert_int_equal(*word, marks[i] | 128);
		llf_tree_unreserve(&region.a, 0, 2);
		assert_int_equal(*word, (marks[i] & ~(uint32_t)LLFREE_TREE_RESERVED) | 130);
	}
	t_region_free(&region);
}

static void tree_take_leaves_the_last_frame_takeable(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, true);
	uint32_t *word = &region.a.trees[0].word_;
	*word = 64;
	assert_err(llf_tree_take(&region.a, 0, 65, nobody), LLFREE_ERR_STATE);
	assert_int_equal(*word, 64);
	assert_ok(llf_tree_take(&region.a, 0, 64, nobody));
	assert_int_equal(*word, 0);
	assert_err(llf_tree_take(&region.a, 0, 1, nobody), LLFREE_ERR_STATE);
	t_region_free(&region);
}

static void tree_take_from_an_offline_tree_is_refused(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, true);
	region.a.trees[0].word_ = LLFREE_TREE_OFFLINE | 512;
	assert_err(llf_tree_take(&region.a, 0, 1, nobody), LLFREE_ERR_OFFLINE);
	assert_int_equal(region.a.trees[0].word_, LLFREE_TREE_OFFLINE | 512);
	t_region_free(&region);
}

static void tree_class_follows_the_table(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, true);
	const uint8_t rule[LLFREE_MAX_CLASSES] = { LLFREE_NEVER, LLFREE_STEAL, LLFREE_DEMOTE };
	static const struct {
		unsigned tree_class, free_frames;
		llfree_err err;
		unsigned class_after;
	} rows[] = {
		{ 0, 100, LLFREE_ERR_STATE, 0 }, /* never */
		{ 0, T_TREE, LLFREE_OK, 2 },     /* an empty tree is anybody's */
		{ 1, 100, LLFREE_OK, 1 },        /* stolen from */
		{ 2, 100, LLFREE_OK, 2 },        /* demoted to class 2 */
	};
	for (unsigned i = 0; i < T_COUNT(rows); i++) {
		region.a.trees[0].word_ = rows[i].tree_class << LLFREE_TREE_CLASS_SHIFT | rows[i].free_frames;
		assert_err(llf_tree_take(&region.a, 0, 1, (llf_claimant){ rule, 2 }), rows[i].err);
		assert_int_equal(tree_class(region.a.trees[0].word_), rows[i].class_after);
	}
	t_region_free(&region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_counts_survive_beside_every_mark),
		cmocka_unit_test(tree_take_leaves_the_last_frame_takeable),
		cmocka_unit_test(tree_take_from_an_offline_tree_is_refused),
		cmocka_unit_test(tree_class_follows_the_table),
	};
	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
