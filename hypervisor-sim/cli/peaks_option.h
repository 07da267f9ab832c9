/* SPDX-License-Identifier: MIT
 *
 * Option --peaks of scenarios with several VMs: do they need their memory one after the other, or all at once? */
#ifndef HV_PEAKS_OPTION_H
#define HV_PEAKS_OPTION_H

#include <argp.h>
#include <stdbool.h>

enum { HV_PEAKS_STAGGERED, HV_PEAKS_TOGETHER, HV_N_PEAKS };

/** "staggered", "together". */
extern const char *const hv_peaks[HV_N_PEAKS];

/** The value of --peaks: one of hv_peaks, or "both". Ends the program with a usage error. @return text */
const char *hv_peaks_option(const struct argp_state *state, const char *text);
/** Is this one among those asked for? */
bool hv_peaks_wants(const char *option, const char *peaks);

#endif
