/* SPDX-License-Identifier: MIT
 *
 * A guest in a process of its own: every technique moves memory by descriptors alone, proven as in one process; a guest
 * or a host that is killed or stopped at any moment leaves the other in a defined state, and nothing of it behind. */
#define _GNU_SOURCE
#include "t_isolation.h"
#include "t_emulated.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum { HUGE = 16, KILLS = 2 };
#define MIB_2 ((uint64_t)HV_HUGE_BYTES)

static void moves_memory_with_proof(const char *technique, const char *backing)
{
	static hv_rig rig;
	char detail[200] = "";
	t_apart_open(&rig, technique, backing, HUGE, 2, 0);
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(hv_rig_fill_all(&rig), HV_OK);
		assert_int_equal(hv_rig_do(&rig, HV_JOB_FREE, 0), HV_OK);
		hv_proof proof = hv_rig_take(&rig, HUGE / 2 * MIB_2);
		bool holds = hv_proof_holds(&proof, true, detail, sizeof(detail));
		if (!holds)
			print_error("%s on %s: %s\n", technique, backing, detail);
		assert_true(holds);
		assert_true(proof.bytes_freed > 0);
		assert_true(proof.file);
		if (!rig.config.technique->automatic) {
			hv_move move = hv_monitor_do(&rig.monitor, HV_COMMAND_GROW, HUGE * MIB_2);
			assert_int_equal(move.err, HV_OK);
			assert_int_equal(move.bytes, HUGE / 2 * MIB_2);
		}
	}
	assert_int_equal(hv_rig_fill_all(&rig), HV_OK);
	assert_int_equal(hv_rig_do(&rig, HV_JOB_FREE, 0), HV_OK);
	t_assert_sound(&rig);
	hv_rig_destroy(&rig);
	assert_int_equal(t_children(), 0);
}

static void every_technique_moves_memory_with_proof(void **state)
{
	(void)state;
	for (const hv_technique *const *each = hv_techniques; *each != NULL; each++)
		if ((*each)->grain_bytes != 0)
			moves_memory_with_proof((*each)->name, "memfd");
}

static void every_file_backing_will_do(void **state)
{
	(void)state;
	char why[160];
	if (hv_backing_available(hv_backing_find("tmpfs-huge"), why, sizeof(why))) {
		moves_memory_with_proof("llfree-manual", "tmpfs-huge");
		moves_memory_with_proof("virtio-mem", "tmpfs-huge");
	} else {
		print_message("skipped: tmpfs-huge: %s\n", why);
	}
	/* private memory can't be shared */
	static hv_rig rig;
	const char *failed_step;
	hv_rig_config config = t_apart_config("llfree-manual", "anon-thp", HUGE, 1);
	assert_int_equal(hv_rig_create(&rig, &config, &failed_step), HV_ERR_INVAL);
	assert_int_equal(t_children(), 0);
}

static void contents_survive_resizes_beside_running_vcpus(void **state)
{
	(void)state;
	static hv_rig rig;
	static const char *const techniques[] = { "llfree-auto", "huge-manual", "virtio-mem" };
	for (size_t at = 0; at < sizeof(techniques) / sizeof(techniques[0]); at++) {
		t_apart_open(&rig, techniques[at], "memfd", HUGE, 2, 0);
		assert_int_equal(hv_rig_begin(&rig, HV_JOB_CHURN, 0), HV_OK);
		for (unsigned round = 0; round < 10; round++) {
			hv_err err = t_resize(&rig, HUGE * 3 / 4, HUGE);
			if (err != HV_OK && err != HV_ERR_SHORT) {
				const char *fault = hv_host_fault(&rig.host);
				print_error("%s, round %u: %s; %s\n", techniques[at], round, hv_err_text(err),
					    fault != NULL ? fault : "the VM runs");
			}
			assert_true(err == HV_OK || err == HV_ERR_SHORT);
		}
		assert_int_equal(hv_rig_do(&rig, HV_JOB_FREE, 0), HV_OK);
		t_assert_sound(&rig);
		hv_rig_destroy(&rig);
	}
}

static bool file_allowed(const char *file)
{
	static const char *const allowed[] = { "socket:",
					       "anon_inode:[eventfd]",
					       "anon_inode:[eventpoll]",
					       "/memfd:llfree-memory",
					       "/memfd:llfree-region",
					       "/memfd:hv-ports",
					       "/memfd:hv-registers" };
	for (size_t at = 0; at < sizeof(allowed) / sizeof(allowed[0]); at++)
		if (strncmp(file, allowed[at], strlen(allowed[at])) == 0)
			return true;
	return false;
}

