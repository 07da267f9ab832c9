/* SPDX-License-Identifier: MIT
 *
 * Plug-ins that must be refused: the build makes one shared object of this file for each mistake. */
#define HV_POLICY_EXPORT
#include "hv_policy.h"

#ifndef T_ABI
#define T_ABI HV_POLICY_ABI
#endif
#ifndef T_NEEDS
#define T_NEEDS 0
#endif
#ifndef T_NAME
#define T_NAME "bad"
#endif

#ifdef T_WITHOUT_SYMBOL
extern const int hv_policy_other;
const int hv_policy_other = 1;
#else
#ifndef T_WITHOUT_DECIDE
static hv_policy_decision decide(const hv_policy_input *input, hv_policy_state *state)
{
	(void)input;
	(void)state;
	return hv_policy_wait(1);
}
#endif

const hv_policy hv_policy_plugin = {
	.abi = T_ABI,
	.needs = T_NEEDS,
	.name = T_NAME,
	.summary = "to be refused",
#ifndef T_WITHOUT_DECIDE
	.decide = decide,
#endif
};
#endif
