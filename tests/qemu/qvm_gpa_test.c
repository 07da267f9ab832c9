/* SPDX-License-Identifier: MIT
 *
 * The guest-physical map, from what a QEMU printed: which addresses are RAM of which file, and that nothing else is. */
#include "tests/support/t_cmocka.h"
#include "vm/qvm_gpa.h"

static const char tree[] = "FlatView #0\n AS \"I/O\", root: io\n Root memory region: io\n"
			   "  0000000000000000-000000000000ffff (prio 0, ram): wrong\n\n"
			   "FlatView #1\r\n AS \"memory\", root: system\r\n AS \"cpu-memory-0\", root: system\r\n Root "
			   "memory region: system\r\n"
			   "  0000000000000000-00000000000c2fff (prio 0, ram): ram0\r\n"
			   "  00000000000c3000-00000000000e7fff (prio 0, rom): ram0 @00000000000c3000\r\n"
			   "  0000000000100000-000000007fffffff (prio 0, ram): ram0 @0000000000100000\r\n"
			   "  00000000b0000000-00000000bfffffff (prio 0, i/o): pcie-mmcfg-mmio\r\n"
			   "  0000000100000000-000000017fffffff (prio 0, ram): ram0 @0000000080000000 KVM\r\n"
			   "  0000000180000000-00000001ffffffff (prio 0, ram): vm0\r\n\r\n"
			   "FlatView #2\n AS \"cpu-smm-0\", root: memory\n"
			   "  0000000200000000-00000002ffffffff (prio 0, ram): wrong\n";

enum { MIB = 1 << 20 };

static void addresses_lead_to_offsets(void **state)
{
	qvm_gpa_map map;
	uint64_t offset = 0;
	(void)state;
	assert_int_equal(qvm_gpa_parse(&map, tree), HV_OK);
	assert_int_equal(map.n_ranges, 4);
	assert_true(qvm_gpa_offset(&map, "ram0", 0x200000, HV_HUGE_BYTES, &offset));
	assert_int_equal(offset, 0x200000);
	assert_true(qvm_gpa_offset(&map, "ram0", UINT64_C(0x100000000), HV_HUGE_BYTES, &offset));
	assert_int_equal(offset, UINT64_C(0x80000000));
	assert_true(qvm_gpa_offset(&map, "ram0", UINT64_C(0x17fe00000), HV_HUGE_BYTES, &offset));
	assert_int_equal(offset, UINT64_C(0xffe00000));
	assert_true(qvm_gpa_offset(&map, "vm0", UINT64_C(0x180000000), HV_HUGE_BYTES, &offset));
	assert_int_equal(offset, 0);
}

static void what_is_no_ram_of_this_file_is_refused(void **state)
{
	static const struct {
		const char *name;
		uint64_t gpa, bytes;
	} bad[] = {
		{ "ram0", 0, 4096 },                       /* the first MiB */
		{ "ram0", MIB - 4096, 8192 },              /* reaches out of it */
		{ "ram0", UINT64_C(0x7ff00000), 2 * MIB }, /* over the end */
		{ "ram0", UINT64_C(0xb0000000), 4096 },    /* I/O */
		{ "ram0", UINT64_C(0x180000000), 4096 },   /* the other file */
		{ "vm0", UINT64_C(0x17ffff000), 8192 },    /* begins in the other file */
		{ "wrong", UINT64_C(0x200000000), 4096 },  /* another address space */
		{ "ram0", MIB, 0 },                        /* nothing */
		{ "ram0", MIB, UINT64_MAX },               /* wraps */
		{ "ram0", UINT64_MAX - 4095, 4096 },       /* the last page there could be */
		{ "ram0", UINT64_MAX, UINT64_MAX },
	};
	qvm_gpa_map map;
	uint64_t offset;
	(void)state;
	assert_int_equal(qvm_gpa_parse(&map, tree), HV_OK);
	for (size_t at = 0; at < T_COUNT(bad); at++)
		assert_false(qvm_gpa_offset(&map, bad[at].name, bad[at].gpa, bad[at].bytes, &offset));
}

static void other_texts_are_refused(void **state)
{
	qvm_gpa_map map;
	(void)state;
	assert_int_equal(qvm_gpa_parse(&map, ""), HV_ERR_INVAL);
	assert_int_equal(qvm_gpa_parse(&map, "FlatView #1\n AS \"memory\", root: system\n"), HV_ERR_INVAL);
	assert_int_equal(qvm_gpa_parse(&map, " AS \"memory\"\n  zzz-yyy (prio 0, ram): ram0\n"), HV_ERR_INVAL);
	assert_int_equal(
		qvm_gpa_parse(&map, " AS \"memory\"\n  0000000000200000-0000000000100000 (prio 0, ram): ram0\n"),
		HV_ERR_INVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_lead_to_offsets),
		cmocka_unit_test(what_is_no_ram_of_this_file_is_refused),
		cmocka_unit_test(other_texts_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
