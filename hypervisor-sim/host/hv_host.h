/* SPDX-License-Identifier: MIT
 *
 * The host of one VM: its view of the shared allocator state, its record R, its memory. The transitions of a huge
 * frame, each in the order that keeps H1 and H3. It decides by R and never by guest words alone; what the library's
 * host functions call corrupt, or an index out of range, stops the VM (H4): from then on every call fails with
 * HV_ERR_GUEST, and memory stays as it is. May include memory/ and the library's public headers. */
#ifndef HV_HOST_H
#define HV_HOST_H

#include "host/batch.h"
#include "host/hv_device.h"

#include <llfree/host.h>

typedef struct hv_host_counters {
	_Atomic uint64_t soft, hard, returned, installed; /**< huge frames that made the transition */
	_Atomic uint64_t withdrawn;                       /**< installs that took their frame out of an open batch */
	_Atomic uint64_t refused;                         /**< install requests turned down */
	_Atomic uint64_t discarded;                       /**< huge frames discarded */
	_Atomic uint64_t discard_calls;
	_Atomic uint64_t discard_failures;
	_Atomic uint64_t messages; /**< from and to the guest: elements of rings, targets, requests to install */
	_Atomic uint64_t unmapped, mapped; /**< huge frames, of a device that follows moves */
	_Atomic uint64_t memory_ns;        /**< in calls that discard, populate, unmap or map, all threads together */
} hv_host_counters;

typedef struct hv_host_config {
	llfree_t view;     /**< attached to the guest's region; copied */
	bool without_view; /**< the guest shares no allocator: it hands memory over by a driver */
	hv_memory memory;  /**< the guest's memory; copied */
	hv_discard_way discard;
	uint32_t batch_huge; /**< huge frames discarded together, 1..HV_DISCARD_MAX */
} hv_host_config;

typedef struct hv_host {
	const char *name; /**< of the VM, for messages; NULL = it has none */
	llfree_t view;
	hv_memory memory;
	hv_frames frames;
	hv_batch batch;
	hv_discarder discarder;
	uint32_t batch_huge;
	const hv_device *device; /**< follows every move of memory; NULL = none, or one that keeps all it has pinned */
	struct hv_channel_service *channel; /**< of a technique whose guest has a driver; NULL = none */
	_Atomic(const char *) fault;        /**< why the VM was stopped; NULL = it runs */
	_Atomic(const char *) gone;         /**< the same text, when the guest has ended by itself */
	hv_host_counters counters;
} hv_host;

/** All frames of the guest are installed. @return HV_OK; HV_ERR_INVAL; HV_ERR_SYSTEM; HV_ERR_GUEST the region describes
 *  another size of memory */
HV_MUST_CHECK hv_err hv_host_open(hv_host *self, const hv_host_config *config);
void hv_host_close(hv_host *self);
/** Change how discards are made, and how many at once. Between reclaims only. */
void hv_host_set_discard(hv_host *self, hv_discard_way way, uint32_t batch_huge);

/** Have a device unmap before discards and map at installs. Before the guest runs; the device outlives the host. */
void hv_host_set_device(hv_host *self, const hv_device *device);

/** Memory that is mapped here from a file that another process has, too: when that process shrinks the file, this VM is
 *  stopped, and the host goes on. A sealed file can't shrink: nothing to do. Until hv_bus_guard_remove(base), which
 * must come before the memory is unmapped and the host is gone. @return HV_OK; HV_ERR_UNAVAILABLE too many are guarded;
 *  HV_ERR_SYSTEM */
HV_MUST_CHECK hv_err hv_host_guard(hv_host *self, void *base, uint64_t bytes, int fd);

/* Memory itself (host_memory.c): every technique goes through these, for frames whose transition it owns. */

/** Huge frames go back to the kernel: DMA unmapped, in-flight transfers waited for, discarded. What fails is mapped
 *  again. huge_idx, failed: as hv_discard(). @return HV_OK; HV_ERR_DISCARD */
HV_MUST_CHECK hv_err hv_host_discard(hv_host *self, const uint64_t *huge_idx, size_t n_huge, bool *failed);
/** The same for a run of frames, by one call: huge frames if it consists of them, else single frames. Those a device
 *  keeps mapped, as it must for the techniques that discard them. Issues no batch. @return HV_OK; HV_ERR_DISCARD */
HV_MUST_CHECK hv_err hv_host_discard_range(hv_host *self, uint64_t first_frame, uint64_t n_frames);
/** Memory for a huge frame: populated, then DMA mapped. On error it has none. @return HV_OK; HV_ERR_SYSTEM */
HV_MUST_CHECK hv_err hv_host_populate(hv_host *self, uint64_t huge_idx);

/** Stop this VM; the first reason stays. */
void hv_host_stop_vm(hv_host *self, const char *why);
/** Stop it because there is no guest any more: commands end with HV_ERR_GONE. */
void hv_host_guest_gone(hv_host *self, const char *why);
/** @return HV_OK it runs; HV_ERR_GUEST; HV_ERR_GONE */
HV_MUST_CHECK hv_err hv_host_verdict(const hv_host *self);
/** @return why the VM was stopped; NULL = it runs */
const char *hv_host_fault(const hv_host *self);
/** The same for people: which VM was stopped, and why. @return text */
const char *hv_host_fault_text(const hv_host *self, char *text, size_t text_bytes);

/* Reclaims and returns: one thread at a time. Installs: any threads, beside it. */

/** Soft reclaim: installed -> busy -> soft, with the discard still to be issued. *done tells whether it was
 *  reclaimable. Issues the batch when it is full. @return HV_OK; HV_ERR_GUEST; HV_ERR_DISCARD */
HV_MUST_CHECK hv_err hv_host_soft(hv_host *self, uint64_t huge_idx, bool *done);
/** Hard reclaim: installed -> busy -> hard with a discard; soft -> hard without. Otherwise as hv_host_soft(). */
HV_MUST_CHECK hv_err hv_host_hard(hv_host *self, uint64_t huge_idx, bool *done);
/** Discard what is waiting. A frame that the kernel refuses to discard goes back to the guest, installed.
 *  @return HV_OK; HV_ERR_DISCARD */
HV_MUST_CHECK hv_err hv_host_issue(hv_host *self);
/** Return: hard -> soft; no memory moves. *done as above. @return HV_OK; HV_ERR_GUEST */
HV_MUST_CHECK hv_err hv_host_return(hv_host *self, uint64_t huge_idx, bool *done);

typedef enum hv_install_result {
	HV_INSTALL_DONE,    /**< memory is there and E is 0 */
	HV_INSTALL_REFUSED, /**< not the guest's to use, the VM is stopped, or the host is out of memory */
	HV_INSTALL_AGAIN    /**< being discarded: ask again when that is over */
} hv_install_result;

/** Install: soft -> installed with memory populated, E last; a frame in an open batch is taken out of it. Never waits.
 */
HV_MUST_CHECK hv_install_result hv_host_install(hv_host *self, uint64_t huge_idx);

#endif
