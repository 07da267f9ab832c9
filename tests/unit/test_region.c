/* SPDX-License-Identifier: MIT
 *
 * Making and joining a region: sizes, configurations that are refused, headers that are truncated, foreign or hostile.
 */
#define _POSIX_C_SOURCE 200809L
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

#include <stdlib.h>
#include <string.h>

#include "../support/t_rand.h"

static void metadata_stays_below_36_kib_per_gib(void **state)
{
	(void)state;
	uint64_t frames = UINT64_C(8) << 18; /* 8 GiB */
	size_t slots = 8 * 3 * 64;
	T_EACH_MODE(exact)
	{
		size_t bytes = llfree_metadata_bytes(&(llfree_config){ .frames = frames, .cpus = 8, .exact = exact });
		assert_true(bytes > 0 && bytes <= 8 * 36 * 1024 + slots);
	}
}

static void fresh_region_of_any_size_is_consistent(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 1,   2,   31,  32,   33,   63,   64,   65,   511,  512,  513,
					  575, 576, 577, 1023, 4095, 4096, 4097, 4159, 4160, 9999, 12345 };
	T_EACH_MODE(exact)
	{
		for (unsigned i = 0; i < T_COUNT(sizes); i++) {
			t_region region = t_region_make(sizes[i], 2, exact);
			t_check(&region, sizes[i]);
			t_region_free(&region);
		}
	}
}

static void region_of_any_size_can_be_taken_whole_and_put_back(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 1, 33, 64, 100, 511, 513, 700, 4097, 4700 };
	T_EACH_MODE(exact)
	{
		for (unsigned i = 0; i < T_COUNT(sizes); i++) {
			t_region region = t_region_make(sizes[i], 1, exact);
			uint8_t *seen = calloc(sizes[i], 1);
			assert_non_null(seen);
			for (uint64_t n = 0; n < sizes[i]; n++) {
				uint64_t frame = t_get(&region, 0);
				assert_int_equal(seen[frame], 0);
				seen[frame] = 1;
			}
			uint64_t frame = 77;
			assert_err(llfree_get(&region.a, t_request(0, 0, 0), &frame), LLFREE_ERR_NOMEM);
			assert_int_equal(frame, 77);
			t_check(&region, 0);
			for (uint64_t n = 0; n < sizes[i]; n++)
				t_put(&region, 0, n);
			t_check(&region, sizes[i]);
			free(seen);
			t_region_free(&region);
		}
	}
}

static void all_taken_region_is_put_back_by_huge_frames_and_tail_runs(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region =
			t_region_of(&(llfree_config){ .frames = T_TREE + 512 + 100, .cpus = 1, .exact = exact }, true);
		t_check(&region, 0);
		uint64_t frame;
		assert_err(llfree_get(&region.a, t_request(0, 0, 0), &frame), LLFREE_ERR_NOMEM);
		for (uint64_t huge = 0; huge < 8; huge++)
			t_put(&region, 9, huge * 512);
		t_put(&region, 3, T_TREE);       /* a part of a huge frame */
		t_put(&region, 6, T_TREE + 512); /* the tail: 64 + 32 + 4 */
		t_put(&region, 5, T_TREE + 512 + 64);
		t_put(&region, 2, T_TREE + 512 + 96);
		t_check(&region, T_TREE + 8 + 100);
		t_region_free(&region);
	}
}

static void configurations_out_of_range_are_refused(void **state)
{
	(void)state;
	llfree_policy bad_diagonal = { .classes = 1, .rule = { { LLFREE_STEAL } } };
	llfree_policy bad_rule = { .classes = 2, .rule = { { 1, 4 }, { 1, 1 } } };
	llfree_policy none = { .classes = 0 }, nine = { .classes = 9 };
	const llfree_config configs[] = {
		{ .frames = 0, .cpus = 1 },
		{ .frames = 1, .cpus = 0 },
		{ .frames = 1, .cpus = LLFREE_MAX_CPUS + 1 },
		{ .frames = (UINT64_C(1) << 29) - 31, .cpus = 1 },
		{ .frames = (UINT64_C(1) << 32) + 1, .cpus = 1, .exact = true },
		{ .frames = UINT64_MAX, .cpus = 1 },
		{ .frames = UINT64_MAX, .cpus = 1, .exact = true },
		{ .frames = 1, .cpus = 1, .reserve_min_frames = UINT32_MAX },
		{ .frames = 1, .cpus = 1, .policy = &bad_diagonal },
		{ .frames = 1, .cpus = 1, .policy = &bad_rule },
		{ .frames = 1, .cpus = 1, .policy = &none },
		{ .frames = 1, .cpus = 1, .policy = &nine },
	};
	_Alignas(64) static uint8_t memory[65536];
	for (unsigned i = 0; i < T_COUNT(configs); i++) {
		llfree_t a;
		assert_int_equal(llfree_metadata_bytes(&configs[i]), 0);
		memset(memory, 0x5a, sizeof(memory));
		assert_err(llfree_init(&a, &configs[i], memory, sizeof(memory), false), LLFREE_ERR_INVAL);
		for (size_t j = 0; j < sizeof(memory); j++)
			assert_int_equal(memory[j], 0x5a);
	}
}

