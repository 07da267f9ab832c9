/* SPDX-License-Identifier: MIT
 *
 * Techniques by name, and what they are. */
#include "techniques/qvm_technique.h"

#include <string.h>

const qvm_technique *qvm_technique_find(const char *name)
{
	for (const qvm_technique *const *each = qvm_techniques; *each != NULL; each++)
		if (strcmp((*each)->technique->name, name) == 0)
			return *each;
	return NULL;
}

/* What a device does by itself the monitor can only watch: such a technique tells how long its passes took. */
bool qvm_technique_driven(const qvm_technique *self)
{
	const hv_host_half *half = self->technique->host;
	return self->technique->grain_bytes != 0 && self->technique->automatic && half->pass != NULL &&
	       half->pass_ns == NULL;
}
