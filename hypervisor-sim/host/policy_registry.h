/* SPDX-License-Identifier: MIT
 *
 * The policies that are known: those of this tree, collected by the build, and plug-ins. */
#ifndef HV_POLICY_REGISTRY_H
#define HV_POLICY_REGISTRY_H

#include "base/hv_base.h"
#include "host/hv_policy.h"

/** All policies of this tree, ended by NULL. */
extern const hv_policy *const hv_policies[];
/** @return NULL when unknown */
const hv_policy *hv_policy_find(const char *name);
/** A policy from a shared object, which stays loaded. @return NULL with the reason in why */
const hv_policy *hv_policy_load(const char *path, char *why, size_t why_bytes);

#endif
