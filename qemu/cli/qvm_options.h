/* SPDX-License-Identifier: MIT
 *
 * The options that scenarios of real VMs share, as an argp child. What is wrong is said together with what is allowed;
 * usage errors end the program with 2 before anything is made. */
#ifndef QVM_OPTIONS_H
#define QVM_OPTIONS_H

#include "cli/hv_options.h"
#include "result/hv_result.h"
#include "vm/qvm_vm.h"

typedef struct qvm_options {
	const char *technique; /**< a name, names separated by commas, or "all" */
	const char *json;      /**< NULL = none */
	const char *backing;   /**< of memory files; NULL = the best */
	const char *qemu, *append, *vfio;
	qvm_image_wish image;
	qvm_accel accel;
	uint64_t memory_bytes, target_bytes;
	uint64_t iterations, cpus, seed, boot_timeout_ms;
	bool memory_given, target_given, iterations_given, cpus_given; /**< by the user */
} qvm_options;

/** Child parser; its input is a qvm_options, filled with defaults. */
extern const struct argp qvm_options_argp;
qvm_options qvm_options_default(void);
/** Check what no single option can; ends the program with a usage error. */
void qvm_options_check(qvm_options *options, const struct argp_state *state);
/** Is this technique among those asked for? */
bool qvm_options_wants(const qvm_options *options, const char *technique);

/** Begin a result with the options that all share as parameters. @return false: told to the user; end with 2 */
HV_MUST_CHECK bool qvm_session_open(hv_result *result, const qvm_options *options, const char *scenario);
/** RESULT.json -> RESULT-NAMEEXTENSION, with a number where that exists: nothing is overwritten. @return to be freed;
 *  NULL without results */
char *qvm_beside(const char *json, const char *name, const char *extension);
/** Save, tell the checks, close. @return the exit code */
HV_MUST_CHECK int qvm_session_close(hv_result *result, const qvm_options *options, bool interrupted);

#endif
