/* SPDX-License-Identifier: MIT
 *
 * The parts of `llfree-qemu validate`: fresh runs of both worlds, the comparison, the prediction. Each writes its table
 * to the terminal, and rows and checks into a result. */
#ifndef QVM_VALIDATE_H
#define QVM_VALIDATE_H

#include "cli/qvm_options.h"
#include "validate/qvm_cost.h"

typedef struct qvm_validate_options {
	qvm_options common;
	const char *sim_path, *vm_path; /**< results of earlier runs; NULL = run */
	const char *model_paths[QVM_COST_FILES_MAX];
	size_t n_models;
	const char *sim_backing; /**< of the simulation; NULL = that of the VMs' memory */
	const char *output;      /**< folder of fresh results; NULL = a new one here */
	const char *hvsim;       /**< NULL = beside this program */
	bool compares, predicts;
	const char *report; /**< the tables go here too; NULL = to the terminal only. With fresh runs: in output */
} qvm_validate_options;

/** The command; argv[0] is "llfree-qemu validate". @return the exit code */
int qvm_validate_run(int argc, char **argv);

/** Run what was not given: the paths are filled, results lie in options->output, where validate.json and validate.txt
 *  will go too, unless --json names another file. Texts that are made here live as long
 * as the process. @return 0; HV_EXIT_CHECK, HV_EXIT_USAGE, HV_EXIT_INTERRUPTED: told to the user */
HV_MUST_CHECK int qvm_validate_run_missing(qvm_validate_options *options);

/** Simulation beside VM: the tables, a check of the order for each phase. */
void qvm_validate_compare(hv_result *result, const qvm_figures *sim, const qvm_figures *vm);
/** Published figures beside predicted ones. */
void qvm_validate_predict(hv_result *result, const qvm_figures *files, size_t n_files);

#endif
