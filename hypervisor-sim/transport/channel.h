/* SPDX-License-Identifier: MIT
 *
 * A channel: everything that a driver in the guest and its host share besides guest memory: a page of registers (the
 * configuration space of a virtio device) and doorbells, which are event counters (eventfd): one to the host and one
 * to the guest for each ring, one each way for the registers. No pointers in the page; each side reads what the other
 * wrote as a number to be checked. A counter can be filled up, and whether an access to it blocks is a property of all
 * who share it, which none of them can find out in time: so the host never writes one that the guest has, nor reads it,
 * but has an ear for it. */
#ifndef HV_CHANNEL_H
#define HV_CHANNEL_H

#include "base/hv_base.h"

enum { HV_CHANNEL_RINGS_MAX = 2, HV_CHANNEL_RING_SIZE = 128 };
enum { HV_CHANNEL_FDS = 1 + 2 * HV_CHANNEL_RINGS_MAX + 2 /**< what the guest has of a channel */ };

typedef struct hv_channel_registers {
	/* written by the host */
	_Atomic uint64_t target_bytes;  /**< what the guest shall hand over (balloon) or keep (virtio-mem) */
	_Atomic uint32_t target_number; /**< a new one for each target */
	_Atomic uint32_t reporting;     /**< 1 = the host wants reports of free memory */
	/* written by the guest */
	_Atomic uint32_t settled_number; /**< of the target that the guest is done with, reached or not */
	_Atomic uint32_t pass_number;    /**< of reports: odd while a pass runs */
	_Atomic uint32_t ready;          /**< 1 = the rings stand */
	struct {
		_Atomic uint64_t address;
		_Atomic uint32_t size;
	} rings[HV_CHANNEL_RINGS_MAX];
} hv_channel_registers;

typedef struct hv_channel {
	hv_channel_registers *registers;
	int registers_fd;
	/* bells that the guest rings, for each ring and for the registers */
	int to_host[HV_CHANNEL_RINGS_MAX], changed_by_guest;
	/* bells that the host rings; no other process has them: -1 */
	int to_guest[HV_CHANNEL_RINGS_MAX], changed_by_host;
	/* the guest's ears for them */
	int from_host[HV_CHANNEL_RINGS_MAX], changes_from_host;
} hv_channel;

/** @return HV_OK; HV_ERR_SYSTEM (nothing stays behind) */
HV_MUST_CHECK hv_err hv_channel_create(hv_channel *self);
/** The other end, in another process, from descriptors that came from there; they are the channel's from now on.
 *  @return HV_OK; HV_ERR_SYSTEM (they are closed) */
HV_MUST_CHECK hv_err hv_channel_open(hv_channel *self, const int fds[HV_CHANNEL_FDS]);
/** What the guest has of it, in the order of hv_channel_open(); they stay the channel's. */
void hv_channel_fds(const hv_channel *self, int fds[HV_CHANNEL_FDS]);
/** Nobody in this process may use it any more. Idempotent. */
void hv_channel_destroy(hv_channel *self);

/** A doorbell that works by itself, for stopping a thread. @return -1 on error */
int hv_bell_create(void);
void hv_bell_ring(int bell);
/** Forget the rings so far of a bell that no other process has: it waits where one took O_NONBLOCK away. */
void hv_bell_clear(int bell);
/** The same for a bell that others have. Never blocks: where that can't be had (kernels before 5.8, qemu-user) it does
 *  nothing. Good for a counter that is full; who must hear the bell has an ear. */
void hv_bell_empty(int bell);
/** Wait until a bell that no other process has rang, and clear it. A ring of stop ends the wait too, and is not
 * cleared.
 *  @return false when stop has rung, or after timeout_ns */
HV_MUST_CHECK bool hv_bell_wait(int bell, int stop, uint64_t timeout_ns);

/** A way to hear a bell without reading its counter: who has an ear can neither ring the bell, nor fill it up, nor make
 *  the ringer wait; and whatever others make of the bell, listening to it does not block. An ear is ready for poll()
 * when its bell has rung since it was last cleared. @return -1 on error */
int hv_ear_create(int bell);
/** Forget the rings so far. Never blocks. */
void hv_ear_clear(int ear);
#define HV_EAR_FOREVER UINT64_MAX
/** Wait until the ear's bell has rung since this was last asked, or a bell that no other process has (-1: there is none
 *  of it), and forget it. @return false when stop has rung, or after timeout_ns */
HV_MUST_CHECK bool hv_ear_wait(int ear, int own_bell, int stop, uint64_t timeout_ns);

#endif
