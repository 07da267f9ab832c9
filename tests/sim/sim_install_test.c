/* SPDX-License-Identifier: MIT
 *
 * The install call from end to end: several waiters, refusals, a monitor that is dead or comes too late. No time is
 * asserted: a hang is caught by the time limit of the test run. */
#include "t_sim.h"

#include <pthread.h>

enum { HUGE = 16, WAITERS = 4 };

static void pair_with_ports(t_pair *pair, uint32_t n_vcpus, uint64_t timeout_ns)
{
	hv_vm_config config = t_vm_config("anon-thp", HUGE, n_vcpus);
	config.install_timeout_ns = timeout_ns;
	assert_int_equal(hv_vm_create(&pair->vm, &config), HV_OK);
	hv_host_config host = { .view = pair->vm.arena.allocator,
				.memory = pair->vm.memory,
				.discard = HV_DISCARD_VECTORED,
				.batch_huge = 8 };
	assert_int_equal(hv_host_open(&pair->host, &host), HV_OK);
	for (uint32_t idx = 0; idx < n_vcpus; idx++)
		llfree_set_install(&pair->vm.vcpus[idx].view, hv_port_install, &pair->vm.vcpus[idx].port);
}

static void evict_all(t_pair *pair)
{
	bool done;
	for (uint64_t idx = 0; idx < HUGE; idx++) {
		assert_int_equal(hv_host_soft(&pair->host, idx, &done), HV_OK);
		assert_true(done);
	}
	assert_int_equal(hv_host_issue(&pair->host), HV_OK);
}

static void dead_monitor_is_an_error_and_no_hang(void **state)
{
	(void)state;
	static t_pair pair;
	llfree_audit_report report;
	uint64_t frame = UINT64_MAX;
	pair_with_ports(&pair, 1, 20000000);
	evict_all(&pair);
	for (unsigned order = 0; order <= LLFREE_MAX_ORDER; order++) {
		llfree_request request = { .order = (uint8_t)order, .class_idx = LLFREE_CLASS_MOVABLE };
		assert_int_equal(llfree_get(&pair.vm.vcpus[0].view, request, &frame), LLFREE_ERR_INSTALL);
		assert_true(frame == UINT64_MAX);
	}
	assert_true(pair.vm.vcpus[0].port.failures > 0);
	llfree_drain_all(&pair.vm.arena.allocator);
	assert_true(llfree_audit(&pair.vm.arena.allocator, &report));
	assert_int_equal(report.free_frames, HUGE * HV_HUGE_FRAMES);
	t_pair_close(&pair);
}

static void monitor_that_dies_later_is_an_error_too(void **state)
{
	(void)state;
	static t_pair pair;
	static hv_install_service service;
	uint64_t frame;
	llfree_request huge = { .order = LLFREE_HUGE_ORDER, .class_idx = LLFREE_CLASS_HUGE };
	pair_with_ports(&pair, 1, 50000000);
	evict_all(&pair);
	assert_int_equal(hv_install_service_start(&service, &pair.host, pair.vm.ports, 1), HV_OK);
	pair.vm.vcpus[0].port.timeout_ns = UINT64_C(30000000000);
	assert_int_equal(llfree_get(&pair.vm.vcpus[0].view, huge, &frame), LLFREE_OK);
	hv_install_service_stop(&service);
	pair.vm.vcpus[0].port.timeout_ns = 20000000;
	assert_int_equal(llfree_get(&pair.vm.vcpus[0].view, huge, &frame), LLFREE_ERR_INSTALL);
	/* a new monitor goes on where the old one stopped, the request that nobody waits for included */
	assert_int_equal(hv_install_service_start(&service, &pair.host, pair.vm.ports, 1), HV_OK);
	pair.vm.vcpus[0].port.timeout_ns = UINT64_C(30000000000);
	assert_int_equal(llfree_get(&pair.vm.vcpus[0].view, huge, &frame), LLFREE_OK);
	hv_install_service_stop(&service);
	t_pair_close(&pair);
}

static void late_answer_is_not_taken_for_the_next_one(void **state)
{
	(void)state;
	hv_ports *ports;
	uint64_t huge_idx;
	assert_int_equal(hv_ports_create(&ports, 1), HV_OK);
	hv_port_guest guest = { .ports = ports, .timeout_ns = 1000000 };
	assert_false(hv_port_install(&guest, 3));
	uint32_t first = hv_port_request(&ports->ports[0], &huge_idx);
	assert_int_equal(huge_idx, 3);
	hv_port_answer(&ports->ports[0], first, true); /* too late */
	assert_false(hv_port_install(&guest, 4));
	uint32_t second = hv_port_request(&ports->ports[0], &huge_idx);
	assert_int_equal(huge_idx, 4);
	assert_int_not_equal(first, second);
	assert_int_equal(guest.failures, 2);
	hv_ports_destroy(ports, 1);
}

