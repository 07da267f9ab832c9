/* SPDX-License-Identifier: MIT
 *
 * The words that two processes share: every field survives packing beside every other, and the bytes are the ones that
 * docs/shared-layout.md promises (golden vectors, written out by hand). */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

#include <string.h>

#include "core/words.h"

static void child_word_fields_do_not_touch_each_other(void **state)
{
	(void)state;
	for (unsigned free_frames = 0; free_frames <= 512; free_frames++) {
		for (unsigned marks = 0; marks < 4; marks++) {
			uint16_t word = (uint16_t)(free_frames | (marks & 1 ? 0x4000 : 0) | (marks & 2 ? 0x8000 : 0));
			assert_int_equal(child_free(word), free_frames);
			assert_int_equal(child_huge(word), marks & 1);
			assert_int_equal(child_evicted(word), marks >> 1);
			assert_int_equal(child_whole(word), free_frames == 512 && !(marks & 1));
			assert_int_equal(child_has(word, 512), free_frames == 512 && !(marks & 1));
			assert_int_equal(child_has(word, free_frames), !(marks & 1));
			assert_false(child_has(word, free_frames + 1));
		}
	}
}

static void tree_word_fields_do_not_touch_each_other(void **state)
{
	(void)state;
	static const unsigned counts[] = { 0, 1, 511, 512, 4095, 4096, 16384 };
	for (unsigned i = 0; i < T_COUNT(counts); i++) {
		for (unsigned class_idx = 0; class_idx < 8; class_idx++) {
			for (unsigned marks = 0; marks < 4; marks++) {
				uint32_t old = (marks & 1 ? UINT32_C(1) << 29 : 0) |
					       (marks & 2 ? UINT32_C(1) << 30 : 0) | 0x77abcu;
				uint32_t word = tree_with_class(tree_with_free(old, counts[i]), class_idx);
				assert_int_equal(tree_free(word), counts[i]);
				assert_int_equal(tree_class(word), class_idx);
				assert_int_equal(tree_reserved(word), marks & 1);
				assert_int_equal(tree_offline(word), marks >> 1);
			}
		}
	}
}

static void reservation_word_fields_do_not_touch_each_other(void **state)
{
	(void)state;
	static const uint64_t rows[] = { 0, 1, 63, 64, (1u << 26) - 1 };
	static const unsigned counts[] = { 0, 1, 4096, 16384, 65535 };
	uint64_t generation = 0x155555;
	for (unsigned i = 0; i < T_COUNT(rows); i++) {
		for (unsigned j = 0; j < T_COUNT(counts); j++) {
			uint64_t word = res_make(generation << 43, rows[i], counts[j]);
			assert_true(res_present(word));
			assert_int_equal(res_row(word), rows[i]);
			assert_int_equal(res_free(word), counts[j]);
			assert_int_equal(word >> 43, generation);
			assert_int_equal(res_free(res_with_free(word, 7)), 7);
			assert_int_equal(res_row(res_with_free(word, 7)), rows[i]);
		}
	}
}

static void draining_a_reservation_bumps_only_its_generation(void **state)
{
	(void)state;
	uint64_t word = res_make(UINT64_C(5) << 43, 77, 300), drained = res_drained(word);
	assert_false(res_present(drained));
	assert_int_equal(drained, UINT64_C(6) << 43);
	assert_int_equal(res_drained(UINT64_C(0x1fffff) << 43), 0);
}

static void claim_word_fields_do_not_touch_each_other(void **state)
{
	(void)state;
	static const uint64_t halves[] = { 0, 1, 2, 0xfffffe };
	for (unsigned i = 0; i < T_COUNT(halves); i++) {
		uint64_t word = claim_make(UINT64_C(0xab) << 56, halves[i], 0x80000001u);
		assert_int_equal(claim_mask(word), 0x80000001u);
		assert_int_equal(claim_half(word), halves[i]);
		assert_int_equal(word >> 56, 0xab);
	}
}

