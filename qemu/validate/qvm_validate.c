/* SPDX-License-Identifier: MIT
 *
 * llfree-qemu validate: the same scenario in hvsim and in VMs side by side, and published figures beside predicted
 * ones; from fresh runs, or from results of earlier ones. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "scenario/qvm_scenario.h"
#include "validate/qvm_validate.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { KEY_SIM = 0x500, KEY_VM, KEY_MODEL, KEY_PART, KEY_OUTPUT, KEY_HVSIM, KEY_SIM_BACKING };

/* Of each VM: all figures are per 2 MiB, and a guest under emulation writes slowly. */
#define MEMORY_BYTES (UINT64_C(1) << 30)

static const struct argp_option option_table[] = {
	{ "sim", KEY_SIM, "FILE", 0, "A result of hvsim inflate, instead of a fresh run", 1 },
	{ "vm", KEY_VM, "FILE", 0, "A result of llfree-qemu run --scenario inflate, instead of a fresh run", 1 },
	{ "model", KEY_MODEL, "FILE", 0,
	  "A result of hvsim inflate that the cost model takes its events from, up to four (default: --sim, else fresh "
	  "runs "
	  "on anonymous memory, without and with a device)",
	  1 },
	{ "part", KEY_PART, "NAME", 0, "compare, predict, or all (default)", 1 },
	{ "output", KEY_OUTPUT, "FOLDER", 0, "Where results and report of fresh runs go (default: validate-TIME)", 1 },
	{ "hvsim", KEY_HVSIM, "PROGRAM", 0, "hvsim (default: the one beside this program)", 1 },
	{ "sim-backing", KEY_SIM_BACKING, "NAME", 0,
	  "Backing of the simulation's memory, or whose rows of --sim count (default: as the VMs')", 1 },
	{ 0 }
};

static void part_parse(qvm_validate_options *options, const char *text, const struct argp_state *state)
{
	bool all = strcmp(text, "all") == 0;
	options->compares = all || strcmp(text, "compare") == 0;
	options->predicts = all || strcmp(text, "predict") == 0;
	if (!options->compares && !options->predicts)
		argp_error(state, "--part is '%s'; allowed: compare, predict, all", text);
}

static void model_parse(qvm_validate_options *options, const char *text, const struct argp_state *state)
{
	if (options->n_models == QVM_COST_FILES_MAX)
		argp_error(state, "--model is given more than %d times", QVM_COST_FILES_MAX);
	options->model_paths[options->n_models++] = text;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	qvm_validate_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case KEY_SIM:
		options->sim_path = text;
		return 0;
	case KEY_VM:
		options->vm_path = text;
		return 0;
	case KEY_MODEL:
		model_parse(options, text, state);
		return 0;
	case KEY_PART:
		part_parse(options, text, state);
		return 0;
	case KEY_OUTPUT:
		options->output = text;
		return 0;
	case KEY_HVSIM:
		options->hvsim = text;
		return 0;
	case KEY_SIM_BACKING:
		options->sim_backing = text;
		if (hv_backing_find(text) == NULL)
			argp_error(state, "--sim-backing is '%s'; hvsim list shows what is known", text);
		return 0;
	case ARGP_KEY_END:
		/* runs check their options themselves, but after minutes */
		if (options->compares && options->vm_path == NULL)
			qvm_options_check(&options->common, state);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

/* All inputs, before anything is written. @return false: told to the user */
typedef struct inputs {
	qvm_figures sim, vm, models[QVM_COST_FILES_MAX];
	size_t n_models;
} inputs;

static bool input_read(qvm_figures *figures, const char *path, const char *backing)
{
	if (qvm_figures_read(figures, path, "inflate", backing))
		return true;
	fprintf(stderr, "llfree-qemu validate: %s\n", figures->why);
	return false;
}

static bool inputs_read(inputs *self, const qvm_validate_options *options)
{
	bool ok = true;
	if (options->compares)
		ok = input_read(&self->vm, options->vm_path, NULL);
	const char *backing = options->sim_backing;
	if (ok && options->compares)
		ok = input_read(&self->sim, options->sim_path, backing);
	size_t n_given = options->predicts ? options->n_models : 0;
	for (size_t at = 0; ok && at < n_given; at++)
		ok = input_read(&self->models[self->n_models++], options->model_paths[at], NULL);
	if (ok && options->predicts && n_given == 0)
		ok = input_read(&self->models[self->n_models++], options->sim_path, backing);
	return ok;
}

static void inputs_close(inputs *self)
{
	qvm_figures_close(&self->sim);
	qvm_figures_close(&self->vm);
	for (size_t at = 0; at < self->n_models; at++)
		qvm_figures_close(&self->models[at]);
}

static void parameters_add(cJSON *object, const qvm_validate_options *options)
{
	cJSON *models = cJSON_AddArrayToObject(object, "models");
	for (size_t at = 0; at < options->n_models; at++)
		cJSON_AddItemToArray(models, cJSON_CreateString(options->model_paths[at]));
	if (options->sim_path != NULL)
		cJSON_AddStringToObject(object, "sim", options->sim_path);
	if (options->vm_path != NULL)
		cJSON_AddStringToObject(object, "vm", options->vm_path);
}

static int tables_make(qvm_validate_options *options)
{
	const hv_options like = { .json = options->common.json, .seed = options->common.seed };
	static inputs files;
	hv_result result;
	int status = HV_EXIT_USAGE;
	if (inputs_read(&files, options) && hv_session_open(&result, &like, "validate")) {
		result.said = options->report != NULL ? fopen(options->report, "wxe") : NULL;
		if (options->report != NULL && result.said == NULL)
			fprintf(stderr, "llfree-qemu validate: %s: %s; the tables are not kept as text\n",
				options->report, strerror(errno));
		FILE *said = result.said;
		parameters_add(result.parameters, options);
		if (options->compares)
			qvm_validate_compare(&result, &files.sim, &files.vm);
		if (options->predicts)
			qvm_validate_predict(&result, files.models, files.n_models);
		status = hv_session_close(&result, &like, hv_interrupted());
		if (said != NULL)
			fclose(said);
	}
	inputs_close(&files);
	return status;
}

int qvm_validate_run(int argc, char **argv)
{
	static const struct argp_child children[] = { { &qvm_options_argp, 0, "Options of the fresh runs:", 2 },
						      { 0 } };
	static const struct argp argp = {
		.options = option_table,
		.parser = parse,
		.children = children,
		.doc = "The same scenario in hvsim and in VMs, side by side: bytes, "
		       "messages, discards, the order of the "
		       "techniques, and who spent the time. And published figures beside "
		       "what a cost model makes of the "
		       "simulation.\vFresh runs resize 1G down to 256M unless told otherwise, and take some minutes. "
		       "Guests boot with init_on_alloc=0: Debian's kernel clears each page that it hands "
		       "out, also to a balloon, which the simulation's guest does not, and which under "
		       "emulation takes longer than all else. --append init_on_alloc=1 has it back."
	};
	qvm_validate_options options = { .common = qvm_options_default(), .compares = true, .predicts = true };
	options.common.memory_bytes = MEMORY_BYTES;
	if (argp_parse(&argp, argc, argv, 0, NULL, &options) != 0)
		return HV_EXIT_USAGE;
	int status = qvm_validate_run_missing(&options);
	return status != 0 ? status : tables_make(&options);
}
