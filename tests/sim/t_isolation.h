/* SPDX-License-Identifier: MIT
 *
 * What tests of guests in processes share: rigs apart, resizes by any technique, and hosts in a process of their own,
 * so that they can be killed. The test adopts what they leave behind (subreaper). */
#ifndef T_ISOLATION_H
#define T_ISOLATION_H

#include "rig/guest_main.h"
#include "t_sim.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct t_kill {
	pid_t pid;
	uint64_t after_ns;
} t_kill;

static inline hv_rig_config t_apart_config(const char *technique, const char *backing, uint64_t huge, uint32_t n_vcpus)
{
	hv_rig_config config = { .vm = t_vm_config(backing, huge, n_vcpus),
				 .technique = hv_technique_find(technique),
				 .policy = hv_policy_find("period"),
				 .period_ns = 1000000,
				 .discard = HV_DISCARD_VECTORED,
				 .batch_huge = 16,
				 .isolation = HV_ISOLATION_PROCESS };
	config.vm.allocator = hv_guest_allocator_find(config.technique->allocator);
	config.vm.tuning = (hv_tuning){ .report_order = 9, .report_delay_ns = 1000000, .report_batch = 32 };
	return config;
}

static inline void t_apart_device_open(hv_rig *rig, const char *technique, uint64_t huge)
{
	const char *failed_step;
	hv_rig_config config = t_apart_config(technique, "memfd", huge, 2);
	config.dma = true;
	hv_err err = hv_rig_create(rig, &config, &failed_step);
	if (err != HV_OK)
		print_error("%s: %s\n", failed_step, hv_err_text(err));
	assert_int_equal(err, HV_OK);
	assert_int_equal(hv_rig_fill_base(rig, 2u * (uint64_t)HV_HUGE_BYTES), HV_OK);
}

/* A device's queue that the test fills by hand: the ring lies in frame 0, requests in frame 2, the buffer behind. */
typedef struct t_queue {
	t_pair pair;
	hv_dma *dma;
	hv_dma_queue_files files;
	hv_dma_queue_host *host;
	hv_ring_guest ring;
} t_queue;

typedef struct t_request {
	uint32_t direction, bytes, header_bytes; /* 0 = as it should be */
	unsigned n_read;
	uint64_t offset, medium_offset; /* of the buffer, in the second huge frame */
} t_request;

static inline void t_queue_open(t_queue *self)
{
	t_pair_open(&self->pair, "memfd", 4, 1);
	assert_int_equal(hv_dma_create(&self->dma, &self->pair.vm.memory, 0), HV_OK);
	assert_int_equal(hv_dma_queue_files_create(&self->files, 1, HV_DMA_MEDIUM_BYTES), HV_OK);
	assert_int_equal(
		hv_dma_queue_host_start(&self->host, &self->files, self->dma, &self->pair.host, HV_DMA_MEDIUM_BYTES),
		HV_OK);
	hv_ring_memory memory = { self->pair.vm.memory.base, 4u * (uint64_t)HV_HUGE_BYTES };
	hv_ring_place place = { 0, HV_CHANNEL_RING_SIZE };
	assert_int_equal(hv_ring_guest_open(&self->ring, memory, place), HV_OK);
	self->files.registers->rings[0].size = HV_CHANNEL_RING_SIZE;
	self->files.registers->ready = 1;
}

static inline void t_queue_send(t_queue *self, const t_request *request)
{
	const uint64_t address = 2 * HV_FRAME_BYTES;
	const uint32_t header[HV_DMA_HEADER_WORDS] = { request->direction, 0, (uint32_t)request->medium_offset,
						       (uint32_t)(request->medium_offset >> 32) };
	memcpy(self->pair.vm.memory.base + address, header, sizeof(header));
	const hv_ring_segment segments[3] = {
		{ address, request->header_bytes != 0 ? request->header_bytes : HV_DMA_HEADER_WORDS * 4 },
		{ HV_HUGE_BYTES + request->offset, request->bytes },
		{ address + 64, HV_DMA_STATUS_WORDS * 4 },
	};
	assert_true(hv_ring_guest_add(&self->ring, segments, request->n_read, 3 - request->n_read));
	hv_bell_ring(hv_dma_queue_to_device(&self->files));
}

static inline void t_queue_close(t_queue *self)
{
	hv_dma_queue_host_stop(self->host);
	hv_dma_destroy(self->dma);
	hv_dma_queue_host_free(self->host);
	hv_dma_queue_files_close(&self->files);
	t_pair_close(&self->pair);
}

/* install_timeout_ns: 0 = long */
static inline void t_apart_open(hv_rig *rig, const char *technique, const char *backing, uint64_t huge,
				uint32_t n_vcpus, uint64_t install_timeout_ns)
{
	const char *failed_step;
	hv_rig_config config = t_apart_config(technique, backing, huge, n_vcpus);
	if (install_timeout_ns != 0)
		config.vm.install_timeout_ns = install_timeout_ns;
	hv_err err = hv_rig_create(rig, &config, &failed_step);
	if (err != HV_OK)
		print_error("%s: %s\n", failed_step, hv_err_text(err));
	assert_int_equal(err, HV_OK);
}