static void draining_a_claim_bumps_its_generation_and_claims_nothing(void **state)
{
	(void)state;
	uint64_t drained = claim_drained(claim_make(UINT64_C(3) << 56, 12, 0xffff0000u));
	assert_int_equal(drained, UINT64_C(0x04ffffff00000000));
	assert_int_equal(claim_drained(UINT64_C(0xffffffff00000000)), UINT64_C(0x00ffffff00000000));
}

static void header_of_a_fresh_region_is_byte_for_byte_the_documented_one(void **state)
{
	(void)state;
	t_region region = t_region_make(5000, 2, false);
	static const uint8_t golden[104] = {
		0x4c, 0x4c, 0x46, 0x52, 0x45, 0x45, 0, 1, /* magic: LLFREE 0 1 */
		1,    0,    0,    0,                      /* version */
		0,    1,    0,    0,                      /* header bytes 256 */
		12,   0,    0,    0,                      /* frame shift */
		9,    0,    0,    0,                      /* huge order */
		8,    0,    0,    0,                      /* huge frames per tree */
		0,    0,    0,    0,                      /* flags */
		0x88, 0x13, 0,    0,    0,    0,    0, 0, /* frames 5000 */
		0x00, 0x05, 0,    0,    0,    0,    0, 0, /* region bytes, below */
		2,    0,    0,    0,                      /* cpus */
		3,    0,    0,    0,                      /* classes */
		0x00, 0x01, 0,    0,    0,    0,    0, 0, /* slots at 256 */
		0x80, 0x02, 0,    0,    0,    0,    0, 0, /* trees behind 6 slots of 64 */
		0xc0, 0x02, 0,    0,    0,    0,    0, 0, /* children behind 2 trees, aligned to 64 */
		0x00, 0x03, 0,    0,    0,    0,    0, 0, /* rows behind 10 children, aligned to 64 */
		0,    0,    0,    0, /* reserve_min_frames: a tuning value, not part of the vector */
		1,    0,    0,    0, /* generation */
		0,    0,    0,    0, /* clean */
		0,    0,    0,    0, /* unused */
	};
	uint8_t expected[104], found[104];
	memcpy(expected, golden, sizeof(golden));
	memcpy(found, region.bytes, sizeof(found));
	uint64_t region_bytes = 0x300 + 10 * 64;
	memcpy(expected + 40, &region_bytes, 8);
	memset(found + 88, 0, 4);
	assert_memory_equal(found, expected, sizeof(found));
	/* The policy table, row by row of eight. */
	static const uint8_t rules[24] = { 1, 3, 3, 0, 0, 0, 0, 0, 2, 1, 3, 0, 0, 0, 0, 0, 2, 2, 1, 0, 0, 0, 0, 0 };
	assert_memory_equal(region.bytes + 104, rules, sizeof(rules));
	assert_int_equal(region.n_bytes, region_bytes);
	t_region_free(&region);
}

static uint64_t word_at(const t_region *region, size_t offset, size_t bytes)
{
	uint64_t word = 0;
	memcpy(&word, region->bytes + offset, bytes);
	return word;
}

static void words_of_a_used_region_are_the_documented_ones(void **state)
{
	(void)state;
	t_region region = t_region_make(2 * T_TREE, 1, true);
	size_t trees = 256 + 3 * 64, children = trees + 64, rows = children + 64;
	assert_int_equal(word_at(&region, trees, 4), 4096);
	assert_int_equal(word_at(&region, children, 2), 512);
	t_get_at(&region, 0, T_TREE + 3);              /* row 64 of the region: bit 3 */
	t_get_at(&region, 9, T_TREE + 512);            /* child 9 as one */
	assert_ok(llfree_reclaim_soft(&region.a, 10)); /* child 10: E */
	assert_ok(llfree_tree_offline(&region.a, 1));
	assert_int_equal(word_at(&region, rows + 64 * 8, 8), 8);
	assert_int_equal(word_at(&region, rows + 72 * 8, 8), UINT64_MAX);
	assert_int_equal(word_at(&region, children + 8 * 2, 2), 511);
	assert_int_equal(word_at(&region, children + 9 * 2, 2), 0x4000);
	assert_int_equal(word_at(&region, children + 10 * 2, 2), 0x8200);
	assert_int_equal(word_at(&region, trees + 4, 4), 0x40000000 | (4096 - 513));
	t_region_free(&region);
}

