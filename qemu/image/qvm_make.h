/* SPDX-License-Identifier: MIT
 *
 * The scripts of this folder that make what a guest needs and keep it in a cache: their last line names what they made.
 */
#ifndef QVM_MAKE_H
#define QVM_MAKE_H

#include "vm/qvm_args.h"

/** Begin the command line of a script of ours, by name. */
void qvm_make_begin(qvm_args *args, const char *script);
/** Run it to its end, and clear args. @param verbose  show on stderr what it does  @param line  its last line; on error
 *  all that it said, for people  @return HV_OK; HV_ERR_UNAVAILABLE */
HV_MUST_CHECK hv_err qvm_make_run(qvm_args *args, bool verbose, char *line, size_t line_bytes);

#endif