static bool device_here(void)
{
	char why[160];
	if (hv_dma_available(why, sizeof(why)))
		return true;
	print_message("skipped: %s\n", why);
	return false;
}

/* The device of the host's process, its driver in the guest's: as in one process, safe techniques have no stale
 * transfer, and one that does not tell the device is caught. */
static void resizes_beside_the_device(const char *technique)
{
	static hv_rig rig;
	hv_dma_outcome outcome = { 0 };
	const hv_technique *which = hv_technique_find(technique);
	t_apart_device_open(&rig, technique, HUGE);
	assert_int_equal(hv_rig_begin(&rig, HV_JOB_DEVICE, 0), HV_OK);
	for (unsigned round = 0; round < 2000; round++) {
		hv_err err = t_resize(&rig, HUGE / 4, HUGE);
		assert_true(err == HV_OK || err == HV_ERR_SHORT);
		assert_int_equal(hv_rig_dma_result(&rig, &outcome), HV_OK);
		uint64_t n_unmapped = atomic_load(&hv_dma_count(rig.device.dma)->unmapped);
		if (outcome.transfers > 500 && (which->dma_safe ? n_unmapped > 20 : outcome.stale_writes > 0))
			break;
		hv_sleep_ns(1000000);
	}
	assert_int_equal(hv_rig_do(&rig, HV_JOB_FREE, 0), HV_OK);
	assert_int_equal(hv_rig_dma_result(&rig, &outcome), HV_OK);
	assert_true(outcome.transfers > 0);
	assert_int_equal(outcome.errors + outcome.unmapped, 0);
	assert_int_equal(outcome.stale_writes + outcome.stale_reads > 0, !which->dma_safe);
	t_assert_sound(&rig);
	hv_rig_destroy(&rig);
}

static void device_in_the_hosts_process_sees_what_the_guest_sees(void **state)
{
	(void)state;
	if (!device_here())
		skip();
	resizes_beside_the_device("llfree-manual");
	resizes_beside_the_device("llfree-auto");
	resizes_beside_the_device("virtio-mem");
	resizes_beside_the_device("huge-manual");
}

static void guest_killed_in_a_transfer_never_blocks_its_host(void **state)
{
	(void)state;
	static hv_rig rig;
	if (!device_here())
		skip();
	for (uint64_t seed = 1; seed <= KILLS; seed++) {
		uint64_t random = seed, pinned_bytes = hv_pinned_bytes();
		t_apart_device_open(&rig, "llfree-manual", HUGE);
		assert_int_equal(hv_rig_begin(&rig, HV_JOB_DEVICE, 0), HV_OK);
		hv_sleep_ns(hv_random(&random) % 20000000);
		kill(rig.guest.pid, SIGKILL);
		hv_err err = HV_OK;
		while (err != HV_ERR_GONE)
			err = t_resize(&rig, HUGE / 4, HUGE);
		hv_install_service_stop(&rig.service);
		assert_int_equal(t_evicted_resident(&rig), 0);
		hv_rig_destroy(&rig);
		assert_int_equal(t_children(), 0);
		assert_true(hv_pinned_becomes(pinned_bytes));
	}
}

/* A request that no driver would write stops the VM, and no transfer begins. */
static void device_request_that_makes_no_sense_stops_the_vm(void **state)
{
	(void)state;
	static t_queue self;
	if (!device_here())
		skip();
	static const t_request bad[] = {
		{ .direction = 2, .n_read = 1, .bytes = 4096 },
		{ .direction = HV_DMA_READS_MEMORY, .n_read = 1, .bytes = 4096 },
		{ .direction = HV_DMA_WRITES_MEMORY, .n_read = 2, .bytes = 4096 },
		{ .direction = HV_DMA_WRITES_MEMORY, .n_read = 1, .bytes = HV_HUGE_BYTES + 4096 },
		{ .direction = HV_DMA_WRITES_MEMORY, .n_read = 1, .bytes = 8192, .offset = HV_HUGE_BYTES - 4096 },
		{ .direction = HV_DMA_WRITES_MEMORY, .n_read = 1, .bytes = 4096, .medium_offset = HV_DMA_MEDIUM_BYTES },
		{ .direction = HV_DMA_WRITES_MEMORY, .n_read = 1, .bytes = 4096, .medium_offset = UINT64_MAX - 4095 },
		{ .direction = HV_DMA_WRITES_MEMORY, .n_read = 1, .bytes = 4096, .header_bytes = 12 },
	};
	for (size_t at = 0; at < sizeof(bad) / sizeof(bad[0]); at++) {
		t_queue_open(&self);
		t_queue_send(&self, &bad[at]);
		while (hv_host_fault(&self.pair.host) == NULL)
			hv_sleep_ns(100000);
		assert_int_equal(hv_dma_count(self.dma)->completed, 0);
		t_queue_close(&self);
	}
	/* and one that does is served */
	const t_request good = { .direction = HV_DMA_WRITES_MEMORY, .n_read = 1, .bytes = 4096 };
	uint32_t written_bytes;
	t_queue_open(&self);
	t_queue_send(&self, &good);
	while (!hv_ring_guest_used(&self.ring, &written_bytes))
		hv_sleep_ns(100000);
	assert_int_equal(written_bytes, HV_DMA_STATUS_WORDS * 4);
	assert_null(hv_host_fault(&self.pair.host));
	t_queue_close(&self);
}

