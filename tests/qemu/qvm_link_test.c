/* SPDX-License-Identifier: MIT
 *
 * The link to the guest driver against a guest, or a QEMU, that means it no good: files that shrink under the monitor,
 * rings and buffers that lie where none may lie. That VM is stopped, the host and its other VMs go on (H4). */
#define _GNU_SOURCE
#include "t_link.h"
#include "scenario/qvm_scenario.h"
#include "tests/support/t_cmocka.h"

#include <errno.h>
#include <stdatomic.h>

enum { MIB = 1 << 20, FRAMES_MIB = 64, RING_SIZE = 128, RING0 = 0, RING1 = 4096, BUFFER = 8192 };

bool hv_interrupted(void)
{
	return false;
}

static void link_open(t_link *self, bool frames, const char *backing)
{
	const char *failed = t_link_open(self, frames, (uint64_t)FRAMES_MIB * MIB, backing);
	if (failed != NULL)
		print_message("%s\n", failed);
	assert_null(failed);
}

static bool tmpfs_here(void)
{
	char why[160];
	if (hv_backing_available(hv_backing_find("tmpfs-huge"), why, sizeof(why)))
		return true;
	print_message("skipped: no file that can't be sealed here: %s\n", why);
	return false;
}

static qvm_channel *channel_of(const t_link *self)
{
	return (qvm_channel *)(void *)(self->bar + self->header.channel_offset);
}

static uint8_t *rings_of(const t_link *self)
{
	return self->bar + self->header.rings_offset;
}

/* As the driver does when it begins. */
static void rings_tell(const t_link *self, uint64_t ring0, uint64_t ring1)
{
	qvm_channel *channel = channel_of(self);
	channel->rings[0].address = ring0;
	channel->rings[1].address = ring1;
	channel->rings[0].size = channel->rings[1].size = RING_SIZE;
	__atomic_store_n(&channel->ready, 1, __ATOMIC_RELEASE);
	hv_bell_ring(self->monitors[QVM_VECTOR_CHANNEL]);
}

/* One element of one segment, in ring 0. */
static void element_send(const t_link *self, uint16_t idx, uint64_t address, uint32_t bytes)
{
	uint8_t *ring = rings_of(self) + RING0, *available = ring + RING_SIZE * 16;
	__atomic_store_n((uint64_t *)(void *)ring, address, __ATOMIC_RELAXED);
	__atomic_store_n((uint64_t *)(void *)(ring + 8), (uint64_t)bytes, __ATOMIC_RELAXED);
	__atomic_store_n((uint16_t *)(void *)(available + 4 + idx * 2), (uint16_t)0, __ATOMIC_RELAXED);
	__atomic_store_n((uint16_t *)(void *)(available + 2), (uint16_t)(idx + 1), __ATOMIC_RELEASE);
	hv_bell_ring(self->monitors[QVM_VECTOR_RING0]);
}

static uint16_t used_idx(const t_link *self)
{
	enum { USED = (RING_SIZE * 16 + 4 + RING_SIZE * 2 + 3) / 4 * 4 };
	return __atomic_load_n((uint16_t *)(void *)(rings_of(self) + RING0 + USED + 2), __ATOMIC_ACQUIRE);
}

static void stop_wait(const t_link *self)
{
	while (hv_host_fault(&self->rig.host) == NULL)
		hv_sleep_ns(100000);
	assert_int_equal(hv_host_verdict(&self->rig.host), HV_ERR_GUEST);
}

static void files_that_know_seals_cannot_shrink(void **state)
{
	static t_link vm;
	(void)state;
	link_open(&vm, true, "memfd");
	assert_int_equal(ftruncate(vm.memory_fd, 0), -1);
	assert_int_equal(errno, EPERM);
	t_link_close(&vm);
	link_open(&vm, false, "memfd");
	assert_int_equal(ftruncate(vm.rig.vm.ram.fd, HV_HUGE_BYTES), -1);
	assert_int_equal(errno, EPERM);
	t_link_close(&vm);
}

static void file_that_shrinks_under_the_monitor_stops_that_vm_alone(void **state)
{
	static t_link bad, good;
	bool done;
	(void)state;
	if (!tmpfs_here())
		skip();
	link_open(&bad, true, "tmpfs-huge");
	link_open(&good, true, "tmpfs-huge");
	assert_int_equal(hv_host_soft(&bad.rig.host, 0, &done), HV_OK);
	assert_int_equal(ftruncate(bad.memory_fd, 0), 0);
	(void)!hv_host_soft(&bad.rig.host, 1, &done);
	(void)!hv_host_issue(&bad.rig.host);
	stop_wait(&bad);
	assert_int_equal(hv_host_soft(&bad.rig.host, 2, &done), HV_ERR_GUEST);
	assert_int_equal(hv_host_soft(&good.rig.host, 1, &done), HV_OK);
	assert_true(done);
	assert_int_equal(hv_host_issue(&good.rig.host), HV_OK);
	t_link_close(&bad);
	t_link_close(&good);
}

