/* SPDX-License-Identifier: MIT
 *
 * The registry of techniques, and how a guest half comes into a VM; see hv_technique.h. */
#include "techniques/hv_technique.h"

#include <string.h>

const hv_technique *hv_technique_find(const char *name)
{
	for (const hv_technique *const *each = hv_techniques; *each != NULL; each++)
		if (strcmp((*each)->name, name) == 0)
			return *each;
	return NULL;
}

hv_err hv_guest_half_attach(const hv_guest_half *half, hv_vm *vm, hv_channel *channel)
{
	hv_err err = HV_OK;
	if (half->drive != NULL)
		err = hv_driver_create(vm, channel, half->n_rings, half->drive);
	for (uint32_t idx = 0; err == HV_OK && half->attach != NULL && idx < vm->config.n_vcpus; idx++)
		err = half->attach(&vm->vcpus[idx]);
	return err;
}