static void window_is_the_same_at_both_ends(void **state)
{
	(void)state;
	for (uint64_t count = 1; count < 70; count++)
		for (uint64_t window = 1; window <= count; window++) {
			bool seen[70] = { false };
			for (uint64_t at = 0; at < window; at++)
				seen[at * count / window] = true;
			for (uint64_t idx = 0; idx < count; idx++)
				assert_int_equal(hv_dma_window_sees(count, window, idx), seen[idx]);
		}
}

/* The process has what CREATE gave it and nothing else, and the host has no VM in its own memory. */
static void guest_and_host_share_descriptors_only(void **state)
{
	(void)state;
	static hv_rig rig, empty;
	char path[64], file[256];
	int marker = memfd_create("t-marker", 0); /* not closed on exec */
	assert_true(marker >= 0);
	t_apart_open(&rig, "huge-manual", "memfd", HUGE, 1, 0);
	assert_memory_equal(&rig.vm, &empty.vm, sizeof(rig.vm));
	assert_true(rig.host.memory.base == rig.host_arena.memory);
	unsigned n_files = 0;
	for (int fd = 3; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)rig.guest.pid, fd);
		ssize_t chars = readlink(path, file, sizeof(file) - 1);
		if (chars < 0)
			continue;
		file[chars] = '\0';
		n_files++;
		if (!file_allowed(file))
			print_error("descriptor %d of the guest is %s\n", fd, file);
		assert_true(file_allowed(file));
	}
	assert_true(n_files >= 1 + HV_CHANNEL_FDS + HV_GUEST_FDS);
	/* shared files can't shrink under whoever maps them */
	for (size_t at = 0; at < HV_GUEST_FDS; at++)
		assert_true(ftruncate(rig.guest.fds[at], 0) != 0);
	close(marker);
	hv_rig_destroy(&rig);
}

/* The host is through with all that it began: nothing is busy, and what it took is gone. */
static void assert_host_consistent(hv_rig *rig)
{
	char text[200];
	hv_install_service_stop(&rig->service); /* it may be in the middle of the last one */
	assert_non_null(strstr(hv_host_fault_text(&rig->host, text, sizeof(text)), "signal 9"));
	assert_int_equal(hv_frames_count(&rig->host.frames, HV_R_BUSY), 0);
	assert_int_equal(t_evicted_resident(rig), 0);
	for (uint64_t idx = 0; rig->host.channel != NULL && !rig->config.technique->automatic && idx < HUGE; idx++)
		if (hv_ledger_is(&rig->host.channel->ledger, idx * HV_HUGE_FRAMES, HV_HUGE_FRAMES, true))
			assert_int_equal(rig->after.resident_frames[idx], 0);
}

static void *kill_later(void *context)
{
	const t_kill *self = context;
	hv_sleep_ns(self->after_ns);
	kill(self->pid, SIGKILL);
	return NULL;
}

/* At any moment: between two commands, in one, in an install. Then every command ends, and says why. */
static void killed_guest_ends_every_command(const char *technique, uint64_t seed)
{
	static hv_rig rig;
	pthread_t killer;
	hv_vm_outcome outcome;
	uint64_t random = seed;
	unsigned n_files = t_files();
	t_apart_open(&rig, technique, "memfd", HUGE, 2, 0);
	assert_int_equal(hv_rig_fill_base(&rig, MIB_2), HV_OK);
	assert_int_equal(hv_rig_begin(&rig, HV_JOB_CHURN, 0), HV_OK);
	t_kill when = { rig.guest.pid, hv_random(&random) % 30000000 };
	assert_int_equal(pthread_create(&killer, NULL, kill_later, &when), 0);
	hv_err err = HV_OK;
	while (err != HV_ERR_GONE) {
		err = t_resize(&rig, HUGE / 2, HUGE);
		assert_true(err == HV_OK || err == HV_ERR_SHORT || err == HV_ERR_GONE);
	}
	pthread_join(killer, NULL);
	assert_int_equal(t_resize(&rig, HUGE / 4, HUGE), HV_ERR_GONE);
	assert_int_equal(hv_rig_begin(&rig, HV_JOB_WORK, 0), HV_ERR_GONE);
	assert_int_equal(hv_rig_result(&rig, &outcome), HV_ERR_GONE);
	assert_host_consistent(&rig);
	hv_rig_destroy(&rig);
	assert_int_equal(t_children(), 0);
	assert_int_equal(t_files(), n_files);
}

