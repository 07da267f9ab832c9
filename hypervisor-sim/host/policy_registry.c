/* SPDX-License-Identifier: MIT
 *
 * Policies by name and from shared objects; see policy_registry.h. A table is checked as far as it can be before it is
 * used: a plug-in runs with all rights of this process. */
#include "host/policy_registry.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { NEEDS_ALL = HV_POLICY_NEEDS_TARGET * 2 - 1 };

const hv_policy *hv_policy_find(const char *name)
{
	for (const hv_policy *const *each = hv_policies; *each != NULL; each++)
		if (strcmp((*each)->name, name) == 0)
			return *each;
	return NULL;
}

static bool name_is_plain(const char *name)
{
	size_t chars = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_");
	return chars > 0 && chars <= 32 && name[chars] == '\0';
}

const hv_policy *hv_policy_load(const char *path, char *why, size_t why_bytes)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (object == NULL) {
		snprintf(why, why_bytes, "%s", dlerror());
		return NULL;
	}
	const hv_policy *policy = dlsym(object, "hv_policy_plugin");
	if (policy == NULL)
		snprintf(why, why_bytes, "no symbol hv_policy_plugin (an hv_policy, see hv_policy.h)");
	else if (policy->abi != HV_POLICY_ABI)
		snprintf(why, why_bytes, "its table is of version %u; this program reads %d", policy->abi,
			 HV_POLICY_ABI);
	else if (policy->name == NULL || policy->summary == NULL || policy->decide == NULL)
		snprintf(why, why_bytes, "name, summary and decide must be set");
	else if (!name_is_plain(policy->name))
		snprintf(why, why_bytes, "its name; allowed: 1 to 32 letters, digits, '-' and '_'");
	else if ((policy->needs & ~(uint32_t)NEEDS_ALL) != 0)
		snprintf(why, why_bytes, "it needs what this program does not know (needs 0x%x)", policy->needs);
	else
		return policy;
	dlclose(object);
	return NULL;
}