static void slot_words_of_a_used_region_are_the_documented_ones(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, false);
	assert_int_equal(t_get(&region, 0), 0);
	uint64_t reservation = word_at(&region, 256, 8), claim = word_at(&region, 264, 8);
	assert_int_equal(reservation & 0xffff, 4096 - 32);
	assert_int_equal(reservation >> 16 & 0x3ffffff, 0);
	assert_int_equal(reservation >> 42 & 1, 1);
	assert_int_equal(claim & 0xffffffff, 0xfffffffe); /* frame 0 was handed out */
	assert_int_equal(claim >> 32 & 0xffffff, 0);      /* half row 0 */
	assert_int_equal(word_at(&region, 256 + 3 * 64, 4), 1u << 29);
	t_region_free(&region);
}

static void bit_helpers_agree_with_counting_by_hand(void **state)
{
	(void)state;
	static const uint64_t words[] = {
		0, 1, UINT64_MAX, 0x8000000000000001, 0x5555aaaa5555aaaa, 0xff00000000000000
	};
	for (unsigned i = 0; i < T_COUNT(words); i++) {
		unsigned bits = 0;
		for (unsigned bit = 0; bit < 64; bit++)
			bits += (unsigned)(words[i] >> bit & 1);
		assert_int_equal(llf_popcount(words[i]), bits);
		for (unsigned count = 0; count <= 64; count++) {
			uint64_t lowest = llf_lowest_bits(words[i], count);
			assert_int_equal(llf_popcount(lowest), count < bits ? count : bits);
			assert_int_equal(lowest & ~words[i], 0);
		}
	}
}

static void free_run_finds_the_lowest_aligned_run_of_every_order(void **state)
{
	(void)state;
	uint64_t seed = 12345;
	for (unsigned round = 0; round < 20000; round++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
		uint64_t row = seed & (seed << (round % 17)) & (seed >> (round % 5));
		for (unsigned order = 0; order <= 6; order++) {
			uint64_t expected = 0;
			for (unsigned first = 0; first < 64 && !expected; first += 1u << order) {
				uint64_t mask = (order == 6 ? UINT64_MAX : (UINT64_C(1) << (1u << order)) - 1) << first;
				if (!(row & mask))
					expected = mask;
			}
			assert_int_equal(llf_free_run(row, order), expected);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(child_word_fields_do_not_touch_each_other),
		cmocka_unit_test(tree_word_fields_do_not_touch_each_other),
		cmocka_unit_test(reservation_word_fields_do_not_touch_each_other),
		cmocka_unit_test(draining_a_reservation_bumps_only_its_generation),
		cmocka_unit_test(claim_word_fields_do_not_touch_each_other),
		cmocka_unit_test(draining_a_claim_bumps_its_generation_and_claims_nothing),
		cmocka_unit_test(header_of_a_fresh_region_is_byte_for_byte_the_documented_one),
		cmocka_unit_test(words_of_a_used_region_are_the_documented_ones),
		cmocka_unit_test(slot_words_of_a_used_region_are_the_documented_ones),
		cmocka_unit_test(bit_helpers_agree_with_counting_by_hand),
		cmocka_unit_test(free_run_finds_the_lowest_aligned_run_of_every_order),
	};
	return cmocka_run_group_tests_name("words", tests, NULL, NULL);
}
