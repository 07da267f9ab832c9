/* SPDX-License-Identifier: MIT
 *
 * Begin and end of scenarios of real VMs: a result file that is claimed first, with what all of them have as
 * parameters, and the exit code that belongs to the outcome. */
#define _GNU_SOURCE
#include "cli/hv_session.h"
#include "cli/qvm_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void text_add(cJSON *object, const char *key, const char *text, const char *otherwise)
{
	cJSON_AddStringToObject(object, key, text != NULL ? text : otherwise);
}

static void parameters_add(cJSON *object, const qvm_options *options)
{
	qvm_accel chosen;
	char why[200];
	if (qvm_accel_choose(options->accel, &chosen, why, sizeof(why)) == HV_OK)
		text_add(object, "accel", qvm_accel_text(chosen), "");
	text_add(object, "accel_why", why[0] != '\0' ? why : NULL, "as asked");
	text_add(object, "technique", options->technique, "all");
	text_add(object, "backing", options->backing, "the best");
	text_add(object, "qemu", options->qemu, "qemu-system-x86_64");
	text_add(object, "kernel", options->image.kernel, "Debian's");
	text_add(object, "append", options->append, "");
	text_add(object, "vfio", options->vfio, "none");
	cJSON_AddNumberToObject(object, "memory_bytes", (double)options->memory_bytes);
	cJSON_AddNumberToObject(object, "target_bytes", (double)options->target_bytes);
	cJSON_AddNumberToObject(object, "iterations", (double)options->iterations);
	cJSON_AddNumberToObject(object, "vcpus", (double)options->cpus);
	cJSON_AddNumberToObject(object, "seed", (double)options->seed);
}

bool qvm_session_open(hv_result *result, const qvm_options *options, const char *scenario)
{
	const hv_options like = { .json = options->json, .seed = options->seed };
	qvm_accel chosen;
	char why[200], detail[300];
	if (!hv_session_open(result, &like, scenario))
		return false;
	parameters_add(result->parameters, options);
	if (qvm_accel_choose(options->accel, &chosen, why, sizeof(why)) == HV_OK && chosen == QVM_ACCEL_TCG) {
		snprintf(detail, sizeof(detail), "guests run under TCG%s%s: compare counts and bytes, not times",
			 why[0] != '\0' ? ", since " : "", why);
		hv_result_warn(result, "emulated", detail);
		hv_result_say(result, "%s\n", detail);
	}
	return true;
}

char *qvm_beside(const char *json, const char *name, const char *extension)
{
	char *path = NULL;
	if (json == NULL)
		return NULL;
	size_t chars = strlen(json);
	if (chars > 5 && strcmp(json + chars - 5, ".json") == 0)
		chars -= 5;
	for (unsigned number = 1; number < 10000; number++) {
		char count[16] = "";
		if (number > 1)
			snprintf(count, sizeof(count), "-%u", number);
		if (asprintf(&path, "%.*s-%s%s%s", (int)chars, json, name, count, extension) < 0)
			return NULL;
		if (access(path, F_OK) != 0)
			return path;
		free(path);
	}
	return NULL;
}

int qvm_session_close(hv_result *result, const qvm_options *options, bool interrupted)
{
	const hv_options like = { .json = options->json, .seed = options->seed };
	return hv_session_close(result, &like, interrupted);
}
