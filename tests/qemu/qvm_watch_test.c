/* SPDX-License-Identifier: MIT
 *
 * The watch over a VM's process: a command that waits for the guest ends the moment the process is killed. */
#define _GNU_SOURCE
#include "rig/qvm_watch.h"
#include "scenario/qvm_scenario.h"
#include "host/channel_service.h"
#include "host/monitor.h"
#include "techniques/qvm_technique.h"
#include "tests/support/t_cmocka.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RAM_HUGE = 8 };

static _Atomic bool interrupted;

bool hv_interrupted(void)
{
	return interrupted;
}

static pid_t sleeper(void)
{
	pid_t pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	assert_true(pid > 0);
	return pid;
}

/* The host of a balloon whose guest never answers. */
typedef struct deaf_vm {
	qvm_memory ram;
	hv_host host;
	hv_channel channel;
	hv_channel_service service;
	hv_monitor monitor;
	pid_t pid;
} deaf_vm;

static hv_err element_none(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element,
			   uint32_t *written_bytes)
{
	(void)self;
	(void)ring_idx;
	(void)element;
	(void)written_bytes;
	return HV_OK;
}

static void deaf_vm_open(deaf_vm *self)
{
	memset(self, 0, sizeof(*self));
	assert_int_equal(qvm_memory_open(&self->ram, (uint64_t)RAM_HUGE << HV_HUGE_SHIFT, "memfd"), HV_OK);
	const hv_host_config config = {
		.without_view = true,
		.memory = { .huge_count = RAM_HUGE, .fd = self->ram.fd, .backing = hv_backing_find("memfd") },
		.discard = HV_DISCARD_COALESCED,
		.batch_huge = 1
	};
	assert_int_equal(hv_host_open(&self->host, &config), HV_OK);
	assert_int_equal(hv_channel_create(&self->channel), HV_OK);
	assert_int_equal(hv_channel_service_start(&self->service, &self->host, &self->channel, 2, element_none), HV_OK);
	assert_int_equal(hv_monitor_start(&self->monitor, &self->host, qvm_technique_find("huge-manual")->technique,
					  NULL, 0, NULL),
			 HV_OK);
	self->pid = sleeper();
}

static void deaf_vm_close(deaf_vm *self)
{
	hv_monitor_stop(&self->monitor);
	hv_channel_service_stop(&self->service);
	hv_channel_destroy(&self->channel);
	hv_host_close(&self->host);
	qvm_memory_close(&self->ram);
}

/* Kill it when the command is under way: the guest has been told of its target. */
static void *killer(void *context)
{
	deaf_vm *self = context;
	while (atomic_load(&self->channel.registers->target_number) == 0)
		hv_sleep_ns(100000);
	kill(self->pid, SIGKILL);
	return NULL;
}

static void command_under_way_ends_when_the_process_is_killed(void **state)
{
	static deaf_vm vm;
	qvm_watch watch;
	pthread_t thread;
	(void)state;
	deaf_vm_open(&vm);
	assert_int_equal(qvm_watch_start(&watch, vm.pid, &vm.host, NULL, NULL), HV_OK);
	assert_int_equal(pthread_create(&thread, NULL, killer, &vm), 0);
	hv_move move = hv_monitor_do(&vm.monitor, HV_COMMAND_SHRINK, HV_HUGE_BYTES);
	assert_int_equal(move.err, HV_ERR_GONE); /* by the time limit of the channel it would be HV_ERR_TIMEOUT */
	assert_int_equal(hv_monitor_do(&vm.monitor, HV_COMMAND_GROW, HV_HUGE_BYTES).err, HV_ERR_GONE);
	pthread_join(thread, NULL);
	qvm_watch_stop(&watch);
	qvm_watch_stop(&watch);
	assert_int_equal(waitpid(vm.pid, NULL, 0), vm.pid);
	deaf_vm_close(&vm);
}

static void leave(void *context)
{
	hv_channel_service_leave(context);
}

static void *interrupter(void *context)
{
	deaf_vm *self = context;
	while (atomic_load(&self->channel.registers->target_number) == 0)
		hv_sleep_ns(100000);
	interrupted = true;
	return NULL;
}

static void command_under_way_ends_when_the_user_interrupts(void **state)
{
	static deaf_vm vm;
	qvm_watch watch;
	pthread_t thread;
	(void)state;
	deaf_vm_open(&vm);
	vm.service.timeout_ns = UINT64_C(1000000000000);
	assert_int_equal(qvm_watch_start(&watch, vm.pid, &vm.host, leave, &vm.service), HV_OK);
	assert_int_equal(pthread_create(&thread, NULL, interrupter, &vm), 0);
	hv_move move = hv_monitor_do(&vm.monitor, HV_COMMAND_SHRINK, HV_HUGE_BYTES);
	assert_int_equal(move.err, HV_ERR_SHORT); /* all that had come by then */
	assert_int_equal(hv_host_verdict(&vm.host), HV_OK);
	pthread_join(thread, NULL);
	qvm_watch_stop(&watch);
	interrupted = false;
	kill(vm.pid, SIGKILL);
	assert_int_equal(waitpid(vm.pid, NULL, 0), vm.pid);
	deaf_vm_close(&vm);
}

static void process_that_has_ended_before_is_told_of_at_once(void **state)
{
	hv_host hosts[2] = { 0 };
	qvm_watch watch;
	pid_t pid = sleeper();
	(void)state;
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(qvm_watch_start(&watch, pid, &hosts[0], NULL, NULL), HV_OK);
	qvm_watch_stop(&watch);
	assert_int_equal(hv_host_verdict(&hosts[0]), HV_ERR_GONE);
	assert_int_equal(qvm_watch_start(&watch, 0, &hosts[1], NULL, NULL), HV_OK);
	qvm_watch_stop(&watch);
	assert_int_equal(hv_host_verdict(&hosts[1]), HV_ERR_GONE);
}

static void watch_that_is_stopped_says_nothing(void **state)
{
	hv_host host = { 0 };
	qvm_watch watch;
	pid_t pid = sleeper();
	(void)state;
	assert_int_equal(qvm_watch_start(&watch, pid, &host, NULL, NULL), HV_OK);
	qvm_watch_stop(&watch);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(hv_host_verdict(&host), HV_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_under_way_ends_when_the_process_is_killed),
		cmocka_unit_test(command_under_way_ends_when_the_user_interrupts),
		cmocka_unit_test(process_that_has_ended_before_is_told_of_at_once),
		cmocka_unit_test(watch_that_is_stopped_says_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
