/* SPDX-License-Identifier: MIT
 *
 * One VM: a QEMU process, its memory file, QMP, the guest agent's socket, the console. Started and stopped here, and
 * never left behind: QEMU has no files or sockets with a name (all are inherited descriptors), and the kernel ends it
 * when the thread that started it ends, for whatever reason. So start VMs on a thread that outlives them. */
#ifndef QVM_VM_H
#define QVM_VM_H

#include "image/qvm_image.h"
#include "vm/qvm_args.h"
#include "vm/qvm_gpa.h"
#include "vm/qvm_memory.h"
#include "vm/qvm_qmp.h"

#include <sys/types.h>

typedef enum qvm_accel { QVM_ACCEL_AUTO, QVM_ACCEL_KVM, QVM_ACCEL_TCG } qvm_accel;

typedef struct qvm_vm_config {
	const char *name;    /**< in messages */
	const char *qemu;    /**< NULL = qemu-system-x86_64 */
	const char *append;  /**< more of the kernel's command line; may be NULL */
	const char *backing; /**< of RAM; NULL = the best */
	const char *vfio;    /**< BDF of a bound device; may be NULL */
	const char *console; /**< a file for the guest's console, which must not exist; NULL = kept in memory only */
	const char *disk;    /**< a file, of which the guest has a copy as its disk /dev/vda; NULL = none */
	const qvm_image *image;
	qvm_accel accel;
	unsigned cpus;      /**< under TCG at least 2 */
	uint64_t ram_bytes; /**< at boot */
	uint64_t max_bytes; /**< with what may be plugged later; 0 = nothing */
	bool bare_memory;   /**< no ram0 and no -machine memory-backend: the caller's arguments say all (NUMA) */
	uint64_t boot_timeout_ns;
} qvm_vm_config;

typedef struct qvm_vm {
	qvm_args args; /**< techniques add to it before the start */
	qvm_vm_config config;
	qvm_accel accel; /**< the one in use */
	qvm_memory ram;  /**< backend "ram0" */
	qvm_qmp qmp;
	qvm_gpa_map gpa;
	int qemu_fds[2]; /**< QEMU's ends, until it has them */
	int qmp_fd;      /**< until qmp has it */
	int agent_fd;    /**< of the virtio-serial port org.llfree.agent; the guest program speaks first */
	int console_fd;  /**< what the guest wrote to its console */
	int disk_fd;     /**< the copy */
	int error_fd;    /**< what QEMU wrote to stderr */
	pid_t pid;       /**< 0 = there is no process */
	bool qmp_up;
	int status;    /**< of the process that has ended, as by waitpid() */
	char why[400]; /**< what failed, for people */
} qvm_vm;

/** Which accelerator this means here. @return HV_OK; HV_ERR_UNAVAILABLE with the reason in why */
HV_MUST_CHECK hv_err qvm_accel_choose(qvm_accel wanted, qvm_accel *chosen, char *why, size_t why_bytes);
const char *qvm_accel_text(qvm_accel accel); /**< "kvm", "tcg" */
/** Does this QEMU know a device? */
bool qvm_device_known(const char *qemu, const char *device);

/** Make memory, sockets and the usual arguments; a technique may add more before qvm_vm_start(). On error self->why,
 * and qvm_vm_close() is still the caller's to call. */
HV_MUST_CHECK hv_err qvm_vm_prepare(qvm_vm *self, const qvm_vm_config *config);
/** Start QEMU and wait for QMP. The guest is booting then. @return HV_OK; else self->why */
HV_MUST_CHECK hv_err qvm_vm_start(qvm_vm *self);
/** Is it there still? Never waits. false: self->why tells how it ended (a panic, a signal, an exit). */
HV_MUST_CHECK bool qvm_vm_alive(qvm_vm *self);
/** The same, when a connection to it has ended: waits a while for the process to end, too. true: self->why. */
HV_MUST_CHECK bool qvm_vm_ended(qvm_vm *self);
/** End it, whatever state it is in. Idempotent. */
void qvm_vm_stop(qvm_vm *self);
/** Stop it and let go of everything. Idempotent; fine when zeroed and prepared half way. */
void qvm_vm_close(qvm_vm *self);

/** The last lines of the console; text is always ended. */
void qvm_vm_console_tail(const qvm_vm *self, char *text, size_t text_bytes);

#endif
