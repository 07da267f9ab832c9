/* SPDX-License-Identifier: MIT
 *
 * Techniques by name. */
#include "techniques/qvm_technique.h"

#include <string.h>

const qvm_technique *qvm_technique_find(const char *name)
{
	for (const qvm_technique *const *each = qvm_techniques; *each != NULL; each++)
		if (strcmp((*each)->technique->name, name) == 0)
			return *each;
	return NULL;
}
