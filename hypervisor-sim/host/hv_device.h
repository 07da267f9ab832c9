/* SPDX-License-Identifier: MIT
 *
 * What the host asks of a device that reads and writes guest memory by itself: to let go of huge frames before their
 * memory goes, and to map them again before the guest gets them. A host has such a device only for techniques that are
 * DMA-safe; beside the others the device keeps all that it pinned at the start, as a passthrough device would. */
#ifndef HV_DEVICE_H
#define HV_DEVICE_H

#include "base/hv_base.h"

typedef struct hv_device {
	void *context;
	/** Unmap; returns when no transfer touches them any more. Frames that are not mapped are passed over.
	 *  @return HV_OK; HV_ERR_SYSTEM some may still be mapped */
	hv_err (*unmap)(void *context, const uint64_t *huge_idx, size_t n_huge);
	/** Pin the memory behind them and map it; what is mapped stays so. @return HV_OK; HV_ERR_SYSTEM not all are */
	hv_err (*map)(void *context, const uint64_t *huge_idx, size_t n_huge);
} hv_device;

#endif
