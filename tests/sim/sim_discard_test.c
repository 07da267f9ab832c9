/* SPDX-License-Identifier: MIT
 *
 * Discards: each way frees what it is given and nothing else, on every backing; refusals are found and survived. */
#define _GNU_SOURCE
#include "t_emulated.h"

#include <sys/mman.h>

enum { HUGE = 12 };

static void discard_frees_exactly(const char *backing, hv_discard_way way)
{
	static const uint64_t chosen[] = { 0, 1, 2, 5, 7, 11 };
	enum { CHOSEN = sizeof(chosen) / sizeof(chosen[0]) };
	static hv_vm vm;
	hv_vm_config config = t_vm_config(backing, HUGE, 1);
	hv_discarder discarder;
	bool failed[CHOSEN], gone[HUGE] = { false };
	uint64_t calls = 0;
	assert_int_equal(hv_vm_create(&vm, &config), HV_OK);
	for (uint64_t idx = 0; idx < HUGE; idx++)
		t_touch(&vm.memory, idx);
	hv_discarder_open(&discarder, way);
	assert_int_equal(hv_discard(&discarder, &vm.memory, chosen, CHOSEN, failed, &calls), HV_OK);
	assert_true(calls > 0);
	for (unsigned at = 0; at < CHOSEN; at++) {
		assert_false(failed[at]);
		gone[chosen[at]] = true;
	}
	for (uint64_t idx = 0; idx < HUGE; idx++)
		assert_int_equal(t_resident(&vm.memory, idx), gone[idx] ? 0 : HV_HUGE_FRAMES);
	hv_discarder_close(&discarder);
	hv_vm_destroy(&vm);
}

static void every_way_frees_exactly_what_it_is_given(void **state)
{
	(void)state;
	static const hv_discard_way ways[] = { HV_DISCARD_VECTORED, HV_DISCARD_COALESCED, HV_DISCARD_SINGLE };
	char why[160];
	for (const hv_backing *const *backing = hv_backings; *backing != NULL; backing++)
		for (unsigned way = 0; way < 3; way++)
			if (hv_backing_available(*backing, why, sizeof(why)))
				discard_frees_exactly((*backing)->name, ways[way]);
}

static void neighbours_become_one_call(void **state)
{
	(void)state;
	static const uint64_t chosen[] = { 1, 2, 3, 4, 8, 9 };
	static hv_vm vm;
	hv_vm_config config = t_vm_config("anon-thp", HUGE, 1);
	hv_discarder discarder;
	bool failed[6];
	uint64_t coalesced_calls = 0, single_calls = 0;
	assert_int_equal(hv_vm_create(&vm, &config), HV_OK);
	hv_discarder_open(&discarder, HV_DISCARD_COALESCED);
	assert_int_equal(hv_discard(&discarder, &vm.memory, chosen, 6, failed, &coalesced_calls), HV_OK);
	assert_int_equal(coalesced_calls, 2);
	hv_discarder_close(&discarder);
	hv_discarder_open(&discarder, HV_DISCARD_SINGLE);
	assert_int_equal(hv_discard(&discarder, &vm.memory, chosen, 6, failed, &single_calls), HV_OK);
	assert_int_equal(single_calls, 6);
	hv_discarder_close(&discarder);
	hv_vm_destroy(&vm);
}

/* A run that begins and ends inside base pages, where these are larger than a frame. */
static void frames_beside_a_discarded_run_keep_their_contents(void **state)
{
	(void)state;
	static const char *const backings[] = { "anon-4k", "memfd" };
	size_t page_frames = hv_base_page_bytes() / HV_FRAME_BYTES, first = 1, n_frames = 3 * page_frames;
	for (unsigned which = 0; which < 2; which++) {
		static hv_vm vm;
		hv_vm_config config = t_vm_config(backings[which], 2, 1);
		uint64_t calls = 0;
		assert_int_equal(hv_vm_create(&vm, &config), HV_OK);
		for (size_t frame = 0; frame < HV_HUGE_FRAMES; frame++)
			vm.memory.base[frame * HV_FRAME_BYTES] = 1;
		assert_int_equal(hv_discard_frames(&vm.memory, first, n_frames, &calls), HV_OK);
		for (size_t frame = 0; frame < HV_HUGE_FRAMES; frame++) {
			size_t page_first = frame / page_frames * page_frames;
			bool inside = page_first >= first && page_first + page_frames <= first + n_frames;
			assert_int_equal(vm.memory.base[frame * HV_FRAME_BYTES], !inside);
		}
		hv_vm_destroy(&vm);
	}
}

