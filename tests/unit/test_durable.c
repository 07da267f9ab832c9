/* SPDX-License-Identifier: MIT
 *
 * Durable regions: one flush of one word per operation, and what recovery makes of the durable words alone (A10). What
 * lost and reordered stores do to them: tests/explore/crash_main.c. */
#include "../support/t_cmocka.h"
#include "../support/t_region.h"

#include <string.h>

#include "../support/t_rand.h"
#include "core/core.h"

typedef struct {
	unsigned calls;
	size_t n_bytes;
	const void *address;
} flushes;

static void count_flush(void *context, const void *address, size_t n_bytes)
{
	flushes *seen = context;
	seen->calls++;
	seen->n_bytes = n_bytes;
	seen->address = address;
}

static t_region durable_region(uint64_t frames, bool exact)
{
	return t_region_of(&(llfree_config){ .frames = frames, .cpus = 1, .exact = exact, .durable = true }, false);
}

static void region_that_is_not_durable_has_no_durable_words(void **state)
{
	(void)state;
	llfree_config config = { .frames = 10000, .cpus = 1 };
	size_t plain = llfree_metadata_bytes(&config);
	config.durable = true;
	assert_true(llfree_metadata_bytes(&config) > plain);
	t_region region = t_region_make(10000, 1, true);
	flushes seen = { 0 };
	assert_null(region.a.durable_rows);
	assert_int_equal(region.a.header->durable_offset, 0);
	llfree_set_flush(&region.a, count_flush, &seen);
	t_put(&region, 7, t_get(&region, 7));
	llfree_close(&region.a);
	assert_int_equal(seen.calls, 0);
	t_region_free(&region);
}

static void flush_function_is_given_the_whole_region_first(void **state)
{
	(void)state;
	t_region region = durable_region(T_TREE + 700, true);
	flushes seen = { 0 };
	llfree_set_flush(&region.a, count_flush, &seen);
	assert_int_equal(seen.calls, 1);
	assert_ptr_equal(seen.address, region.bytes);
	assert_true(seen.n_bytes <= region.n_bytes && region.n_bytes - seen.n_bytes < 64);
	llfree_set_flush(&region.a, NULL, NULL);
	t_put(&region, 3, t_get(&region, 3));
	assert_int_equal(seen.calls, 1);
	t_region_free(&region);
}

static void each_get_and_put_of_every_order_flushes_one_word_once(void **state)
{
	(void)state;
	t_region region = durable_region(2 * T_TREE, true);
	flushes seen = { 0 };
	llfree_set_flush(&region.a, count_flush, &seen);
	for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
		seen.calls = 0;
		uint64_t frame = t_get(&region, order);
		assert_int_equal(seen.calls, 1);
		assert_true(seen.n_bytes <= 8);
		assert_true((const uint8_t *)seen.address >= (const uint8_t *)region.a.durable_rows);
		t_put(&region, order, frame);
		assert_int_equal(seen.calls, 2);
		t_get_at(&region, order, 0);
		assert_int_equal(seen.calls, 3);
		t_put(&region, order, 0);
		assert_int_equal(seen.calls, 4);
	}
	t_check(&region, 2 * T_TREE);
	t_region_free(&region);
}

static void claims_flush_once_per_refill(void **state)
{
	(void)state;
	t_region region = durable_region(T_TREE, false);
	flushes seen = { 0 };
	llfree_set_flush(&region.a, count_flush, &seen);
	seen.calls = 0;
	for (unsigned i = 0; i < 32; i++)
		(void)t_get(&region, 0);
	assert_int_equal(seen.calls, 1);
	t_region_free(&region);
}

static void refused_operations_flush_nothing(void **state)
{
	(void)state;
	t_region region = durable_region(T_TREE, true);
	uint64_t frame = t_get(&region, 4);
	flushes seen = { 0 };
	llfree_set_flush(&region.a, count_flush, &seen);
	seen.calls = 0;
	assert_err(llfree_get_at(&region.a, t_request(0, 9, 0), frame / 512 * 512), LLFREE_ERR_STATE);
	assert_err(llfree_get_at(&region.a, t_request(0, 7, 0), frame / 128 * 128), LLFREE_ERR_STATE);
	assert_err(llfree_put(&region.a, t_request(0, 5, 0), frame / 32 * 32), LLFREE_ERR_STATE);
	assert_err(llfree_put(&region.a, t_request(0, 0, 0), T_TREE - 1), LLFREE_ERR_STATE);
	assert_int_equal(seen.calls, 0);
	t_region_free(&region);
}

