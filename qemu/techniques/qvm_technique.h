/* SPDX-License-Identifier: MIT
 *
 * A technique with a real VM: what QEMU and the guest need for it, around the hv_technique that the monitor drives. One
 * file techniques/qvm_NAME.c with one descriptor qvm_technique_NAME; the build collects them. A host half gets its
 * hv_host as ever; qvm_rig_of() leads from it to the VM, its QMP and its agent. */
#ifndef QVM_TECHNIQUE_H
#define QVM_TECHNIQUE_H

#include "rig/qvm_rig.h"
#include "techniques/hv_technique.h"
#include "vm/qvm_cpu_time.h"

typedef struct qvm_technique {
	const hv_technique *technique; /**< name, summary, grain, host half */
	/** A device in QEMU's list that it needs, such as virtio-mem-pci; NULL = none. */
	const char *device;
	/** What is resized is the memory behind /dev/llfree; else the guest's RAM. */
	bool device_frames;
	/** QEMU can pass a device through beside it (--vfio). */
	bool vfio;
	/** Before anything is made: change what is usual, such as ram_bytes. May be NULL. */
	void (*configure)(const qvm_rig *rig, qvm_vm_config *config);
	/** Before QEMU starts: make what it needs, add arguments to rig->vm.args. May be NULL.
	 *  @return HV_OK; else rig->why says what failed */
	hv_err (*prepare)(qvm_rig *rig);
	/** The guest is up and its agent answers: load modules, set up rig->host if it is to be more than guest RAM.
	 *  May be NULL. @return as above */
	hv_err (*attach)(qvm_rig *rig);
	/** What the guest uses, for policies; its context is the rig. NULL = nobody tells. */
	hv_guest_numbers_fn guest_numbers;
	/** CPU time of QEMU in the last pass, of a technique that pauses within passes: without its pauses. NULL = that
	 * of the whole pass. */
	qvm_cpu_time (*pass_cpu)(const qvm_rig *rig);
	/** The VM is about to be stopped, and has been stopped: let go of what prepare and attach made. Either may be
	 *  NULL; both also after a start that failed half way, so they must bear that. */
	void (*leave)(qvm_rig *rig);
	void (*detach)(qvm_rig *rig);
} qvm_technique;

/** All techniques, ended by NULL; collected by the build. */
extern const qvm_technique *const qvm_techniques[];
/** @return NULL when unknown */
const qvm_technique *qvm_technique_find(const char *name);
/** Does the monitor make its passes, and so a policy say when? Those of QEMU's devices begin by themselves. */
bool qvm_technique_driven(const qvm_technique *self);

#endif
