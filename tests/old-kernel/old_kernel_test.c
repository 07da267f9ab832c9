/* SPDX-License-Identifier: MIT
 *
 * Under old-kernel: what the library and the simulator found out about the kernel is what was taken from it, and what
 * they do instead works. The argument says which kernel: 5.10, 4.4 or thp-off. */
#define _GNU_SOURCE
#include "t_sim.h"

#include "device/hv_dma.h"
#include "measure.h"
#include "memory/discard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HUGE = 4 };

static struct {
	const char *mode;
	bool old;     /* no vectored discards, no PAGEMAP_SCAN, no populate */
	bool oldest;  /* nor io_uring at all */
	bool thp_off; /* no huge pages */
} told;

static hv_discard_way discard_way(void)
{
	hv_discarder discarder;
	hv_discarder_open(&discarder, HV_DISCARD_VECTORED);
	hv_discard_way way = discarder.way;
	assert_true(way == HV_DISCARD_VECTORED || !discarder.pidfd_owned);
	hv_discarder_close(&discarder);
	return way;
}

static void probes_find_what_is_missing(void **state)
{
	char why[300];
	(void)state;
	if (!told.old)
		skip();
	assert_int_equal(discard_way(), HV_DISCARD_COALESCED);
	assert_false(hv_residency_scan_known());
	assert_false(hv_populate_known());
	assert_false(hv_dma_available(why, sizeof(why)));
	assert_non_null(strstr(why, strstr(why, "built without") != NULL ? "liburing"
				    : told.oldest                        ? "not in this kernel"
									 : "5.19"));
}

static void memory_looked_at_by_mincore_comes_and_goes(void **state)
{
	static hv_vm vm;
	hv_vm_config config = t_vm_config("anon-4k", HUGE, 1);
	static const uint64_t chosen[] = { 0, 2 };
	hv_residency oracle;
	hv_discarder discarder;
	bool failed[2];
	uint64_t calls = 0;
	(void)state;
	if (!told.old)
		skip();
	assert_int_equal(hv_vm_create(&vm, &config), HV_OK);
	assert_int_equal(hv_residency_open(&oracle, &vm.memory, false), HV_OK);
	assert_int_equal(oracle.way, HV_RESIDENCY_MINCORE);
	hv_residency_close(&oracle);
	for (uint64_t idx = 0; idx < HUGE; idx++)
		assert_int_equal(hv_populate(hv_memory_huge(&vm.memory, idx), HV_HUGE_BYTES), HV_OK);
	assert_int_equal(t_resident(&vm.memory, 2), HV_HUGE_FRAMES);
	hv_discarder_open(&discarder, HV_DISCARD_VECTORED);
	assert_int_equal(hv_discard(&discarder, &vm.memory, chosen, 2, failed, &calls), HV_OK);
	assert_int_equal(calls, 2); /* one for each run of neighbours */
	hv_discarder_close(&discarder);
	for (uint64_t idx = 0; idx < HUGE; idx++)
		assert_int_equal(t_resident(&vm.memory, idx), idx == 0 || idx == 2 ? 0 : HV_HUGE_FRAMES);
	hv_vm_destroy(&vm);
}

static void memory_files_are_sealed_without_the_newer_seal(void **state)
{
	static llfree_arena arena;
	llfree_arena_config config = { .memory_bytes = 2 * (uint64_t)HV_HUGE_BYTES, .backing = LLFREE_BACKING_MEMFD };
	(void)state;
	assert_int_equal(llfree_arena_create(&arena, &config), LLFREE_OK);
	int region_seals = fcntl(arena.region_fd, F_GET_SEALS), memory_seals = fcntl(arena.memory_fd, F_GET_SEALS);
	assert_true((region_seals & F_SEAL_SHRINK) != 0 && (memory_seals & F_SEAL_SHRINK) != 0);
	enum { SEAL_EXEC = 0x20 };
	assert_int_equal((region_seals & SEAL_EXEC) == 0, told.old);
	llfree_arena_destroy(&arena);
}

static void huge_pages_are_not_had_and_it_is_said(void **state)
{
	static hv_vm vm;
	hv_vm_config config = t_vm_config("anon-thp", HUGE, 1);
	measure_machine machine;
	measure_warning warnings[MEASURE_WARNINGS];
	hv_residency oracle;
	hv_residency_map map;
	char why[300];
	bool is_warned = false;
	(void)state;
	if (!told.thp_off)
		skip();
	measure_machine_read(&machine, "");
	assert_string_equal(machine.thp, MEASURE_THP_DISABLED);
	assert_string_equal(machine.shmem_thp, MEASURE_THP_DISABLED);
	size_t n_warnings = measure_warnings(&machine, false, warnings);
	for (size_t at = 0; at < n_warnings; at++)
		is_warned |= strcmp(warnings[at].name, "thp-off") == 0;
	assert_true(is_warned);
	assert_false(hv_backing_available(hv_backing_find("anon-thp"), why, sizeof(why)));
	assert_non_null(strstr(why, MEASURE_THP_DISABLED));
	assert_false(hv_backing_available(hv_backing_find("tmpfs-huge"), why, sizeof(why)));
	/* an arena that asks for them works in 4 KiB pages */
	assert_int_equal(hv_vm_create(&vm, &config), HV_OK);
	assert_false(vm.arena.huge_advised);
	t_touch(&vm.memory, 1);
	assert_int_equal(hv_residency_open(&oracle, &vm.memory, false), HV_OK);
	assert_int_equal(hv_residency_map_create(&map, HUGE), HV_OK);
	assert_int_equal(hv_residency_look(&oracle, &vm.memory, &map), HV_OK);
	assert_int_equal(map.resident_frames[1], HV_HUGE_FRAMES);
	assert_int_equal(map.huge_page_bytes, 0);
	hv_residency_map_destroy(&map);
	hv_residency_close(&oracle);
	hv_vm_destroy(&vm);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(probes_find_what_is_missing),
		cmocka_unit_test(memory_looked_at_by_mincore_comes_and_goes),
		cmocka_unit_test(memory_files_are_sealed_without_the_newer_seal),
		cmocka_unit_test(huge_pages_are_not_had_and_it_is_said),
	};
	told.mode = argc > 1 ? argv[1] : "";
	told.oldest = strcmp(told.mode, "4.4") == 0;
	told.old = told.oldest || strcmp(told.mode, "5.10") == 0;
	told.thp_off = strcmp(told.mode, "thp-off") == 0;
	if (!told.old && !told.thp_off) {
		fprintf(stderr, "usage: old-kernel OPTIONS old_kernel_test 5.10|4.4|thp-off\n");
		return 2;
	}
	return T_RUN(tests);
}
