/* SPDX-License-Identifier: MIT
 *
 * llfree-manual, guest half: all it knows of the host is the install call. Frames that the host took are frames that
 * somebody else has allocated; frames that it returned ask for an install when they are next allocated. */
#include "techniques/llfree-manual/llfree_manual.h"

static hv_err manual_attach(hv_vcpu *vcpu)
{
	llfree_set_install(&vcpu->view, hv_port_install, &vcpu->port);
	return HV_OK;
}

const hv_guest_half hv_llfree_manual_guest = { .attach = manual_attach };
