/* SPDX-License-Identifier: MIT
 *
 * none: a VM of which nothing is taken. What every comparison is against. */
#include "techniques/none/none.h"
#include "techniques/qvm_technique.h"

extern const hv_technique hv_technique_none;

const qvm_technique qvm_technique_none = { .technique = &hv_technique_none, .vfio = true };
