/* SPDX-License-Identifier: MIT
 *
 * A guest that writes nonsense into everything it shares with the host: the host neither crashes nor hangs, and stops
 * the VM when it can tell (H4). */
#include "t_sim.h"

#include <inttypes.h>
#include <stdatomic.h>

enum { HUGE = 64 };

static void install_beyond_the_memory_stops_the_vm(void **state)
{
	(void)state;
	static t_pair pair;
	bool done;
	t_pair_open(&pair, "anon-thp", HUGE, 8);
	assert_int_equal(hv_host_install(&pair.host, HUGE), HV_INSTALL_REFUSED);
	assert_non_null(hv_host_fault(&pair.host));
	assert_int_equal(hv_host_soft(&pair.host, 0, &done), HV_ERR_GUEST);
	assert_int_equal(hv_host_hard(&pair.host, 0, &done), HV_ERR_GUEST);
	assert_int_equal(hv_host_return(&pair.host, 0, &done), HV_ERR_GUEST);
	assert_int_equal(hv_host_install(&pair.host, 0), HV_INSTALL_REFUSED);
	t_pair_close(&pair);
}

/* A guest made the region: were its header believed, a sweep over the larger of the two would never end. */
static void region_of_another_size_than_the_memory_is_refused(void **state)
{
	(void)state;
	static t_pair pair;
	static hv_host other;
	t_pair_open(&pair, "anon-thp", HUGE, 8);
	hv_host_config config = { .view = pair.vm.arena.allocator,
				  .memory = pair.vm.memory,
				  .discard = HV_DISCARD_VECTORED,
				  .batch_huge = 8 };
	config.memory.huge_count = HUGE + 1;
	assert_int_equal(hv_host_open(&other, &config), HV_ERR_GUEST);
	config.memory.huge_count = HUGE - 1;
	assert_int_equal(hv_host_open(&other, &config), HV_ERR_GUEST);
	t_pair_close(&pair);
}

static void stopped_vm_is_named_with_the_reason(void **state)
{
	(void)state;
	static t_pair pair;
	char text[160];
	t_pair_open(&pair, "anon-thp", HUGE, 8);
	pair.host.name = "mallory";
	assert_string_equal(hv_host_fault_text(&pair.host, text, sizeof(text)), "VM mallory runs");
	assert_int_equal(hv_host_install(&pair.host, HUGE), HV_INSTALL_REFUSED);
	assert_string_equal(hv_host_fault_text(&pair.host, text, sizeof(text)),
			    "VM mallory was stopped: the guest asked to install a frame beyond its memory");
	t_pair_close(&pair);
}

/* The children as the shared layout has them. */
static _Atomic uint16_t *child_word(const t_pair *pair, uint64_t huge_idx)
{
	return (_Atomic uint16_t *)(void *)&pair->vm.arena.allocator.children[huge_idx];
}

static void guest_that_clears_the_mark_itself_is_found(void **state)
{
	(void)state;
	static t_pair pair;
	bool done;
	t_pair_open(&pair, "anon-thp", HUGE, 1);
	assert_int_equal(hv_host_soft(&pair.host, 4, &done), HV_OK);
	assert_true(done);
	atomic_fetch_and(child_word(&pair, 4), (uint16_t)~LLFREE_CHILD_EVICTED);
	t_touch(&pair.vm.memory, 4);
	assert_int_equal(hv_host_hard(&pair.host, 4, &done), HV_OK);
	assert_non_null(hv_host_fault(&pair.host));
	/* and its memory does not stay behind */
	assert_int_equal(hv_frames_state(&pair.host.frames, 4), HV_R_HARD);
	assert_int_equal(t_resident(&pair.vm.memory, 4), 0);
	t_pair_close(&pair);
}

static void guest_that_takes_back_a_hard_frame_is_found(void **state)
{
	(void)state;
	static t_pair pair;
	bool done;
	t_pair_open(&pair, "anon-thp", HUGE, 1);
	assert_int_equal(hv_host_hard(&pair.host, 4, &done), HV_OK);
	atomic_store(child_word(&pair, 4), (uint16_t)LLFREE_HUGE_FRAMES);
	assert_int_equal(hv_host_return(&pair.host, 4, &done), HV_ERR_GUEST);
	assert_false(done);
	assert_non_null(hv_host_fault(&pair.host));
	assert_int_equal(hv_frames_state(&pair.host.frames, 4), HV_R_HARD);
	t_pair_close(&pair);
}