static void killed_guest_never_blocks_its_host(void **state)
{
	(void)state;
	for (const hv_technique *const *each = hv_techniques; *each != NULL; each++)
		for (uint64_t seed = 1; (*each)->grain_bytes != 0 && seed <= KILLS; seed++)
			killed_guest_ends_every_command((*each)->name, seed);
}

/* A host that needs no guest goes on; one that needs it loses its patience, and goes on when the guest does. */
static void stopped_guest_is_a_timeout_and_no_hang(void **state)
{
	(void)state;
	static hv_rig rig;
	t_apart_open(&rig, "llfree-manual", "memfd", HUGE, 2, 0);
	assert_int_equal(hv_rig_fill_all(&rig), HV_OK);
	assert_int_equal(hv_rig_do(&rig, HV_JOB_FREE, 0), HV_OK);
	t_stop(&rig);
	uint64_t patience_ns = rig.guest.patience_ns;
	rig.guest.patience_ns = 100000000;
	hv_proof proof = hv_rig_take(&rig, HUGE / 2 * MIB_2);
	assert_int_equal(proof.move.err, HV_OK);
	assert_int_equal(proof.bytes_freed, HUGE / 2 * MIB_2);
	assert_int_equal(hv_rig_begin(&rig, HV_JOB_WORK, 0), HV_ERR_TIMEOUT);
	assert_int_equal(hv_monitor_do(&rig.monitor, HV_COMMAND_GROW, HUGE * MIB_2).err, HV_OK);
	rig.guest.patience_ns = patience_ns;
	kill(rig.guest.pid, SIGCONT);
	assert_int_equal(hv_rig_fill_all(&rig), HV_OK);
	assert_int_equal(hv_rig_do(&rig, HV_JOB_FREE, 0), HV_OK);
	t_assert_sound(&rig);
	hv_rig_destroy(&rig);
}

static void stopped_driver_is_a_timeout_and_no_hang(void **state)
{
	(void)state;
	static hv_rig rig;
	static const char *const techniques[] = { "huge-manual", "virtio-mem", "base-manual" };
	for (size_t at = 0; at < 3; at++) {
		t_apart_open(&rig, techniques[at], "memfd", HUGE, 1, 0);
		t_stop(&rig);
		rig.channel_service.timeout_ns = 200000000;
		hv_move move = hv_monitor_do(&rig.monitor, HV_COMMAND_SHRINK, HUGE / 2 * MIB_2);
		assert_int_equal(move.err, HV_ERR_TIMEOUT);
		/* and one that never goes on is ended */
		rig.guest.patience_ns = 100000000;
		hv_rig_destroy(&rig);
		assert_int_equal(t_children(), 0);
	}
}

/* A vCPU waits for an install that nobody will do: it gets its error, and the guest ends. */
static void killed_host_costs_a_guest_its_install_timeout(void **state)
{
	(void)state;
	t_host host = t_host_begin("llfree-auto", T_HOST_HANGS, 300000000);
	t_host_kill(&host);
	char told[512];
	int status = t_host_guest_end(&host, told, sizeof(told));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), HV_GUEST_EXIT_HOST_GONE);
	if (strstr(told, "it ends, 1 installs failed") == NULL)
		print_error("the guest said: %s\n", told);
	assert_non_null(strstr(told, "it ends, 1 installs failed"));
}

static void killed_host_leaves_no_guest(void **state)
{
	(void)state;
	char told[512];
	static const char *const techniques[] = { "llfree-auto", "huge-manual" };
	for (uint64_t seed = 1; seed <= KILLS; seed++) {
		uint64_t random = seed;
		t_host host = t_host_begin(techniques[seed % 2], T_HOST_RESIZES, 200000000);
		hv_sleep_ns(hv_random(&random) % 20000000);
		t_host_kill(&host);
		int status = t_host_guest_end(&host, told, sizeof(told));
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), HV_GUEST_EXIT_HOST_GONE);
	}
}

