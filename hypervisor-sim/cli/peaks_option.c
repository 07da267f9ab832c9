/* SPDX-License-Identifier: MIT
 *
 * Option --peaks; see peaks_option.h. */
#define _GNU_SOURCE
#include "cli/peaks_option.h"

#include <string.h>

static const char both[] = "both";

const char *const hv_peaks[HV_N_PEAKS] = { "staggered", "together" };

const char *hv_peaks_option(const struct argp_state *state, const char *text)
{
	bool known = false;
	for (size_t at = 0; at < HV_N_PEAKS; at++)
		known = known || hv_peaks_wants(text, hv_peaks[at]);
	if (!known)
		argp_error(state, "--peaks is '%s'; allowed: %s, %s, %s", text, hv_peaks[0], hv_peaks[1], both);
	return text;
}

bool hv_peaks_wants(const char *option, const char *peaks)
{
	return strcmp(option, both) == 0 || strcmp(option, peaks) == 0;
}