/* Everything behind the header is the guest's to write; the header was copied when the host attached. */
static void nonsense_in_the_whole_region_never_hurts_the_host(void **state)
{
	(void)state;
	static t_pair pair;
	const hv_technique *by_hand = hv_technique_find("llfree-manual"), *by_itself = hv_technique_find("llfree-auto");
	uint64_t n_faults = 0;
	for (uint64_t seed = 1; seed <= 200; seed++) {
		uint64_t random = seed, moved;
		t_pair_open(&pair, "anon-thp", HUGE, 8);
		_Atomic uint64_t *words = pair.vm.arena.region;
		size_t n_words = pair.vm.arena.region_bytes / sizeof(*words);
		for (unsigned round = 0; round < 20; round++) {
			for (unsigned change = 0; change < 1 + round * 4; change++) {
				size_t at = hv_random(&random) % n_words;
				uint64_t bits = hv_random(&random);
				atomic_store(&words[at], round % 2 ? bits : UINT64_C(1) << bits % 64);
			}
			hv_err err = by_itself->host->pass(&pair.host, &moved);
			assert_true(err == HV_OK || err == HV_ERR_GUEST);
			err = by_hand->host->shrink(&pair.host, (HUGE / 2) * (uint64_t)HV_HUGE_BYTES, &moved);
			assert_true(err == HV_OK || err == HV_ERR_GUEST || err == HV_ERR_SHORT);
			for (uint64_t idx = 0; idx < HUGE; idx += 5) {
				hv_install_result result = hv_host_install(&pair.host, idx);
				assert_true(result <= HV_INSTALL_AGAIN);
			}
			err = by_hand->host->grow(&pair.host, HUGE * (uint64_t)HV_HUGE_BYTES, &moved);
			assert_true(err == HV_OK || err == HV_ERR_GUEST);
		}
		assert_int_equal(hv_frames_count(&pair.host.frames, HV_R_BUSY), 0);
		n_faults += hv_host_fault(&pair.host) != NULL;
		t_pair_close(&pair);
	}
	print_message("seeds 1 to 200, %" PRIu64 " VMs stopped\n", n_faults);
}

static void nonsense_in_the_ports_never_hurts_the_service(void **state)
{
	(void)state;
	static t_pair pair;
	static hv_install_service service;
	hv_vm_config config = t_vm_config("anon-thp", HUGE, 4);
	assert_int_equal(hv_vm_create(&pair.vm, &config), HV_OK);
	hv_host_config host = { .view = pair.vm.arena.allocator,
				.memory = pair.vm.memory,
				.discard = HV_DISCARD_VECTORED,
				.batch_huge = 8 };
	assert_int_equal(hv_host_open(&pair.host, &host), HV_OK);
	assert_int_equal(hv_install_service_start(&service, &pair.host, pair.vm.ports, 4), HV_OK);
	uint64_t random = 42;
	for (unsigned round = 0; round < 20000; round++) {
		hv_port *port = &pair.vm.ports->ports[hv_random(&random) % 4];
		uint64_t huge_idx = hv_random(&random) % HUGE;
		atomic_store(&port->request, hv_random(&random) << HV_PORT_IDX_BITS |
						     (round < 10000 ? huge_idx : hv_random(&random) >> 24));
		atomic_store(&pair.vm.ports->bell, (uint32_t)hv_random(&random));
	}
	hv_ports_ring(pair.vm.ports);
	while (hv_host_fault(&pair.host) == NULL)
		hv_ports_ring(pair.vm.ports);
	hv_install_service_stop(&service);
	t_pair_close(&pair);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(install_beyond_the_memory_stops_the_vm),
		cmocka_unit_test(region_of_another_size_than_the_memory_is_refused),
		cmocka_unit_test(stopped_vm_is_named_with_the_reason),
		cmocka_unit_test(guest_that_clears_the_mark_itself_is_found),
		cmocka_unit_test(guest_that_takes_back_a_hard_frame_is_found),
		cmocka_unit_test(nonsense_in_the_whole_region_never_hurts_the_host),
		cmocka_unit_test(nonsense_in_the_ports_never_hurts_the_service),
	};
	return T_RUN(tests);
}
