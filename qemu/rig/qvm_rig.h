/* SPDX-License-Identifier: MIT
 *
 * A VM with a technique and the monitor that drives it: what scenarios start, resize and stop. The monitor is the one
 * of hvsim (host/monitor.h): hv_monitor_do(&rig->monitor, HV_COMMAND_SHRINK, bytes). */
#ifndef QVM_RIG_H
#define QVM_RIG_H

#include "agent/qvm_agent.h"
#include "cli/qvm_options.h"
#include "host/monitor.h"
#include "rig/qvm_watch.h"
#include "vm/qvm_vm.h"

enum { QVM_RIG_FILES_MAX = 8 };

struct qvm_rig;
struct qvm_technique;

typedef struct qvm_rig_config {
	const char *name; /**< of the VM, in messages and console files; NULL = the technique's */
	const struct qvm_technique *technique;
	const hv_policy *policy; /**< of automatic techniques; NULL = none */
	const hv_policy_setup *policy_setup;
	uint64_t period_ns;    /**< 0 = the technique's usual one */
	uint64_t memory_bytes; /**< that the technique resizes; 0 = as in options */
	uint64_t ram_bytes;    /**< of the guest at boot; 0 = as the technique wants */
	bool bare_memory;      /**< as in qvm_vm_config */
	const char *append;    /**< more of the kernel's command line, besides --append */
	const char *overlay;   /**< a folder to be added to the initramfs; NULL = none */
	const char *disk;      /**< as in qvm_vm_config; the image then has the modules to mount it */
	/** Last before QEMU starts: add arguments to rig->vm.args. May be NULL. */
	hv_err (*prepare)(struct qvm_rig *rig);
	void *context; /**< the scenario's own */
} qvm_rig_config;

typedef struct qvm_rig {
	qvm_rig_config config;
	const qvm_options *options;
	const struct qvm_technique *technique;
	qvm_image image;
	qvm_vm vm;
	qvm_agent agent;
	pthread_mutex_t agent_lock; /**< of the agent: the monitor's thread and the scenario's ask */
	hv_host host;               /**< of guest RAM, unless the technique's attach() makes it another */
	hv_monitor monitor;
	qvm_watch watch; /**< tells the host when QEMU has ended */
	bool monitor_on;
	int files[QVM_RIG_FILES_MAX]; /**< every file that holds the VM's memory, RAM first */
	size_t n_files;
	void *own;     /**< the technique's */
	char why[500]; /**< what failed, for people */
} qvm_rig;

/** From the host that a host half is given to the VM. */
static inline qvm_rig *qvm_rig_of(hv_host *host)
{
	return (qvm_rig *)((char *)host - offsetof(qvm_rig, host));
}

/** Boot the VM, wait for its agent, load modules, start the monitor. On error rig->why; qvm_rig_stop() is still to be
 *  called. @return HV_OK; HV_ERR_UNAVAILABLE this machine lacks something: a row to skip; others: a failure */
HV_MUST_CHECK hv_err qvm_rig_start(qvm_rig *self, const qvm_options *options, const qvm_rig_config *config);
/** Stop all of it; afterwards no process, socket or memory of it is left. Idempotent. */
void qvm_rig_stop(qvm_rig *self);

/** Ask the guest; any thread. @param arguments  freed here; NULL = none  @param answer  the caller's to delete; may be
 *  NULL  @return as qvm_agent_call(), or HV_ERR_INTERRUPTED: the user interrupted the run and the guest is not done,
 *  which is no fault; rig->why says what failed */
HV_MUST_CHECK hv_err qvm_rig_ask(qvm_rig *self, const char *verb, cJSON *arguments, uint64_t timeout_ns,
				 cJSON **answer);
/** Ask for what takes long; others may ask meanwhile. @return for qvm_rig_answered(); 0: rig->why */
HV_MUST_CHECK uint64_t qvm_rig_begin(qvm_rig *self, const char *verb, cJSON *arguments);
/** Has it answered? Hardly waits. @return as qvm_agent_wait(); HV_ERR_TIMEOUT: not yet */
HV_MUST_CHECK hv_err qvm_rig_answered(qvm_rig *self, uint64_t id, cJSON **answer);
/** Start a job in the guest, and ask it; as above. */
HV_MUST_CHECK hv_err qvm_rig_spawn(qvm_rig *self, const char *kind, uint64_t *job);
HV_MUST_CHECK hv_err qvm_rig_ask_job(qvm_rig *self, uint64_t job, const char *verb, cJSON *arguments,
				     uint64_t timeout_ns, cJSON **answer);
/** Load one of the image's modules. */
HV_MUST_CHECK hv_err qvm_rig_modprobe(qvm_rig *self, const char *name, const char *parameters);
/** What the guest could still allocate: MemAvailable. 0 when it does not say. */
uint64_t qvm_rig_available(qvm_rig *self);

/** Count this file as memory of the VM (kept open by the caller). */
void qvm_rig_file(qvm_rig *self, int fd);
/** What all of its files hold, by st_blocks. */
uint64_t qvm_rig_resident(const qvm_rig *self);
/** The backing of its files, for results: "tmpfs-huge". */
const char *qvm_rig_backing(const qvm_rig *self);

#endif
