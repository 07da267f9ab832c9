/* SPDX-License-Identifier: MIT
 *
 * The registry of techniques; see hv_technique.h. */
#include "techniques/hv_technique.h"

#include <string.h>

const hv_technique *hv_technique_find(const char *name)
{
	for (const hv_technique *const *each = hv_techniques; *each != NULL; each++)
		if (strcmp((*each)->name, name) == 0)
			return *each;
	return NULL;
}