static void largest_configurations_have_a_size(void **state)
{
	(void)state;
	assert_true(llfree_metadata_bytes(&(llfree_config){ .frames = (UINT64_C(1) << 29) - 32, .cpus = 4096 }) > 0);
	assert_true(llfree_metadata_bytes(
			    &(llfree_config){ .frames = UINT64_C(1) << 32, .cpus = 4096, .exact = true }) > 0);
}

static void init_in_too_little_or_misaligned_memory_is_refused(void **state)
{
	(void)state;
	llfree_config config = { .frames = 1000, .cpus = 1 };
	size_t bytes = llfree_metadata_bytes(&config);
	uint8_t *memory = aligned_alloc(64, bytes + 64);
	assert_non_null(memory);
	llfree_t a;
	assert_err(llfree_init(&a, &config, memory, bytes - 1, false), LLFREE_ERR_TOO_SMALL);
	assert_err(llfree_init(&a, &config, memory, 0, false), LLFREE_ERR_TOO_SMALL);
	assert_err(llfree_init(&a, &config, memory + 8, bytes, false), LLFREE_ERR_TOO_SMALL);
	assert_err(llfree_init(&a, &config, NULL, bytes, false), LLFREE_ERR_INVAL);
	assert_ok(llfree_init(&a, &config, memory, bytes, false));
	free(memory);
}

static void two_views_of_a_region_see_each_other(void **state)
{
	(void)state;
	T_EACH_MODE(exact)
	{
		t_region region = t_region_make(2 * T_TREE, 2, exact);
		llfree_t other;
		assert_ok(llfree_attach(&other, region.bytes, region.n_bytes));
		uint64_t frame = t_get(&region, 3);
		assert_false(llfree_is_free(&other, frame));
		assert_ok(llfree_put(&other, t_request(1, 3, 0), frame));
		assert_true(llfree_is_free(&region.a, frame));
		t_region_free(&region);
	}
}

static void attach_writes_nothing(void **state)
{
	(void)state;
	t_region region = t_region_make(2 * T_TREE, 2, false);
	uint8_t *before = malloc(region.n_bytes);
	assert_non_null(before);
	memcpy(before, region.bytes, region.n_bytes);
	llfree_t other;
	assert_ok(llfree_attach(&other, region.bytes, region.n_bytes));
	assert_memory_equal(before, region.bytes, region.n_bytes);
	free(before);
	t_region_free(&region);
}

static void attach_to_a_truncated_region_is_refused_at_every_length(void **state)
{
	(void)state;
	t_region region = t_region_make(1000, 1, false);
	for (size_t bytes = 0; bytes < region.n_bytes; bytes++) {
		/* Memory of exactly this size: the address sanitizer sees a read past its end. */
		uint8_t *memory = NULL;
		assert_int_equal(posix_memalign((void **)&memory, 64, bytes ? bytes : 1), 0);
		memcpy(memory, region.bytes, bytes);
		llfree_t other;
		assert_err(llfree_attach(&other, memory, bytes), LLFREE_ERR_TOO_SMALL);
		assert_err(llfree_recover(&other, memory, bytes, false), LLFREE_ERR_TOO_SMALL);
		assert_memory_equal(memory, region.bytes, bytes);
		free(memory);
	}
	llfree_t other;
	assert_err(llfree_attach(&other, NULL, region.n_bytes), LLFREE_ERR_INVAL);
	assert_err(llfree_attach(&other, region.bytes + 8, region.n_bytes - 8), LLFREE_ERR_INVAL);
	t_region_free(&region);
}

