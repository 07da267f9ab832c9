/* SPDX-License-Identifier: MIT
 *
 * The channel service: a host thread that serves the rings of one VM's driver, and the ledger of what the driver handed
 * over. Which element means what is the technique's: its element function is called here, one at a time. The monitor
 * sets a target and waits; how long depends on the guest, so the wait ends when no more memory changes hands, and in
 * any case after a time that grows with the memory: bells, elements and numbers alone keep nobody waiting. Nonsense in
 * a ring or an element stops the VM (H4): nothing is served or discarded any more. */
#ifndef HV_CHANNEL_SERVICE_H
#define HV_CHANNEL_SERVICE_H

#include "host/hv_host.h"
#include "host/ledger.h"
#include "transport/channel.h"
#include "transport/ring.h"

#include <pthread.h>

typedef struct hv_channel_service hv_channel_service;

/** Serve one element: discard, or give back, and note it. written_bytes: put into the element's segments to write.
 *  @return HV_OK; HV_ERR_GUEST the element is nonsense; HV_ERR_DISCARD memory stayed */
typedef hv_err (*hv_element_fn)(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element,
				uint32_t *written_bytes);

struct hv_channel_service {
	hv_host *host;
	hv_channel *channel;
	unsigned n_rings;
	hv_ring_memory ring_memory; /**< that rings and buffers lie in */
	hv_element_fn element;
	uint64_t timeout_ns;          /**< without memory that changes hands */
	uint64_t begin_timeout_ns;    /**< for a pass of reports to begin */
	_Atomic uint64_t block_bytes; /**< of virtio-mem; 2 MiB unless it is set */
	hv_ring_host rings[HV_CHANNEL_RINGS_MAX];
	bool rings_open;
	hv_ledger ledger;
	pthread_t thread;
	int stop_bell;
	int change_ear, ring_ears[HV_CHANNEL_RINGS_MAX]; /**< for the bells that the guest has */
	bool running;
	_Atomic uint64_t n_served; /**< elements, and looks at the registers */
	_Atomic bool stopping;
	/* the host's own: what stands in the registers may have been written by the guest */
	_Atomic uint64_t target_bytes;
	uint32_t target_number; /**< the monitor's thread alone */
	uint32_t pass_number;   /**< last seen; the service's thread alone */
	pthread_mutex_t lock;   /**< protects all below */
	pthread_cond_t changed;
	uint64_t pass_begin_ns, pass_end_ns; /**< of the pass of reports that runs, or the last */
	uint64_t pass_ns, pass_bytes;        /**< of the last pass that ended */
	uint64_t asked_ns;                   /**< when somebody began to wait for a pass */
	uint64_t n_passes;
	hv_err discard_err; /**< the first since it was last asked for */
	bool leaving;
};

/** host->channel becomes this service. @return HV_OK; HV_ERR_SYSTEM */
HV_MUST_CHECK hv_err hv_channel_service_start(hv_channel_service *self, hv_host *host, hv_channel *channel,
					      unsigned n_rings, hv_element_fn element);
/** The same with rings in other memory than the guest's own. */
HV_MUST_CHECK hv_err hv_channel_service_start_in(hv_channel_service *self, hv_host *host, hv_channel *channel,
						 unsigned n_rings, hv_element_fn element, hv_ring_memory ring_memory);
/** End all waits of the monitor, now and later: the VM goes away. */
void hv_channel_service_leave(hv_channel_service *self);
/** Ends the thread. Idempotent, also before a start when zeroed. */
void hv_channel_service_stop(hv_channel_service *self);

/* For host halves, on the monitor's thread. */

/** Tell the driver a new target, and wait until it is done with it.
 *  @return HV_OK (reached or not: the ledger tells); HV_ERR_GUEST; HV_ERR_DISCARD; HV_ERR_TIMEOUT */
HV_MUST_CHECK hv_err hv_channel_target(hv_channel_service *self, uint64_t target_bytes);
/** Want reports until the next pass of the guest has ended. When none begins in the time that a guest may take, there
 *  was nothing to report. @param bytes  discarded in that pass  @return HV_OK; HV_ERR_GUEST; HV_ERR_DISCARD;
 *  HV_ERR_TIMEOUT it began and did not end */
HV_MUST_CHECK hv_err hv_channel_pass(hv_channel_service *self, uint64_t *bytes);
/** From begin to end of the last pass that was waited for; 0 when there was none. wait_ns: until it began. */
uint64_t hv_channel_pass_ns(hv_channel_service *self, uint64_t *wait_ns);

/* For element functions, on the service's thread. */

/** Discard a run that the guest hands over, by one call, and note it as out. It must be in: else HV_ERR_GUEST. */
HV_MUST_CHECK hv_err hv_channel_take(hv_channel_service *self, uint64_t first_frame, uint64_t n_frames);
/** Discard a run that the guest lends: it gets it back when the element is used. */
HV_MUST_CHECK hv_err hv_channel_report(hv_channel_service *self, uint64_t first_frame, uint64_t n_frames);
/** Note a run as in again: memory comes back at touch. It must be out: else HV_ERR_GUEST. */
HV_MUST_CHECK hv_err hv_channel_give(hv_channel_service *self, uint64_t first_frame, uint64_t n_frames);

#endif
