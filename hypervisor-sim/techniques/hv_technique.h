/* SPDX-License-Identifier: MIT
 *
 * A technique: one way to take memory back from a VM and give it again. One folder techniques/NAME/ with a guest half
 * and a host half, which meet only through transport/ and the shared region, and one descriptor hv_technique_NAME; the
 * build collects them. */
#ifndef HV_TECHNIQUE_H
#define HV_TECHNIQUE_H

#include "guest/driver.h"
#include "host/channel_service.h"

/** What runs in the VM. */
typedef struct hv_guest_half {
	/** Prepare a vCPU before it runs; may be NULL. */
	hv_err (*attach)(hv_vcpu *vcpu);
	/** The driver: what its thread runs, until it is to end. NULL when the guest has none. */
	void (*drive)(hv_driver *driver);
	unsigned n_rings; /**< of the driver */
	bool reports;     /**< it reports free memory */
} hv_guest_half;

/** Put a guest half into a VM that does not run yet: its driver, and what each vCPU needs. @return as attach */
HV_MUST_CHECK hv_err hv_guest_half_attach(const hv_guest_half *half, hv_vm *vm, hv_channel *channel);

/** What runs in the monitor, on its one reclaiming thread. moved_bytes: what changed hands, also on error. */
typedef struct hv_host_half {
	/** Take memory until the guest has no more than the limit; HV_ERR_SHORT when it has not enough free.
	 *  NULL when the technique is automatic only. */
	hv_err (*shrink)(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes);
	/** Give memory again up to the limit; NULL as above. */
	hv_err (*grow)(hv_host *host, uint64_t limit_bytes, uint64_t *moved_bytes);
	/** One pass over what the guest does not use now; NULL when the technique acts on demand only. */
	hv_err (*pass)(hv_host *host, uint64_t *moved_bytes);
	/** How long the last pass worked, and how long the technique paused before and between its work, when the guest
	 *  decides when that is; NULL: it worked as long as the call. */
	uint64_t (*pass_ns)(const hv_host *host, uint64_t *wait_ns);
	/** Serve an element of the driver's rings, on the channel's thread; NULL when there is no driver. */
	hv_element_fn element;
} hv_host_half;

typedef struct hv_technique {
	const char *name, *summary;
	const char *allocator; /**< the guest allocator it runs on */
	uint64_t grain_bytes;  /**< what it moves at once; 0 = it never moves anything */
	bool automatic;        /**< acts by itself, by a policy; else it is given a limit */
	bool dma_safe;         /**< a device never sees memory that the CPU does not */
	bool batches;          /**< its discards go through the host's batch: one call each can be compared */
	bool shared_state;     /**< it needs a guest allocator whose state the host can read and write */
	const char *discard;   /**< how it discards, when not in batches; NULL = as the host does */
	uint64_t period_ns;    /**< automatic: its usual period */
	const hv_guest_half *guest;
	const hv_host_half *host;
} hv_technique;

/** All techniques, ended by NULL; collected by the build. */
extern const hv_technique *const hv_techniques[];
/** @return NULL when unknown */
const hv_technique *hv_technique_find(const char *name);

#endif