static void each_header_field_that_is_wrong_is_named(void **state)
{
	(void)state;
	t_region region = t_region_make(10000, 2, false);
	llfree_header *header = region.a.header, good = *header;
	llfree_t other;
#define WRONG(field, value, error)                                                              \
	do {                                                                                    \
		header->field = (value);                                                        \
		assert_err(llfree_attach(&other, region.bytes, region.n_bytes), error);         \
		assert_err(llfree_recover(&other, region.bytes, region.n_bytes, false), error); \
		*header = good;                                                                 \
	} while (0)
	WRONG(magic, 0, LLFREE_ERR_MAGIC);
	WRONG(magic, LLFREE_MAGIC + 1, LLFREE_ERR_MAGIC);
	WRONG(version, 2, LLFREE_ERR_VERSION);
	WRONG(frame_shift, 14, LLFREE_ERR_GEOMETRY);
	WRONG(huge_order, 10, LLFREE_ERR_GEOMETRY);
	WRONG(tree_huge, 16, LLFREE_ERR_GEOMETRY);
	WRONG(tree_huge, 0, LLFREE_ERR_GEOMETRY);
	WRONG(header_bytes, 128, LLFREE_ERR_CORRUPT);
	WRONG(flags, 2, LLFREE_ERR_CORRUPT);
	WRONG(frames, 0, LLFREE_ERR_CORRUPT);
	WRONG(frames, UINT64_MAX, LLFREE_ERR_CORRUPT);
	WRONG(frames, 20000, LLFREE_ERR_CORRUPT);
	WRONG(cpus, 0, LLFREE_ERR_CORRUPT);
	WRONG(cpus, 3, LLFREE_ERR_CORRUPT);
	WRONG(cpus, UINT32_MAX, LLFREE_ERR_CORRUPT);
	WRONG(classes, 0, LLFREE_ERR_CORRUPT);
	WRONG(classes, 9, LLFREE_ERR_CORRUPT);
	WRONG(slots_offset, 0, LLFREE_ERR_CORRUPT);
	WRONG(trees_offset, UINT64_MAX, LLFREE_ERR_CORRUPT);
	WRONG(children_offset, 1, LLFREE_ERR_CORRUPT);
	WRONG(rows_offset, good.rows_offset + 64, LLFREE_ERR_CORRUPT);
	WRONG(region_bytes, good.region_bytes - 1, LLFREE_ERR_CORRUPT);
	WRONG(reserve_min_frames, 0, LLFREE_ERR_CORRUPT);
	WRONG(reserve_min_frames, UINT32_MAX, LLFREE_ERR_CORRUPT);
	WRONG(rule[0][1], 200, LLFREE_ERR_CORRUPT);
	WRONG(rule[2][2], LLFREE_NEVER, LLFREE_ERR_CORRUPT);
#undef WRONG
	assert_ok(llfree_attach(&other, region.bytes, region.n_bytes));
	t_region_free(&region);
}

/* Any single byte of the header wrong: refused, or a region as good as before; never a crash. */
static void attach_survives_every_wrong_byte_in_the_header(void **state)
{
	(void)state;
	t_region region = t_region_make(3000, 1, false);
	t_rand rand = { t_seed(7) };
	for (size_t at = 0; at < sizeof(llfree_header); at++) {
		uint8_t good = region.bytes[at];
		for (unsigned i = 0; i < 16; i++) {
			region.bytes[at] = (uint8_t)t_rand_next(&rand);
			llfree_t other;
			if (llfree_attach(&other, region.bytes, region.n_bytes) == LLFREE_OK) {
				llfree_audit_report report;
				(void)llfree_audit(&other, &report);
				assert_int_equal(other.n_rows, region.a.n_rows);
			}
			region.bytes[at] = good;
		}
	}
	t_region_free(&region);
}

static void clean_flag_tells_whether_the_last_user_closed(void **state)
{
	(void)state;
	t_region region = t_region_make(T_TREE, 1, false);
	assert_false(llfree_was_clean(&region.a));
	(void)t_get(&region, 0);
	llfree_close(&region.a);
	llfree_t other;
	assert_ok(llfree_attach(&other, region.bytes, region.n_bytes));
	assert_true(llfree_was_clean(&other));
	llfree_stats stats;
	llfree_stats_fast(&other, &stats);
	assert_int_equal(stats.cached_frames, 0);
	assert_int_equal(stats.reserved_trees, 0);
	assert_ok(llfree_recover(&other, region.bytes, region.n_bytes, false));
	assert_false(llfree_was_clean(&other));
	t_region_free(&region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metadata_stays_below_36_kib_per_gib),
		cmocka_unit_test(fresh_region_of_any_size_is_consistent),
		cmocka_unit_test(region_of_any_size_can_be_taken_whole_and_put_back),
		cmocka_unit_test(all_taken_region_is_put_back_by_huge_frames_and_tail_runs),
		cmocka_unit_test(configurations_out_of_range_are_refused),
		cmocka_unit_test(largest_configurations_have_a_size),
		cmocka_unit_test(init_in_too_little_or_misaligned_memory_is_refused),
		cmocka_unit_test(two_views_of_a_region_see_each_other),
		cmocka_unit_test(attach_writes_nothing),
		cmocka_unit_test(attach_to_a_truncated_region_is_refused_at_every_length),
		cmocka_unit_test(each_header_field_that_is_wrong_is_named),
		cmocka_unit_test(attach_survives_every_wrong_byte_in_the_header),
		cmocka_unit_test(clean_flag_tells_whether_the_last_user_closed),
	};
	return cmocka_run_group_tests_name("region", tests, NULL, NULL);
}