/* One huge frame in the middle is no memory at all: the call stops there, and must be resumed behind it. */
static void refused_range_does_not_stop_the_others(void **state)
{
	(void)state;
	static const uint64_t chosen[] = { 0, 2, 4, 6, 8 };
	static const hv_discard_way ways[] = { HV_DISCARD_VECTORED, HV_DISCARD_COALESCED, HV_DISCARD_SINGLE };
	if (t_emulated()) {
		print_message("skipped: madvise() of what is no memory succeeds here (qemu-user)\n");
		skip();
	}
	for (unsigned way = 0; way < 3; way++) {
		for (unsigned hole = 0; hole < 5; hole++) {
			uint8_t *base = mmap(NULL, (HUGE + 1) * (size_t)HV_HUGE_BYTES, PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			assert_ptr_not_equal(base, MAP_FAILED);
			uint8_t *aligned = base + (HV_HUGE_BYTES - (uintptr_t)base % HV_HUGE_BYTES);
			hv_memory memory = {
				.base = aligned, .huge_count = HUGE, .fd = -1, .backing = hv_backing_find("anon-4k")
			};
			for (uint64_t idx = 0; idx < HUGE; idx++)
				t_touch(&memory, idx);
			assert_int_equal(munmap(hv_memory_huge(&memory, chosen[hole]), HV_HUGE_BYTES), 0);
			hv_discarder discarder;
			bool failed[5];
			hv_discarder_open(&discarder, ways[way]);
			assert_int_equal(hv_discard(&discarder, &memory, chosen, 5, failed, NULL), HV_ERR_DISCARD);
			for (unsigned at = 0; at < 5; at++) {
				assert_int_equal(failed[at], at == hole);
				if (at != hole)
					assert_int_equal(hv_memory_huge(&memory, chosen[at])[0], 0);
			}
			assert_int_equal(hv_memory_huge(&memory, 1)[0], 1);
			hv_discarder_close(&discarder);
			munmap(base, (HUGE + 1) * (size_t)HV_HUGE_BYTES);
		}
	}
}

static void more_than_the_kernel_takes_at_once_is_refused(void **state)
{
	(void)state;
	static uint64_t huge_idx[HV_DISCARD_MAX + 1];
	static bool failed[HV_DISCARD_MAX + 1];
	hv_memory memory = { .fd = -1, .backing = hv_backing_find("anon-4k") };
	hv_discarder discarder;
	hv_discarder_open(&discarder, HV_DISCARD_VECTORED);
	assert_int_equal(hv_discard(&discarder, &memory, huge_idx, HV_DISCARD_MAX + 1, failed, NULL), HV_ERR_INVAL);
	hv_discarder_close(&discarder);
}

static void populate_keeps_what_is_there(void **state)
{
	(void)state;
	static hv_vm vm;
	hv_vm_config config = t_vm_config("anon-4k", 2, 1);
	assert_int_equal(hv_vm_create(&vm, &config), HV_OK);
	uint8_t *first = hv_memory_huge(&vm.memory, 0), *second = hv_memory_huge(&vm.memory, 1);
	first[5000] = second[5000] = 99;
	assert_int_equal(hv_populate(first, HV_HUGE_BYTES), HV_OK);
	hv_populate_touch(second, HV_HUGE_BYTES); /* what older kernels get */
	assert_int_equal(first[5000], 99);
	assert_int_equal(second[5000], 99);
	assert_int_equal(t_resident(&vm.memory, 0), HV_HUGE_FRAMES);
	assert_int_equal(t_resident(&vm.memory, 1), HV_HUGE_FRAMES);
	hv_vm_destroy(&vm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_way_frees_exactly_what_it_is_given),
		cmocka_unit_test(neighbours_become_one_call),
		cmocka_unit_test(frames_beside_a_discarded_run_keep_their_contents),
		cmocka_unit_test(refused_range_does_not_stop_the_others),
		cmocka_unit_test(more_than_the_kernel_takes_at_once_is_refused),
		cmocka_unit_test(populate_keeps_what_is_there),
	};
	return T_RUN(tests);
}
