/* SPDX-License-Identifier: MIT
 *
 * Options of scenario footprint; see qvm_footprint_options.h. */
#define _GNU_SOURCE
#include "scenario/shared/qvm_footprint_options.h"
#include "image/qvm_image.h"
#include "scenario/shared/qvm_hold.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEY_TRACE = 0x400, KEY_FILL, KEY_SECONDS, KEY_PAUSE, KEY_PHASE, KEY_DISK, KEY_JOBS, KEY_OBJECTS };
enum { SECONDS_MAX = 86400, JOBS_MAX = 64, OBJECTS_MAX = 10000, JOBS_A_CPU = 4 };

const char *const qvm_footprint_phases[] = { "compile", "recorded", NULL };

qvm_footprint_options qvm_footprint_options_default(void)
{
	qvm_footprint_options options = { .common = qvm_options_default(), .phases = "all", .pause_s = 15 };
	options.common.memory_bytes = UINT64_C(1) << 30;
	options.common.iterations = 1;
	return options;
}

static const char *phase_name(size_t idx)
{
	return qvm_footprint_phases[idx];
}

static void check(qvm_footprint_options *options, struct argp_state *state)
{
	char why[200], path[QVM_PATH_BYTES];
	qvm_options *common = &options->common;
	qvm_options_check(common, state);
	hv_options_names(state, "phase", options->phases, phase_name);
	options->fill_bytes = qvm_hold_option(state, common->memory_bytes, options->fill_bytes);
	if (options->jobs == 0)
		options->jobs = JOBS_A_CPU * common->cpus < JOBS_MAX ? JOBS_A_CPU * common->cpus : JOBS_MAX;
	if (options->disk != NULL && access(options->disk, R_OK) != 0)
		argp_error(state, "--disk %s: %s", options->disk, strerror(errno));
	qvm_own_path(path, sizeof(path), QVM_DATA "/compile.llftrace", QVM_SOURCE_DIR "/traces/compile.llftrace");
	const char *trace = options->trace != NULL ? options->trace : path;
	if (qvm_course_read(&options->course, trace, why, sizeof(why)) != HV_OK)
		argp_error(state, "--trace %s: %s", trace, why);
}

static error_t parse_compile(int key, char *text, struct argp_state *state)
{
	qvm_footprint_options *options = state->input;
	switch (key) {
	case KEY_PHASE:
		options->phases = text;
		return 0;
	case KEY_DISK:
		options->disk = text;
		return 0;
	case KEY_JOBS:
		options->jobs = hv_options_number(state, "jobs", text, 1, JOBS_MAX);
		return 0;
	case KEY_OBJECTS:
		options->objects = hv_options_number(state, "objects", text, 1, OBJECTS_MAX);
		return 0;
	default:
		return hv_options_other(key, text, state);
	}
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	qvm_footprint_options *options = state->input;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case KEY_TRACE:
		options->trace = text;
		return 0;
	case KEY_FILL:
		options->fill_bytes = hv_options_size(state, "fill", text);
		options->fill_given = true;
		return 0;
	case KEY_SECONDS:
		options->seconds = hv_options_number(state, "seconds", text, 1, SECONDS_MAX);
		return 0;
	case KEY_PAUSE:
		options->pause_s = hv_options_number(state, "pause", text, 0, SECONDS_MAX);
		return 0;
	case ARGP_KEY_END:
		check(options, state);
		return 0;
	default:
		return parse_compile(key, text, state);
	}
}

static const struct argp_option known[] = {
	{ "phase", KEY_PHASE, "NAME", 0, "compile, recorded, or all (default)", 0 },
	{ "disk", KEY_DISK, "FILE", 0,
	  "Disk of the compile (default: made from Debian's packages; make-disk says what one needs)", 0 },
	{ "jobs", KEY_JOBS, "N", 0, "Compile so many files at once (default: four a vCPU, for their memory)", 0 },
	{ "objects", KEY_OBJECTS, "N", 0, "Compile only the first N objects of the library", 0 },
	{ "trace", KEY_TRACE, "FILE", 0,
	  "Replay this: the trace of a compile of this scenario, or of hvsim record (default: the compile that "
	  "was just seen, by technique none, else one that comes with the project)",
	  0 },
	{ "fill", KEY_FILL, "SIZE", 0,
	  "Peak of the replay in the guest (default: as recorded, at most half of its memory)", 0 },
	{ "seconds", KEY_SECONDS, "S", 0, "How long the replay takes, at least (default: as recorded)", 0 },
	{ "pause", KEY_PAUSE, "S", 0, "Behind the compile, and behind the drop of the page cache (default 15)", 0 },
	{ 0 },
};
static const struct argp_child children[] = { { &qvm_options_argp, 0, NULL, 0 }, { 0 } };
const struct argp qvm_footprint_argp = {
	.options = known,
	.parser = parse,
	.children = children,
	.doc = "What a VM's memory files hold over time, by each technique, while its guest compiles a library "
	       "(phase compile), and while the memory of such a compile is replayed by processes in it (phase "
	       "recorded; all that llfree-* can do here). Page cache is dropped at the end. The compile's "
	       "course is kept beside the result as RESULT-compile.llftrace. Defaults: 1G, one iteration."
};
