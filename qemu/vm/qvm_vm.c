/* SPDX-License-Identifier: MIT
 *
 * One VM; see qvm_vm.h. */
#define _GNU_SOURCE
#include "vm/qvm_vm.h"
#include "image/qvm_disk.h"
#include "vm/qvm_program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define QMP_UP_NS  UINT64_C(60000000000)
#define QUIT_NS    UINT64_C(2000000000)
#define END_NS     UINT64_C(3000000000)
#define COMMAND_NS UINT64_C(20000000000)

static hv_err fail(qvm_vm *self, hv_err err, const char *what)
{
	snprintf(self->why, sizeof(self->why), "%s: %s", what, strerror(errno));
	return err;
}

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* A connected pair: our end, and the number of the one that QEMU inherits. */
static bool socket_make(qvm_vm *self, int *ours, int *qemus)
{
	int ends[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return false;
	*ours = ends[0];
	*qemus = qvm_args_fd(&self->args, ends[1]);
	return true;
}

static void arg2(qvm_vm *self, const char *option, const char *value)
{
	qvm_args_add(&self->args, "%s", option);
	qvm_args_add(&self->args, "%s", value);
}

static void machine_args(qvm_vm *self)
{
	const qvm_vm_config *config = &self->config;
	qvm_args *args = &self->args;
	bool kvm = self->accel == QVM_ACCEL_KVM;
	qvm_args_add(args, "%s", config->qemu != NULL ? config->qemu : "qemu-system-x86_64");
	arg2(self, "-accel", kvm ? "kvm" : "tcg,thread=multi");
	arg2(self, "-cpu", kvm ? "host" : "max");
	arg2(self, "-machine", config->bare_memory ? "q35" : "q35,memory-backend=ram0");
	if (!config->bare_memory) {
		qvm_args_add(args, "-smp");
		qvm_args_add(args, "%u", config->cpus);
	}
	qvm_args_add(args, "-m");
	if (config->max_bytes != 0)
		qvm_args_add(args, "%" PRIu64 "M,maxmem=%" PRIu64 "M,slots=4", config->ram_bytes >> 20,
			     config->max_bytes >> 20);
	else
		qvm_args_add(args, "%" PRIu64 "M", config->ram_bytes >> 20);
	arg2(self, "-nodefaults", "-no-reboot");
	arg2(self, "-display", "none");
	arg2(self, "-kernel", config->image->kernel);
	arg2(self, "-initrd", config->image->initrd);
	qvm_args_add(args, "-append");
	/* an emulated CPU that the host lets wait misses ticks, which the kernel takes for a timer that doesn't work */
	qvm_args_add(args, "console=ttyS0 panic=-1 quiet%s%s%s", kvm ? "" : " no_timer_check",
		     config->append != NULL ? " " : "", config->append != NULL ? config->append : "");
}

static void device_args(qvm_vm *self)
{
	const qvm_vm_config *config = &self->config;
	qvm_args *args = &self->args;
	if (!config->bare_memory) {
		qvm_args_add(args, "-object");
		qvm_args_add(args,
			     "memory-backend-file,id=ram0,size=%" PRIu64
			     "M,mem-path=/proc/self/fd/%d,share=on,align=2M",
			     config->ram_bytes >> 20, qvm_args_fd(args, self->ram.fd));
	}
	qvm_args_add(args, "-chardev");
	qvm_args_add(args, "socket,id=qmp,fd=%d", self->qemu_fds[0]);
	arg2(self, "-mon", "chardev=qmp,mode=control");
	qvm_args_add(args, "-chardev");
	qvm_args_add(args, "file,id=console,path=/proc/self/fd/%d,append=on", qvm_args_fd(args, self->console_fd));
	arg2(self, "-serial", "chardev:console");
	arg2(self, "-device", "virtio-serial-pci");
	qvm_args_add(args, "-chardev");
	qvm_args_add(args, "socket,id=agent,fd=%d", self->qemu_fds[1]);
	arg2(self, "-device", "virtserialport,chardev=agent,name=org.llfree.agent");
	if (config->disk != NULL) {
		qvm_args_add(args, "-drive");
		/* what it holds goes with the VM: nothing has to reach a platter */
		qvm_args_add(args, "file=/proc/self/fd/%d,format=raw,if=none,id=disk,cache=unsafe",
			     qvm_args_fd(args, self->disk_fd));
		arg2(self, "-device", "virtio-blk-pci,drive=disk");
	}
	if (config->vfio != NULL) {
		qvm_args_add(args, "-device");
		qvm_args_add(args, "vfio-pci,host=%s", config->vfio);
	}
}

static hv_err check(qvm_vm *self)
{
	char why[200];
	hv_err err = qvm_accel_choose(self->config.accel, &self->accel, why, sizeof(why));
	if (err != HV_OK) {
		snprintf(self->why, sizeof(self->why), "%s", why);
		return err;
	}
	if (self->accel == QVM_ACCEL_TCG && self->config.cpus < 2) {
		snprintf(
			self->why, sizeof(self->why),
			"under TCG a VM with one possible vCPU has no atomics on shared memory; at least 2 are needed");
		return HV_ERR_UNAVAILABLE;
	}
	return HV_OK;
}

hv_err qvm_vm_prepare(qvm_vm *self, const qvm_vm_config *config)
{
	*self = (qvm_vm){ .config = *config,
			  .ram = { .fd = -1 },
			  .qmp = { .fd = -1 },
			  .qemu_fds = { -1, -1 },
			  .qmp_fd = -1,
			  .agent_fd = -1,
			  .console_fd = -1,
			  .disk_fd = -1,
			  .error_fd = -1 };
	hv_err err = check(self);
	if (err != HV_OK)
		return err;
	if (!config->bare_memory) {
		err = qvm_memory_open(&self->ram, config->ram_bytes, config->backing);
		if (err != HV_OK) {
			snprintf(self->why, sizeof(self->why), "memory of the VM: %s", self->ram.why);
			return err;
		}
	}
	self->console_fd = config->console != NULL
				   ? open(config->console, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644)
				   : memfd_create("console", MFD_CLOEXEC);
	if (self->console_fd < 0)
		return fail(self, HV_ERR_SYSTEM, config->console != NULL ? config->console : "console");
	if (config->disk != NULL) {
		self->disk_fd = qvm_disk_copy(config->disk);
		if (self->disk_fd < 0)
			return fail(self, HV_ERR_SYSTEM, config->disk);
	}
	self->error_fd = memfd_create("qemu-messages", MFD_CLOEXEC);
	if (self->error_fd < 0 || !socket_make(self, &self->qmp_fd, &self->qemu_fds[0]) ||
	    !socket_make(self, &self->agent_fd, &self->qemu_fds[1]))
		return fail(self, HV_ERR_SYSTEM, "sockets of the VM");
	machine_args(self);
	device_args(self);
	return HV_OK;
}

/* Why the process has ended. */
static void why_ended(qvm_vm *self)
{
	enum { CONSOLE_BYTES = 16384 };
	char messages[260], *console = malloc(CONSOLE_BYTES);
	if (console != NULL)
		qvm_file_tail(self->console_fd, console, CONSOLE_BYTES);
	qvm_file_tail(self->error_fd, messages, sizeof(messages));
	messages[strcspn(messages, "\r\n")] = '\0';
	const char *panic = console != NULL ? strstr(console, "Kernel panic") : NULL;
	if (panic != NULL)
		snprintf(self->why, sizeof(self->why), "the guest panicked: %.*s", (int)strcspn(panic, "\r\n"), panic);
	else if (WIFSIGNALED(self->status))
		snprintf(self->why, sizeof(self->why), "QEMU was ended by signal %d (%s)", WTERMSIG(self->status),
			 strsignal(WTERMSIG(self->status)));
	else
		snprintf(self->why, sizeof(self->why), "QEMU ended with %d: %s", WEXITSTATUS(self->status),
			 messages[0] != '\0' ? messages : "it said nothing");
	free(console);
}

static hv_err qmp_start(qvm_vm *self)
{
	char *tree = NULL;
	hv_err err = qvm_qmp_open(&self->qmp, self->qmp_fd, QMP_UP_NS);
	if (err == HV_OK) {
		self->qmp_fd = -1; /* its now */
		self->qmp_up = true;
		err = qvm_qmp_human(&self->qmp, "info mtree -f", &tree, COMMAND_NS);
	}
	if (err == HV_OK && qvm_gpa_parse(&self->gpa, tree) != HV_OK) {
		snprintf(self->why, sizeof(self->why), "QEMU's memory tree is of an unknown form");
		err = HV_ERR_UNAVAILABLE;
	} else if (err != HV_OK) {
		if (qvm_program_wait(self->pid, END_NS, &self->status)) {
			self->pid = 0;
			why_ended(self);
		} else {
			snprintf(self->why, sizeof(self->why), "QMP: %s", hv_err_text(err));
		}
	}
	free(tree);
	return err;
}

hv_err qvm_vm_start(qvm_vm *self)
{
	if (!qvm_program_start(&self->args, self->error_fd, &self->pid))
		return fail(self, errno == ENOENT ? HV_ERR_UNAVAILABLE : HV_ERR_SYSTEM, self->args.argv[0]);
	fd_close(&self->qemu_fds[0]);
	fd_close(&self->qemu_fds[1]);
	return qmp_start(self);
}

static bool ended_within(qvm_vm *self, uint64_t timeout_ns)
{
	if (self->pid == 0)
		return true;
	if (!qvm_program_wait(self->pid, timeout_ns, &self->status))
		return false;
	self->pid = 0;
	why_ended(self);
	return true;
}

bool qvm_vm_alive(qvm_vm *self)
{
	return !ended_within(self, 0);
}

bool qvm_vm_ended(qvm_vm *self)
{
	return ended_within(self, END_NS);
}

void qvm_vm_stop(qvm_vm *self)
{
	if (self->pid == 0)
		return;
	if (self->qmp_up && qvm_qmp_execute(&self->qmp, "quit", NULL, NULL, QUIT_NS) == HV_OK &&
	    qvm_program_wait(self->pid, END_NS, &self->status))
		self->pid = 0;
	else if (self->pid != 0)
		qvm_program_kill(self->pid, &self->status);
	self->pid = 0;
}

void qvm_vm_close(qvm_vm *self)
{
	if (self->args.n_args == 0 && self->console_fd == 0)
		return; /* zeroed, never prepared */
	qvm_vm_stop(self);
	if (self->qmp_up)
		qvm_qmp_close(&self->qmp);
	self->qmp_up = false;
	fd_close(&self->qmp_fd);
	fd_close(&self->qemu_fds[0]);
	fd_close(&self->qemu_fds[1]);
	fd_close(&self->agent_fd);
	fd_close(&self->console_fd);
	fd_close(&self->disk_fd);
	fd_close(&self->error_fd);
	qvm_memory_close(&self->ram);
	qvm_args_clear(&self->args);
}

void qvm_vm_console_tail(const qvm_vm *self, char *text, size_t text_bytes)
{
	qvm_file_tail(self->console_fd, text, text_bytes);
}