/* Random gets and puts of all orders, whole and in parts; then everything but the durable words is destroyed. */
static void durable_words_alone_say_what_is_taken(void **state)
{
	(void)state;
	enum { SIZE = 3 * T_TREE + 700, HELD = 60 };
	T_EACH_MODE(exact)
	{
		t_region region = durable_region(SIZE, exact);
		t_rand rand = { t_seed(5) };
		struct {
			uint64_t frame;
			unsigned order;
		} held[HELD];
		unsigned n_held = 0;
		for (unsigned i = 0; i < 4000; i++) {
			unsigned order = (unsigned)t_rand_below(&rand, LLFREE_MAX_ORDER + 1);
			uint64_t frame;
			if (n_held < HELD && t_rand_below(&rand, 2)) {
				if (llfree_get(&region.a, t_request(0, order, 0), &frame) == LLFREE_OK) {
					held[n_held].frame = frame;
					held[n_held++].order = order;
				}
			} else if (n_held) {
				unsigned at = (unsigned)t_rand_below(&rand, n_held), part = held[at].order;
				if (part && t_rand_below(&rand, 3) == 0) /* the upper half of it */
					t_put(&region, --held[at].order, held[at].frame + (UINT64_C(1) << (part - 1)));
				else {
					t_put(&region, held[at].order, held[at].frame);
					held[at] = held[--n_held];
				}
			}
		}
		llfree_drain_all(&region.a);
		llfree_audit_report report;
		assert_true(llfree_audit(&region.a, &report));
		uint64_t free_frames = t_free_frames(&region);
		memset(region.a.slots, 0xa5, (size_t)((uint8_t *)region.a.durable_rows - (uint8_t *)region.a.slots));
		for (uint64_t i = 0; i < region.a.n_children; i++) /* E is no durable word, but kept */
			region.a.children[i].word_ &= LLFREE_CHILD_FREE_MASK;
		for (uint64_t i = 0; i < region.a.n_trees; i++)
			region.a.trees[i].word_ = 0x5a5a;
		assert_ok(llfree_recover(&region.a, region.bytes, region.n_bytes, true));
		t_check(&region, free_frames);
		for (unsigned i = 0; i < n_held; i++)
			t_put(&region, held[i].order, held[i].frame);
		t_check(&region, SIZE);
		t_region_free(&region);
	}
}

static void claims_go_back_after_a_kill_and_count_as_taken_after_a_power_failure(void **state)
{
	(void)state;
	for (unsigned lost = 0; lost < 2; lost++) {
		t_region region = durable_region(T_TREE, false);
		uint64_t frame = t_get(&region, 0);
		assert_ok(llfree_recover(&region.a, region.bytes, region.n_bytes, lost));
		assert_false(llfree_is_free(&region.a, frame));
		t_check(&region, T_TREE - (lost ? 32 : 1));
		assert_ok(
			llfree_recover(&region.a, region.bytes, region.n_bytes, lost)); /* once more changes nothing */
		t_check(&region, T_TREE - (lost ? 32 : 1));
		t_region_free(&region);
	}
}

static void all_taken_region_can_be_recovered_and_put_back(void **state)
{
	(void)state;
	t_region region = t_region_of(
		&(llfree_config){ .frames = T_TREE + 512, .cpus = 1, .exact = true, .durable = true }, true);
	t_check(&region, 0);
	assert_ok(llfree_recover(&region.a, region.bytes, region.n_bytes, true));
	t_check(&region, 0);
	t_put(&region, LLFREE_MAX_ORDER, 0);
	t_put(&region, 9, T_TREE);
	t_check(&region, T_TREE + 512);
	t_region_free(&region);
}

static void wrong_offset_of_the_durable_words_is_refused(void **state)
{
	(void)state;
	static const uint64_t offsets[] = { 0, 1, 64, UINT64_MAX, UINT64_MAX - 63 };
	t_region region = durable_region(T_TREE, true);
	uint64_t good = region.a.header->durable_offset;
	llfree_t other;
	for (unsigned i = 0; i < T_COUNT(offsets); i++) {
		region.a.header->durable_offset = offsets[i];
		assert_err(llfree_attach(&other, region.bytes, region.n_bytes), LLFREE_ERR_CORRUPT);
	}
	region.a.header->durable_offset = good;
	region.a.header->flags &= ~(uint32_t)LLFREE_FLAG_DURABLE;
	assert_err(llfree_attach(&other, region.bytes, region.n_bytes), LLFREE_ERR_CORRUPT);
	region.a.header->flags |= LLFREE_FLAG_DURABLE;
	assert_ok(llfree_attach(&other, region.bytes, region.n_bytes));
	assert_err(llfree_attach(&other, region.bytes, region.n_bytes - 64), LLFREE_ERR_TOO_SMALL);
	t_region_free(&region);
}

static void audit_sees_durable_words_that_say_otherwise(void **state)
{
	(void)state;
	t_region region = durable_region(T_TREE, true);
	(void)t_get(&region, 8);
	llfree_audit_report report;
	assert_true(llfree_audit(&region.a, &report));
	region.a.durable_rows[1].word_ ^= 4;
	assert_false(llfree_audit(&region.a, &report));
	assert_int_equal(report.durable_wrong, 1);
	assert_int_equal(report.first_bad, 0);
	region.a.durable_rows[1].word_ ^= 4;
	region.a.durable_children[0].word_ ^= 1;
	assert_false(llfree_audit(&region.a, &report));
	assert_int_equal(report.durable_wrong, 8);
	t_region_free(&region);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(region_that_is_not_durable_has_no_durable_words),
		cmocka_unit_test(flush_function_is_given_the_whole_region_first),
		cmocka_unit_test(each_get_and_put_of_every_order_flushes_one_word_once),
		cmocka_unit_test(claims_flush_once_per_refill),
		cmocka_unit_test(refused_operations_flush_nothing),
		cmocka_unit_test(durable_words_alone_say_what_is_taken),
		cmocka_unit_test(claims_go_back_after_a_kill_and_count_as_taken_after_a_power_failure),
		cmocka_unit_test(all_taken_region_can_be_recovered_and_put_back),
		cmocka_unit_test(wrong_offset_of_the_durable_words_is_refused),
		cmocka_unit_test(audit_sees_durable_words_that_say_otherwise),
	};
	return cmocka_run_group_tests_name("durable", tests, NULL, NULL);
}