/* It could not see that its host is gone: the kernel wakes it up for that. */
static void killed_host_leaves_no_stopped_guest(void **state)
{
	(void)state;
	char told[512];
	t_host host = t_host_begin("llfree-manual", T_HOST_RESIZES, 200000000);
	kill(host.guest, SIGSTOP);
	hv_sleep_ns(10000000);
	t_host_kill(&host);
	int status = t_host_guest_end(&host, told, sizeof(told));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), HV_GUEST_EXIT_HOST_GONE);
}

/* The file can't be sealed, and the guest's process has a descriptor of it: the same file as the host's. */
static void guest_that_shrinks_its_memory_is_stopped_and_the_host_goes_on(void **state)
{
	(void)state;
	static hv_rig rig;
	char why[160];
	if (!hv_backing_available(hv_backing_find("tmpfs-huge"), why, sizeof(why))) {
		print_message("skipped: tmpfs-huge: %s\n", why);
		return;
	}
	t_apart_open(&rig, "huge-manual", "tmpfs-huge", HUGE, 1, 0);
	assert_int_equal(ftruncate(rig.memory.fd, 0), 0);
	volatile const uint8_t *bytes = rig.memory.base;
	unsigned sum = 0;
	for (uint64_t at = 0; at < HUGE * MIB_2; at += HV_FRAME_BYTES)
		sum += bytes[at];
	assert_int_equal(sum, 0);
	assert_true(hv_host_fault(&rig.host) != NULL);
	hv_move moved = hv_monitor_do(&rig.monitor, HV_COMMAND_SHRINK, HUGE / 2 * MIB_2);
	assert_true(moved.err == HV_ERR_GUEST || moved.err == HV_ERR_GONE);
	hv_rig_destroy(&rig);
	assert_int_equal(t_children(), 0);
}

static void on_interrupt(int signal_number)
{
	(void)signal_number;
}

/* Ctrl-C reaches the guest's process as well, at any moment: also before it has begun to ignore it. */
static void keyboard_signals_never_end_a_guest(void **state)
{
	(void)state;
	static hv_rig rig;
	enum { GUESTS = 20, PAUSE_US = 50 };
	if (t_emulated()) {
		print_message("skipped: qemu-user ends by the signal before the guest's program has begun\n");
		skip();
	}
	assert_true(setpgid(0, 0) == 0 || getpgrp() == getpid()); /* a leader of a session is in its own */
	signal(SIGINT, on_interrupt);
	pid_t keyboard = fork(), group = getpgrp();
	if (keyboard == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		while (kill(-group, SIGINT) == 0)
			usleep(PAUSE_US);
		_exit(0);
	}
	for (unsigned at = 0; at < GUESTS; at++) {
		t_apart_open(&rig, "llfree-manual", "memfd", HUGE, 1, 0);
		hv_rig_destroy(&rig);
	}
	kill(keyboard, SIGKILL);
	assert_int_equal(waitpid(keyboard, NULL, 0), keyboard);
	signal(SIGINT, SIG_DFL);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_technique_moves_memory_with_proof),
		cmocka_unit_test(every_file_backing_will_do),
		cmocka_unit_test(contents_survive_resizes_beside_running_vcpus),
		cmocka_unit_test(device_in_the_hosts_process_sees_what_the_guest_sees),
		cmocka_unit_test(guest_killed_in_a_transfer_never_blocks_its_host),
		cmocka_unit_test(device_request_that_makes_no_sense_stops_the_vm),
		cmocka_unit_test(window_is_the_same_at_both_ends),
		cmocka_unit_test(guest_and_host_share_descriptors_only),
		cmocka_unit_test(killed_guest_never_blocks_its_host),
		cmocka_unit_test(stopped_guest_is_a_timeout_and_no_hang),
		cmocka_unit_test(stopped_driver_is_a_timeout_and_no_hang),
		cmocka_unit_test(killed_host_costs_a_guest_its_install_timeout),
		cmocka_unit_test(killed_host_leaves_no_guest),
		cmocka_unit_test(killed_host_leaves_no_stopped_guest),
		cmocka_unit_test(guest_that_shrinks_its_memory_is_stopped_and_the_host_goes_on),
		cmocka_unit_test(keyboard_signals_never_end_a_guest),
	};
	if (hv_guest_wanted(argc, argv))
		return hv_guest_main();
	/* from one vCPU to the next a frame may go by way of its host: an order in another process, which a thread
	 * sanitizer of the guest can't see (this process has its options already) */
	setenv("TSAN_OPTIONS", "report_bugs=0", T_THREAD_SANITIZER);
	return T_RUN(tests);
}
