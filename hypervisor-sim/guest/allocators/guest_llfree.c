/* SPDX-License-Identifier: MIT
 *
 * Guest allocator: llfree, through each vCPU's own view of the region. Single frames are movable, huge ones have a
 * class of their own. */
#include "guest/hv_vm.h"

static llfree_request request_of(const hv_vcpu *vcpu, unsigned order)
{
	return (llfree_request){ .cpu = vcpu->cpu_idx,
				 .order = (uint8_t)order,
				 .class_idx = order >= LLFREE_HUGE_ORDER ? LLFREE_CLASS_HUGE : LLFREE_CLASS_MOVABLE };
}

static llfree_err guest_llfree_get(hv_vcpu *vcpu, unsigned order, uint64_t *frame)
{
	return llfree_get(&vcpu->view, request_of(vcpu, order), frame);
}

static llfree_err guest_llfree_put(hv_vcpu *vcpu, unsigned order, uint64_t frame)
{
	return llfree_put(&vcpu->view, request_of(vcpu, order), frame);
}

static void guest_llfree_drain(hv_vm *vm)
{
	llfree_drain_all(&vm->arena.allocator);
}

const hv_guest_allocator hv_guest_allocator_guest_llfree = {
	.name = "llfree",
	.summary = "LLFree: the shared region that the host reads and writes too",
	.get = guest_llfree_get,
	.put = guest_llfree_put,
	.drain = guest_llfree_drain,
};
