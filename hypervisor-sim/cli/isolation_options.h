/* SPDX-License-Identifier: MIT
 *
 * --isolation, of the scenarios that can run a guest in a process of its own, and what it means for the backing. */
#ifndef HV_ISOLATION_OPTIONS_H
#define HV_ISOLATION_OPTIONS_H

#include "cli/hv_options.h"
#include "rig/hv_rig.h"

typedef struct hv_isolation_options {
	hv_isolation isolation;
	hv_options *common;  /**< set before parsing */
	bool backing_chosen; /**< by this, since none was named */
} hv_isolation_options;

/** Child parser; its input is an hv_isolation_options. */
extern const struct argp hv_isolation_argp;

/** After hv_options_check(): processes share memory as a file only. Chooses a backing when none was named; a private
 *  one is a usage error. */
void hv_isolation_check(hv_isolation_options *options, const struct argp_state *state);
/** Does this backing go with it? */
bool hv_isolation_allows(const hv_isolation_options *options, const hv_backing *backing);
/** "thread" or "process" */
const char *hv_isolation_text(hv_isolation isolation);
/** What a row says of it; NULL = nothing. */
const char *hv_isolation_note(const hv_isolation_options *options);

#endif
