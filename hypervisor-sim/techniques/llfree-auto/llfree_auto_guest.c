/* SPDX-License-Identifier: MIT
 *
 * llfree-auto, guest half: the install call. The guest keeps allocating what the host has evicted, and pays for it
 * when it does. */
#include "techniques/llfree-auto/llfree_auto.h"

static hv_err auto_attach(hv_vcpu *vcpu)
{
	llfree_set_install(&vcpu->view, hv_port_install, &vcpu->port);
	return HV_OK;
}

const hv_guest_half hv_llfree_auto_guest = { .attach = auto_attach };
