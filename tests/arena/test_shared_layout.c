/* SPDX-License-Identifier: MIT
 *
 * The example of docs/shared-layout.md as golden vectors: what another process, or another implementation, finds at
 * which byte. Only for the default tree size: the example shows it. */
#include "arena_support.h"
#include <llfree/host.h>

#include <string.h>

enum { EXAMPLE_BYTES = 34688 };

static _Alignas(64) uint8_t region[EXAMPLE_BYTES];
static llfree_t allocator;

static int make_example(void **state)
{
	const llfree_config config = { .frames = 262144, .cpus = 2 };

	(void)state;
	memset(region, 0xee, sizeof(region)); /* every byte of a region is defined by init */
	if (llfree_metadata_bytes(&config) != EXAMPLE_BYTES)
		return -1;
	return llfree_init(&allocator, &config, region, sizeof(region), false) == LLFREE_OK ? 0 : -1;
}

static void assert_bytes(size_t offset, const void *bytes, size_t n_bytes)
{
	assert_memory_equal(region + offset, bytes, n_bytes);
}

static void header_is_as_documented(void **state)
{
	static const uint8_t head[] = { 0x4c, 0x4c, 0x46, 0x52, 0x45, 0x45, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00,
					0x00, 0x01, 0x00, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x09, 0x00, 0x00, 0x00,
					0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
					0x00, 0x00, 0x00, 0x00, 0x80, 0x87, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
					0x02, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00 };
	const uint64_t offsets[] = { 256, 640, 896, 1920 };
	static const uint8_t rules[] = { 1, 3, 3, 0, 0, 0, 0, 0, 2, 1, 3, 0, 0, 0, 0, 0, 2, 2, 1, 0, 0, 0, 0, 0 };
	static const uint8_t zero[64];

	(void)state;
	assert_bytes(0, head, sizeof(head));
	assert_bytes(56, offsets, sizeof(offsets));
	assert_bytes(92, "\1\0\0\0\0\0\0\0\0\0\0\0", 12); /* generation, clean, unused */
	assert_bytes(104, rules, sizeof(rules));
	assert_bytes(128, zero, 64);
	assert_bytes(192, zero, 64);
}

static void fresh_words_are_as_documented(void **state)
{
	(void)state;
	for (size_t slot = 256; slot < 640; slot += 64) {
		assert_bytes(slot, "\0\0\0\0\0\0\0\0", 8);
		assert_bytes(slot + 8, "\0\0\0\0\xff\xff\xff\0", 8);
	}
	for (size_t tree = 640; tree < 896; tree += 4)
		assert_bytes(tree, "\0\x10\0\0", 4);
	for (size_t child = 896; child < 1920; child += 2)
		assert_bytes(child, "\0\2", 2);
	for (size_t byte = 1920; byte < EXAMPLE_BYTES; byte++)
		assert_int_equal(region[byte], 0);
}

static void words_after_the_first_get_are_as_documented(void **state)
{
	uint64_t frame = UINT64_MAX;

	(void)state;
	assert_int_equal(llfree_get(&allocator, (llfree_request){ .class_idx = LLFREE_CLASS_MOVABLE }, &frame),
			 LLFREE_OK);
	assert_int_equal(frame, 0);
	assert_bytes(320, "\xe0\x0f\0\0\0\4\0\0", 8);
	assert_bytes(328, "\xfe\xff\xff\xff\0\0\0\0", 8);
	assert_bytes(640, "\0\0\1\x20", 4);
	assert_bytes(896, "\xe0\1", 2);
	assert_bytes(1920, "\xff\xff\xff\xff\0\0\0\0", 8);
}

static void marks_are_as_documented(void **state)
{
	llfree_request huge = { .order = LLFREE_HUGE_ORDER, .class_idx = LLFREE_CLASS_HUGE };
	bool was_evicted;

	(void)state;
	assert_int_equal(llfree_get_at(&allocator, huge, 0), LLFREE_OK);
	assert_bytes(896, "\0\x40", 2);
	assert_int_equal(llfree_reclaim_hard(&allocator, 1, &was_evicted), LLFREE_OK);
	assert_bytes(898, "\0\xc0", 2);
	assert_int_equal(llfree_return(&allocator, 1), LLFREE_OK);
	assert_bytes(898, "\0\x82", 2);
	assert_int_equal(llfree_tree_offline(&allocator, 5), LLFREE_OK);
	assert_bytes(640 + 4 * 5, "\0\x10\0\x40", 4);
	assert_bytes(192, "\1\0\0\0", 4);
	/* the drain gave every slot the next generation */
	assert_bytes(256, "\0\0\0\0\0\x08\0\0", 8);
	assert_bytes(264, "\0\0\0\0\xff\xff\xff\1", 8);
	llfree_close(&allocator);
	assert_bytes(96, "\1\0\0\0", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(header_is_as_documented, make_example),
		cmocka_unit_test_setup(fresh_words_are_as_documented, make_example),
		cmocka_unit_test_setup(words_after_the_first_get_are_as_documented, make_example),
		cmocka_unit_test_setup(marks_are_as_documented, make_example),
	};

	if (llfree_tree_huge() != 8) {
		print_message("the example shows 8 huge frames per tree; this build has %u\n", llfree_tree_huge());
		return 0;
	}
	return cmocka_run_group_tests_name("shared layout", tests, NULL, NULL);
}
