/* SPDX-License-Identifier: MIT
 *
 * none, host half: what every comparison is against. A pass takes nothing. */
#include "techniques/none/none.h"

static hv_err none_pass(hv_host *host, uint64_t *moved_bytes)
{
	(void)host;
	*moved_bytes = 0;
	return HV_OK;
}

static const hv_host_half none_host = { .pass = none_pass };

const hv_technique hv_technique_none = {
	.name = "none",
	.summary = "takes nothing back: memory that was touched once stays",
	.allocator = "buddy",
	.automatic = true,
	.dma_safe = true,
	.discard = "no call at all",
	.period_ns = UINT64_C(5000000000),
	.guest = &hv_none_guest,
	.host = &none_host,
};
