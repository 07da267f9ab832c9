/* SPDX-License-Identifier: MIT
 *
 * The process of a guest; see guest_main.h. When its host is gone (the control socket tells), it stops its vCPUs and
 * ends; one that waits for an install gets its timeout first, and an alarm ends a guest that would take longer than
 * that. A guest that is stopped when its host dies is continued by the kernel (the death signal), so that it ends too.
 * Keyboard signals are the experiment's to handle. */
#define _GNU_SOURCE
#include "rig/guest_main.h"
#include "base/hv_socket.h"
#include "device/dma_queue.h"
#include "rig/guest_control.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WAIT_NS UINT64_C(1000000000)

typedef struct guest {
	hv_vm vm;
	bool vm_up;
	const hv_technique *technique;
	hv_channel channel;
	hv_dma_queue_files queue_files;
	hv_dma_queue_guest *queues;
	hv_dma_driver *dma_driver; /**< NULL = there is no device */
	int host_gone;             /**< a bell: nobody answers any more */
	_Atomic uint64_t install_timeout_ns;
} guest;

bool hv_guest_wanted(int argc, char **argv)
{
	return argc == 2 && strcmp(argv[1], HV_GUEST_COMMAND) == 0;
}

static void on_alarm(int signal_number)
{
	static const char text[] = "hvsim: a guest whose host is gone did not come to rest; it ends\n";
	(void)signal_number;
	ssize_t told = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)told;
	_exit(HV_GUEST_EXIT_HOST_GONE);
}

/* Runs beside the requests: a vCPU may be waiting for the host in one of them. */
static void *host_watch(void *context)
{
	const guest *self = context;
	struct pollfd host = { .fd = HV_CONTROL_FD, .events = POLLRDHUP };
	while (poll(&host, 1, -1) < 0 && errno == EINTR)
		;
	hv_bell_ring(self->host_gone);
	alarm((unsigned)(self->install_timeout_ns / 1000000000u) + 2);
	return NULL;
}

void hv_guest_signals(sigset_t *signals)
{
	sigemptyset(signals);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGTERM);
}

/* One call, from kernel 5.9 on; else one for each that is open. */
static void descriptors_close_from(int first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
		return;
#endif
	DIR *folder = opendir("/proc/self/fd");
	for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
		long fd = strtol(entry->d_name, NULL, 10);
		if (fd >= first && fd != dirfd(folder))
			close((int)fd);
	}
	if (folder != NULL)
		closedir(folder);
}

/* Nothing but the standard streams and the control socket comes from whoever started us. */
static void process_prepare(void)
{
	sigset_t held;
	prctl(PR_SET_PDEATHSIG, SIGCONT);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGALRM, on_alarm);
	hv_guest_signals(&held);
	sigprocmask(SIG_UNBLOCK, &held, NULL);
	descriptors_close_from(HV_CONTROL_FD + 1);
}

static hv_err create(guest *self, hv_control_config *config, const int *fds, size_t n_fds)
{
	self->technique = hv_technique_find(config->technique);
	config->vm.backing = hv_backing_find(config->backing);
	config->vm.allocator = hv_guest_allocator_find(config->allocator);
	if (self->technique == NULL || config->vm.backing == NULL || config->vm.allocator == NULL ||
	    (n_fds != 0 && n_fds != HV_CHANNEL_FDS))
		return HV_ERR_INVAL;
	hv_err err = n_fds != 0 ? hv_channel_open(&self->channel, fds) : HV_OK;
	if (err == HV_OK)
		err = hv_vm_create(&self->vm, &config->vm);
	self->vm_up = err == HV_OK;
	self->install_timeout_ns = config->vm.install_timeout_ns;
	return err;
}

static int medium_fd(void *context, uint32_t cpu_idx)
{
	return hv_dma_queue_medium(context, cpu_idx);
}

static hv_err device_open(guest *self, const int *fds, size_t n_fds, uint64_t window_huge)
{
	hv_err err = hv_dma_queue_files_open(&self->queue_files, fds, n_fds);
	if (err == HV_OK && self->queue_files.n_queues != self->vm.config.n_vcpus)
		err = HV_ERR_INVAL;
	if (err == HV_OK)
		err = hv_dma_queue_guest_open(&self->queues, &self->queue_files, &self->vm, self->host_gone);
	if (err != HV_OK)
		return err;
	hv_dma_link link = hv_dma_queue_link(self->queues, window_huge);
	return hv_dma_driver_create(&self->dma_driver, &link, &self->vm, medium_fd, &self->queue_files);
}

