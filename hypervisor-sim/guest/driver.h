/* SPDX-License-Identifier: MIT
 *
 * A driver in the guest: one kernel thread with its rings and its end of a channel. Rings and request buffers lie in
 * fixed frames of guest memory, allocated like any other. What the driver does is the technique's: its run function
 * waits for the host or for a time, and sends requests; a request blocks until the host has used it. */
#ifndef HV_DRIVER_H
#define HV_DRIVER_H

#include "guest/hv_vm.h"
#include "transport/channel.h"
#include "transport/ring.h"

typedef struct hv_driver {
	hv_vm *vm;
	hv_channel *channel;
	hv_ring_guest rings[HV_CHANNEL_RINGS_MAX];
	unsigned n_rings;
	uint64_t buffer_address; /**< one frame of guest memory */
	uint64_t *frames;        /**< what a balloon holds, the latest last; room for all frames */
	size_t n_frames;
	void (*run)(struct hv_driver *driver);
	pthread_t thread;
	int stop_bell, wake_bell;
	bool running;
	_Atomic bool waits; /**< for the host or for a time: what it looks at next is newer than this */
} hv_driver;

/** Put the driver of a technique into the VM: vm->driver; it runs at once. The channel outlives it.
 *  @return HV_OK; HV_ERR_SYSTEM; HV_ERR_SHORT no memory for its rings */
HV_MUST_CHECK hv_err hv_driver_create(hv_vm *vm, hv_channel *channel, unsigned n_rings, void (*run)(hv_driver *driver));
/** End the thread; a request that the host has not answered ends with it. Idempotent. */
void hv_driver_stop(hv_driver *self);
/** Wait until the driver has nothing to do any more; the host asks for nothing meanwhile.
 *  @return false: it was still at work after ten seconds */
HV_MUST_CHECK bool hv_driver_rest(hv_driver *self);
/** NULL is fine. */
void hv_driver_destroy(hv_driver *self);

/* For run functions. */

/** Send one element and wait until the host has used it. @return false: the driver is to end */
HV_MUST_CHECK bool hv_driver_request(hv_driver *self, unsigned ring_idx, const hv_ring_segment *segments,
				     unsigned n_read, unsigned n_write);
/** Wait until the host changes a register, or the driver is woken. @return false: the driver is to end */
HV_MUST_CHECK bool hv_driver_wait(hv_driver *self);
/** Have it look again; any thread of the guest. */
void hv_driver_wake(hv_driver *self);
/** @return false: the driver is to end */
HV_MUST_CHECK bool hv_driver_sleep(hv_driver *self, uint64_t ns);
/** The target, and its number. @return false when it is the one that is settled already */
HV_MUST_CHECK bool hv_driver_target(const hv_driver *self, uint64_t *bytes, uint32_t *number);
/** Tell the host that this target is done with. */
void hv_driver_settle(hv_driver *self, uint32_t number);
/** The buffer, as words. */
uint32_t *hv_driver_buffer(const hv_driver *self);
/** Allocate and free for the driver. */
HV_MUST_CHECK bool hv_driver_get(hv_driver *self, unsigned order, uint64_t *frame);
void hv_driver_put(hv_driver *self, unsigned order, uint64_t frame);

#endif
