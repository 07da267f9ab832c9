/* SPDX-License-Identifier: MIT
 *
 * The host's side of free page reporting: discards the blocks that the guest lends, each by a call of its own. They are
 * the guest's again when the element is used, and memory comes back when the guest touches it. */
#ifndef HV_REPORT_DEVICE_H
#define HV_REPORT_DEVICE_H

#include "host/channel_service.h"

/* As in hv_host_half. */
HV_MUST_CHECK hv_err hv_report_element(hv_channel_service *self, unsigned ring_idx, const hv_ring_element *element,
				       uint32_t *written_bytes);
HV_MUST_CHECK hv_err hv_report_pass(hv_host *host, uint64_t *moved_bytes);
uint64_t hv_report_pass_ns(const hv_host *host, uint64_t *wait_ns);

#endif