static void channel_that_is_cut_off_ends_the_command_of_that_vm(void **state)
{
	static t_link vm;
	uint64_t moved_bytes;
	(void)state;
	if (!tmpfs_here())
		skip();
	link_open(&vm, false, "tmpfs-huge");
	assert_int_equal(ftruncate(vm.memory_fd, 0), 0);
	assert_int_equal(
		qvm_technique_find("huge-manual")->technique->host->shrink(&vm.rig.host, 8 * MIB, &moved_bytes),
		HV_ERR_GUEST);
	assert_int_equal(moved_bytes, 0);
	t_link_close(&vm);
}

static void rings_and_buffers_work_in_their_room(void **state)
{
	static t_link vm;
	(void)state;
	link_open(&vm, false, "memfd");
	uint32_t *numbers = (uint32_t *)(void *)(rings_of(&vm) + BUFFER);
	*numbers = 2 * HV_HUGE_FRAMES;
	rings_tell(&vm, RING0, RING1);
	element_send(&vm, 0, BUFFER, sizeof(*numbers));
	while (used_idx(&vm) != 1)
		hv_sleep_ns(100000);
	assert_int_equal(hv_host_verdict(&vm.rig.host), HV_OK);
	assert_int_equal(hv_ledger_out_bytes(&vm.rig.host.channel->ledger), HV_HUGE_BYTES);
	t_link_close(&vm);
}

/* Behind the room: what a ring there would overwrite, or an element would read, is not the driver's. */
static void ring_beyond_its_room_stops_the_vm(void **state)
{
	static t_link vm;
	(void)state;
	for (unsigned at = 0; at < 3; at++) {
		link_open(&vm, false, "memfd");
		uint64_t bad[] = { vm.header.rings_bytes, vm.header.rings_bytes - 4096 + 1024,
				   0 - (uint64_t)4096 /* the channel's registers, seen from the room */ };
		rings_tell(&vm, RING0, bad[at]);
		stop_wait(&vm);
		t_link_close(&vm);
	}
}

static void buffer_beyond_the_room_stops_the_vm(void **state)
{
	static t_link vm;
	(void)state;
	for (unsigned at = 0; at < 3; at++) {
		link_open(&vm, false, "memfd");
		uint64_t bad[] = { vm.header.rings_bytes, vm.header.rings_bytes - 4, 0 - (uint64_t)4096 };
		rings_tell(&vm, RING0, RING1);
		element_send(&vm, 0, bad[at], 8);
		stop_wait(&vm);
		t_link_close(&vm);
	}
}

/* Free page reporting begins by itself, limits are for others: passes of the monitor alone have a policy. */
static void policy_makes_passes_by_what_the_guest_uses(void **state)
{
	static t_link vm;
	llfree_t guest;
	uint64_t used_bytes = 0, wanted_bytes = 1, frame;
	const qvm_technique *technique = qvm_technique_find("llfree-auto");
	const hv_policy_setup setup = { .has_marks = true, .low_bytes = MIB, .high_bytes = 4 * MIB };
	hv_monitor monitor;
	(void)state;
	assert_true(qvm_technique_driven(technique));
	for (const qvm_technique *const *each = qvm_techniques; *each != NULL; each++)
		assert_true(qvm_technique_driven(*each) == (*each == technique));
	link_open(&vm, true, "memfd");
	memset(vm.bar + vm.header.frames_offset, 1, FRAMES_MIB * MIB);
	assert_ok(llfree_attach(&guest, vm.bar + vm.header.region_offset, vm.header.region_bytes));
	assert_ok(llfree_get(&guest, (llfree_request){ 0 }, &frame));
	technique->guest_numbers(&vm.rig, &used_bytes, &wanted_bytes);
	assert_int_equal(used_bytes, HV_FRAME_BYTES);
	assert_int_equal(wanted_bytes, 0);
	assert_int_equal(hv_monitor_start(&monitor, &vm.rig.host, technique->technique, hv_policy_find("watermark"),
					  1000000, &setup),
			 HV_OK);
	hv_monitor_guest(&monitor, technique->guest_numbers, &vm.rig);
	hv_move move = hv_monitor_next_pass(&monitor);
	assert_int_equal(move.err, HV_OK);
	assert_true(move.bytes >= FRAMES_MIB / 2 * MIB && move.bytes <= FRAMES_MIB * MIB - HV_HUGE_BYTES);
	hv_monitor_stop(&monitor);
	t_link_close(&vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_that_know_seals_cannot_shrink),
		cmocka_unit_test(file_that_shrinks_under_the_monitor_stops_that_vm_alone),
		cmocka_unit_test(channel_that_is_cut_off_ends_the_command_of_that_vm),
		cmocka_unit_test(rings_and_buffers_work_in_their_room),
		cmocka_unit_test(ring_beyond_its_room_stops_the_vm),
		cmocka_unit_test(buffer_beyond_the_room_stops_the_vm),
		cmocka_unit_test(policy_makes_passes_by_what_the_guest_uses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
