/* SPDX-License-Identifier: MIT
 *
 * What QEMU and the guest driver are told: the ivshmem messages, heard by a socket client, and the layout of BAR 2,
 * checked as the driver checks it. */
#define _GNU_SOURCE
#include "monitor/qvm_bar.h"
#include "memory/discard.h"
#include "monitor/qvm_ivshmem.h"
#include "t_link.h"
#include "tests/support/t_cmocka.h"

#define LONG_NS UINT64_C(10000000000)

enum { MIB = 1 << 20, CPUS = 2 };

static void a_client_hears_version_id_memory_and_all_vectors(void **state)
{
	qvm_ivshmem server;
	qvm_bar bar;
	const qvm_bar_config config = { .cpus = CPUS, .channel = true, .backing = "memfd" };
	int memory_fd = -1, monitors[QVM_VECTORS], guests[QVM_VECTORS];
	struct stat ours, theirs;
	(void)state;
	assert_int_equal(qvm_bar_open(&bar, &config), HV_OK);
	assert_int_equal(qvm_ivshmem_open(&server, bar.page_fd), HV_OK);
	assert_true(t_link_hear_all(server.client, &memory_fd, monitors, guests));
	assert_int_equal(fstat(bar.page_fd, &ours) | fstat(memory_fd, &theirs), 0);
	assert_int_equal(ours.st_ino, theirs.st_ino);
	for (unsigned vector = 0; vector < QVM_VECTORS; vector++) {
		hv_bell_ring(monitors[vector]); /* as the guest does */
		assert_true(hv_bell_wait(server.to_monitor[vector], -1, LONG_NS));
		hv_bell_ring(server.to_guest[vector]);
		assert_true(hv_bell_wait(guests[vector], -1, LONG_NS));
		close(monitors[vector]);
		close(guests[vector]);
	}
	close(memory_fd);
	qvm_ivshmem_close(&server);
	qvm_bar_close(&bar);
}

static void all_parts_of_the_bar_lie_apart(void **state)
{
	qvm_bar bar;
	llfree_t guest;
	const qvm_bar_config config = {
		.frames_bytes = 64 * MIB, .cpus = CPUS, .channel = true, .install_timeout_ms = 7, .backing = "memfd"
	};
	(void)state;
	assert_int_equal(qvm_bar_open(&bar, &config), HV_OK);
	const qvm_header *header = (const qvm_header *)(const void *)bar.base;
	assert_memory_equal(header, &bar.header, sizeof(*header));
	assert_int_equal(header->magic, QVM_MAGIC);
	assert_int_equal(header->flags, QVM_HAS_FRAMES | QVM_HAS_CHANNEL);
	assert_int_equal(header->bytes & (header->bytes - 1), 0);
	assert_true(header->region_offset >= sizeof(*header) && header->region_offset % 4096 == 0);
	assert_true(header->ports_offset >= header->region_offset + header->region_bytes);
	assert_true(header->n_ports > CPUS);
	assert_true(header->channel_offset >= header->ports_offset + header->n_ports * sizeof(qvm_port));
	assert_true(header->rings_offset >= header->channel_offset + sizeof(qvm_channel));
	assert_true(header->frames_offset >= header->rings_offset + header->rings_bytes);
	assert_int_equal(header->frames_offset % HV_HUGE_BYTES, 0);
	assert_true(header->frames_offset + 64 * MIB <= header->bytes);
	assert_ok(llfree_attach(&guest, bar.base + header->region_offset, header->region_bytes));
	assert_int_equal(guest.frames, header->n_frames);
	qvm_bar_close(&bar);
	qvm_bar_close(&bar);
}

/* A huge frame of the middle: nothing else of the file goes. */
static void a_hole_in_the_frames_is_where_the_frame_is(void **state)
{
	qvm_bar bar;
	hv_discarder discarder;
	bool failed;
	uint64_t huge_idx = 3;
	const qvm_bar_config config = { .frames_bytes = 16 * MIB, .cpus = CPUS, .backing = "memfd" };
	(void)state;
	assert_int_equal(qvm_bar_open(&bar, &config), HV_OK);
	hv_memory memory = qvm_bar_frames(&bar);
	memset(memory.base, 0x5a, 16 * MIB);
	uint64_t before_bytes = qvm_file_resident(bar.file.fd);
	hv_discarder_open(&discarder, HV_DISCARD_COALESCED);
	assert_int_equal(hv_discard(&discarder, &memory, &huge_idx, 1, &failed, NULL), HV_OK);
	hv_discarder_close(&discarder);
	assert_int_equal(before_bytes - qvm_file_resident(bar.file.fd), HV_HUGE_BYTES);
	assert_int_equal(hv_memory_huge(&memory, 2)[HV_HUGE_BYTES - 1], 0x5a);
	assert_int_equal(hv_memory_huge(&memory, 3)[0], 0);
	assert_int_equal(hv_memory_huge(&memory, 3)[HV_HUGE_BYTES - 1], 0);
	assert_int_equal(hv_memory_huge(&memory, 4)[0], 0x5a);
	assert_int_equal(((const qvm_header *)(const void *)bar.base)->magic, QVM_MAGIC);
	qvm_bar_close(&bar);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_hears_version_id_memory_and_all_vectors),
		cmocka_unit_test(all_parts_of_the_bar_lie_apart),
		cmocka_unit_test(a_hole_in_the_frames_is_where_the_frame_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
