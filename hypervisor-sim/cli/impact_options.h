/* SPDX-License-Identifier: MIT
 *
 * Options of scenarios that measure what a guest feels of resizes. */
#ifndef HV_IMPACT_OPTIONS_H
#define HV_IMPACT_OPTIONS_H

#include "cli/hv_session.h"
#include "cli/impact_command.h"
#include "cli/impact_timing.h"

typedef struct hv_impact_options {
	hv_options common;
	const hv_impact_spec *spec;
	hv_impact_timing timing;
	bool floating;
} hv_impact_options;

/** Child parser; its input is an hv_impact_options. It has the common options as its own child. */
extern const struct argp hv_impact_argp;
hv_impact_options hv_impact_options_default(const hv_impact_spec *spec);
/** The run of one technique. */
hv_impact_config hv_impact_options_config(const hv_impact_options *options, const hv_technique *technique,
					  const hv_guest_allocator *allocator, const hv_backing *backing);
void hv_impact_parameters(cJSON *object, const hv_impact_options *options);

#endif