static hv_err start(guest *self, const hv_control_request *request, const int *fds, size_t n_fds)
{
	hv_err err = n_fds != 0 ? device_open(self, fds, n_fds, request->window_huge) : HV_OK;
	if (err == HV_OK)
		err = hv_guest_half_attach(self->technique->guest, &self->vm, &self->channel);
	return err == HV_OK ? hv_vm_start(&self->vm) : err;
}

static hv_err begin(guest *self, const hv_control_request *request)
{
	if (request->job == HV_JOB_PROGRAM || request->job >= HV_JOB_QUIT ||
	    (request->job == HV_JOB_DEVICE && self->vm.device_round == NULL))
		return HV_ERR_INVAL;
	hv_vm_begin(&self->vm, request->job, request->fill_max_frames);
	return HV_OK;
}

static void serve(guest *self, hv_control_request *request, const int *fds, size_t n_fds, hv_control_answer *answer)
{
	if (request->kind != HV_CONTROL_CREATE && !self->vm_up) {
		answer->err = HV_ERR_INVAL;
		return;
	}
	switch (request->kind) {
	case HV_CONTROL_CREATE:
		answer->err = create(self, &request->config, fds, n_fds);
		break;
	case HV_CONTROL_START:
		answer->err = start(self, request, fds, n_fds);
		break;
	case HV_CONTROL_BEGIN:
		answer->err = begin(self, request);
		break;
	case HV_CONTROL_WAIT:
		answer->yes = hv_vm_wait_for(&self->vm, WAIT_NS);
		break;
	case HV_CONTROL_KEEP_BASE:
		hv_vm_keep_base(&self->vm);
		break;
	case HV_CONTROL_RESULT:
		answer->outcome = hv_vm_result(&self->vm);
		if (self->dma_driver != NULL)
			answer->dma = hv_dma_driver_result(self->dma_driver);
		break;
	case HV_CONTROL_AUDIT:
		answer->yes = hv_vm_audit(&self->vm, request->strict, answer->text, sizeof(answer->text));
		break;
	case HV_CONTROL_QUIT:
		hv_vm_stop(&self->vm);
		break;
	}
	answer->error_number = errno;
}

static bool answer_send(const guest *self, const hv_control_request *request, const hv_control_answer *answer)
{
	if (request->kind != HV_CONTROL_CREATE || answer->err != HV_OK)
		return hv_socket_send(HV_CONTROL_FD, answer, sizeof(*answer), NULL, 0);
	const int fds[HV_GUEST_FDS] = { [HV_GUEST_FD_MEMORY] = self->vm.arena.memory_fd,
					[HV_GUEST_FD_REGION] = self->vm.arena.region_fd,
					[HV_GUEST_FD_PORTS] = self->vm.ports_fd };
	return hv_socket_send(HV_CONTROL_FD, answer, sizeof(*answer), fds, HV_GUEST_FDS);
}

/* @return the exit code */
static int requests_serve(guest *self)
{
	hv_control_request request;
	int fds[HV_SOCKET_FDS_MAX];
	for (;;) {
		size_t n_fds = HV_SOCKET_FDS_MAX;
		if (!hv_socket_receive(HV_CONTROL_FD, &request, sizeof(request), fds, &n_fds, UINT64_MAX / 2))
			return errno == ECONNRESET ? HV_GUEST_EXIT_HOST_GONE : HV_GUEST_EXIT_BROKEN;
		hv_control_answer answer = { .number = request.number, .err = HV_OK };
		serve(self, &request, fds, n_fds, &answer);
		if (!answer_send(self, &request, &answer))
			return errno == EPIPE ? HV_GUEST_EXIT_HOST_GONE : HV_GUEST_EXIT_BROKEN;
		if (request.kind == HV_CONTROL_QUIT)
			return HV_GUEST_EXIT_FINE;
	}
}

int hv_guest_main(void)
{
	static guest self;
	pthread_t watch;
	process_prepare();
	self.host_gone = hv_bell_create();
	if (self.host_gone < 0 || pthread_create(&watch, NULL, host_watch, &self) != 0)
		return HV_GUEST_EXIT_BROKEN;
	pthread_detach(watch);
	int status = requests_serve(&self);
	if (self.vm_up) {
		hv_vm_stop(&self.vm);
		if (status == HV_GUEST_EXIT_HOST_GONE)
			fprintf(stderr, "hvsim: a guest's host is gone; it ends, %" PRIu64 " installs failed\n",
				hv_vm_result(&self.vm).installs_failed);
		hv_dma_driver_destroy(self.dma_driver);
		hv_dma_queue_guest_close(self.queues);
		hv_dma_queue_files_close(&self.queue_files);
		hv_vm_destroy(&self.vm);
	}
	hv_channel_destroy(&self.channel);
	return status;
}