/* Down and up again, or a pass. @return the first error that is no shortage; HV_ERR_SHORT if there was one */
static inline hv_err t_resize(hv_rig *rig, uint64_t down_huge, uint64_t up_huge)
{
	if (rig->config.technique->automatic)
		return hv_monitor_next_pass(&rig->monitor).err;
	hv_err down = hv_monitor_do(&rig->monitor, HV_COMMAND_SHRINK, down_huge << HV_HUGE_SHIFT).err;
	hv_err up = hv_monitor_do(&rig->monitor, HV_COMMAND_GROW, up_huge << HV_HUGE_SHIFT).err;
	return down == HV_OK || (down == HV_ERR_SHORT && up != HV_OK) ? up : down;
}

/* Stop the guest, and wait until all of it stands still. */
static inline void t_stop(hv_rig *rig)
{
	siginfo_t info;
	kill(rig->guest.pid, SIGSTOP);
	assert_int_equal(waitid(P_PID, (id_t)rig->guest.pid, &info, WSTOPPED | WNOWAIT), 0);
}

/* Children of this process that have not been waited for. */
static inline unsigned t_children(void)
{
	siginfo_t info = { .si_pid = 0 };
	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static inline unsigned t_files(void)
{
	unsigned n_files = 0;
	DIR *dir = opendir("/proc/self/fd");
	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n_files++;
	closedir(dir);
	return n_files;
}

typedef enum t_host_kind {
	T_HOST_RESIZES, /* resizes for ever, beside vCPUs at work */
	T_HOST_HANGS    /* has taken all memory, and answers no install; a vCPU waits for one */
} t_host_kind;

/* A host in a process of its own, with its guest. */
typedef struct t_host {
	pid_t host, guest;
	int guest_says; /* what the guest writes to stderr */
} t_host;

static inline void t_host_run(const char *technique, t_host_kind kind, uint64_t timeout_ns, int tell)
{
	static hv_rig rig;
	uint64_t huge_idx;
	t_apart_open(&rig, technique, "memfd", 16, 1, timeout_ns);
	if (kind == T_HOST_HANGS) {
		hv_proof proof = hv_rig_take(&rig, 0);
		hv_install_service_stop(&rig.service);
		if (proof.move.err != HV_OK || hv_rig_begin(&rig, HV_JOB_FILL, UINT64_MAX) != HV_OK)
			_exit(1);
		while (hv_port_request(&rig.ports->ports[0], &huge_idx) == 0)
			hv_sleep_ns(100000);
	} else if (hv_rig_begin(&rig, HV_JOB_CHURN, 0) != HV_OK) {
		_exit(1);
	}
	if (write(tell, &rig.guest.pid, sizeof(rig.guest.pid)) != sizeof(rig.guest.pid))
		_exit(1);
	while (kind == T_HOST_HANGS)
		pause();
	for (;;) {
		hv_err err = t_resize(&rig, 8, 16);
		(void)err;
	}
}

static inline t_host t_host_begin(const char *technique, t_host_kind kind, uint64_t timeout_ns)
{
	t_host self = { .host = 0 };
	int tell[2], says[2];
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0 && errno == EINVAL) {
		print_message("skipped: no PR_SET_CHILD_SUBREAPER here (qemu-user)\n");
		skip();
	}
	assert_int_equal(pipe(tell), 0);
	assert_int_equal(pipe(says), 0);
	self.host = fork();
	if (self.host == 0) {
		close(tell[0]);
		close(says[0]);
		dup2(says[1], STDERR_FILENO);
		close(says[1]);
		t_host_run(technique, kind, timeout_ns, tell[1]);
	}
	close(tell[1]);
	close(says[1]);
	assert_int_equal(read(tell[0], &self.guest, sizeof(self.guest)), sizeof(self.guest));
	close(tell[0]);
	self.guest_says = says[0];
	return self;
}

static inline void t_host_kill(t_host *self)
{
	int status;
	kill(self->host, SIGKILL);
	assert_int_equal(waitpid(self->host, &status, 0), self->host);
	assert_true(WIFSIGNALED(status));
}

/* Wait for the end of a guest whose host is gone. told: what it said. @return its status */
static inline int t_host_guest_end(t_host *self, char *told, size_t told_bytes)
{
	int status = 0;
	size_t n_told = 0;
	ssize_t got;
	while (n_told + 1 < told_bytes && (got = read(self->guest_says, told + n_told, told_bytes - 1 - n_told)) > 0)
		n_told += (size_t)got;
	told[n_told] = '\0';
	close(self->guest_says);
	assert_int_equal(waitpid(self->guest, &status, 0), self->guest);
	return status;
}

#endif