static void sequence_zero_is_never_used(void **state)
{
	(void)state;
	hv_ports *ports;
	uint64_t huge_idx;
	assert_int_equal(hv_ports_create(&ports, 1), HV_OK);
	hv_port_guest guest = { .ports = ports, .timeout_ns = 1, .sequence = 0xfffffe };
	for (unsigned round = 0; round < 4; round++) {
		assert_false(hv_port_install(&guest, 5));
		assert_int_not_equal(hv_port_request(&ports->ports[0], &huge_idx), 0);
		assert_int_equal(huge_idx, 5);
	}
	hv_ports_destroy(ports, 1);
}

typedef struct waiter {
	t_pair *pair;
	uint32_t idx;
	uint64_t frame;
	llfree_err err;
} waiter;

static void *waiter_thread(void *context)
{
	waiter *self = context;
	llfree_request request = { .cpu = self->idx, .order = 0, .class_idx = LLFREE_CLASS_MOVABLE };
	/* frames of one huge frame, so that all ask for the same install */
	self->frame = 7 * LLFREE_HUGE_FRAMES + 100 * self->idx;
	self->err = llfree_get_at(&self->pair->vm.vcpus[self->idx].view, request, self->frame);
	return NULL;
}

static void several_waiters_for_one_frame_are_all_served(void **state)
{
	(void)state;
	static t_pair pair;
	static hv_install_service service;
	for (unsigned round = 0; round < 20; round++) {
		waiter waiters[WAITERS];
		pthread_t threads[WAITERS];
		pair_with_ports(&pair, WAITERS, UINT64_C(30000000000));
		evict_all(&pair);
		assert_int_equal(hv_install_service_start(&service, &pair.host, pair.vm.ports, WAITERS), HV_OK);
		for (uint32_t at = 0; at < WAITERS; at++) {
			waiters[at] = (waiter){ &pair, at, 0, LLFREE_OK };
			assert_int_equal(pthread_create(&threads[at], NULL, waiter_thread, &waiters[at]), 0);
		}
		for (uint32_t at = 0; at < WAITERS; at++) {
			pthread_join(threads[at], NULL);
			assert_int_equal(waiters[at].err, LLFREE_OK);
		}
		assert_int_equal(hv_frames_state(&pair.host.frames, 7), HV_R_INSTALLED);
		assert_int_equal(pair.host.counters.installed, 1);
		assert_int_equal(t_resident(&pair.vm.memory, 7), HV_HUGE_FRAMES);
		hv_install_service_stop(&service);
		t_pair_close(&pair);
	}
}

static void request_for_a_frame_being_discarded_holds_up_no_other(void **state)
{
	(void)state;
	static t_pair pair;
	static hv_install_service service;
	waiter stuck = { &pair, 1, 0, LLFREE_OK };
	pthread_t thread;
	uint64_t frame;
	llfree_request huge = { .order = LLFREE_HUGE_ORDER, .class_idx = LLFREE_CLASS_HUGE };
	pair_with_ports(&pair, 2, UINT64_C(30000000000));
	evict_all(&pair);
	assert_true(hv_frames_begin(&pair.host.frames, 7, HV_R_SOFT)); /* a discard that lasts */
	assert_int_equal(hv_install_service_start(&service, &pair.host, pair.vm.ports, 2), HV_OK);
	assert_int_equal(pthread_create(&thread, NULL, waiter_thread, &stuck), 0);
	for (unsigned got = 0; got < 4; got++)
		assert_int_equal(llfree_get_at(&pair.vm.vcpus[0].view, huge, got * LLFREE_HUGE_FRAMES), LLFREE_OK);
	frame = stuck.frame;
	(void)frame;
	hv_frames_end(&pair.host.frames, 7, HV_R_SOFT);
	pthread_join(thread, NULL);
	assert_int_equal(stuck.err, LLFREE_OK);
	hv_install_service_stop(&service);
	t_pair_close(&pair);
}

static void stopped_vm_gets_refusals(void **state)
{
	(void)state;
	static t_pair pair;
	static hv_install_service service;
	uint64_t frame;
	llfree_request huge = { .order = LLFREE_HUGE_ORDER, .class_idx = LLFREE_CLASS_HUGE };
	pair_with_ports(&pair, 1, UINT64_C(30000000000));
	evict_all(&pair);
	hv_host_stop_vm(&pair.host, "for this test");
	assert_int_equal(hv_install_service_start(&service, &pair.host, pair.vm.ports, 1), HV_OK);
	assert_int_equal(llfree_get(&pair.vm.vcpus[0].view, huge, &frame), LLFREE_ERR_INSTALL);
	hv_install_service_stop(&service);
	t_pair_close(&pair);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(dead_monitor_is_an_error_and_no_hang),
		cmocka_unit_test(monitor_that_dies_later_is_an_error_too),
		cmocka_unit_test(late_answer_is_not_taken_for_the_next_one),
		cmocka_unit_test(sequence_zero_is_never_used),
		cmocka_unit_test(several_waiters_for_one_frame_are_all_served),
		cmocka_unit_test(request_for_a_frame_being_discarded_holds_up_no_other),
		cmocka_unit_test(stopped_vm_gets_refusals),
	};
	return T_RUN(tests);
}
