/* SPDX-License-Identifier: MIT
 *
 * Options of policies; see policy_options.h. */
#define _GNU_SOURCE
#include "cli/policy_options.h"
#include "cli/hv_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_POLICY = 0x6000, KEY_LOW, KEY_HIGH, KEY_PRESSURE, KEY_THRESHOLD, KEY_TARGET_FILE };

static const struct argp_option option_table[] = {
	{ "policy", KEY_POLICY, "NAME|FILE.so", 0,
	  "What decides when memory is taken and given, a name or a plug-in (default period); see hvsim list", 0 },
	{ "low", KEY_LOW, "SIZE", 0,
	  "watermark: give when the guest has less than this unused (default: a sixteenth of its memory)", 0 },
	{ "high", KEY_HIGH, "SIZE", 0,
	  "watermark: take when the guest has more than this unused (default: an eighth of its memory)", 0 },
	{ "pressure", KEY_PRESSURE, "PATH", 0,
	  "pressure: the file to watch, such as memory.pressure of a cgroup (default " HV_PSI_HOST ")", 0 },
	{ "threshold", KEY_THRESHOLD, "PERCENT", 0,
	  "pressure: how much of ten seconds some task must have waited for memory (default 10)", 0 },
	{ "target-file", KEY_TARGET_FILE, "PATH", 0,
	  "target: the file with the figure, such as 512M, or max; it may change at any time", 0 },
	{ 0 }
};

static void report(void *context, const char *text)
{
	(void)context;
	hv_session_remark(text);
}

hv_policy_options hv_policy_options_default(void)
{
	return (hv_policy_options){ .name = "period",
				    .policy = hv_policy_find("period"),
				    .setup = { .low_bytes = UINT64_MAX,
					       .high_bytes = UINT64_MAX,
					       .threshold_percent = 10,
					       .report = report } };
}

static void policy_choose(hv_policy_options *options, const char *text, const struct argp_state *state)
{
	char why[300], path[4096], known[256] = "";
	const char *end = strrchr(text, '.');
	options->name = text;
	if (strchr(text, '/') != NULL || (end != NULL && strcmp(end, ".so") == 0)) {
		/* without a slash the loader would look in the system's directories */
		snprintf(path, sizeof(path), "%s%s", strchr(text, '/') == NULL ? "./" : "", text);
		options->policy = hv_policy_load(path, why, sizeof(why));
		if (options->policy == NULL)
			argp_error(state, "--policy %s: %s", text, why);
		return;
	}
	options->policy = hv_policy_find(text);
	for (const hv_policy *const *each = hv_policies; *each != NULL; each++) {
		size_t used = strlen(known);
		snprintf(known + used, sizeof(known) - used, "%s, ", (*each)->name);
	}
	if (options->policy == NULL)
		argp_error(state, "unknown policy '%s'; known: %sor a plug-in, FILE.so", text, known);
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	hv_policy_options *options = state->input;
	hv_policy_setup *setup = &options->setup;
	char *end;
	switch (key) {
	case KEY_POLICY:
		policy_choose(options, text, state);
		return 0;
	case KEY_LOW:
		setup->low_bytes = hv_options_size(state, "low", text);
		return 0;
	case KEY_HIGH:
		setup->high_bytes = hv_options_size(state, "high", text);
		return 0;
	case KEY_PRESSURE:
		setup->pressure_path = text;
		if (access(text, F_OK) != 0)
			argp_error(state, "--pressure %s: there is no such file; allowed: such as " HV_PSI_HOST, text);
		return 0;
	case KEY_THRESHOLD:
		setup->threshold_percent = strtod(text, &end);
		if (end == text || *end != '\0' || !(setup->threshold_percent > 0 && setup->threshold_percent <= 100))
			argp_error(state, "--threshold is '%s'; allowed: above 0, up to 100", text);
		return 0;
	case KEY_TARGET_FILE:
		setup->target_path = text;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp hv_policy_argp = { .options = option_table, .parser = parse };

void hv_policy_options_check(hv_policy_options *options, uint64_t memory_bytes, struct argp_state *state)
{
	hv_policy_setup *setup = &options->setup;
	if (setup->low_bytes == UINT64_MAX)
		setup->low_bytes = setup->high_bytes < memory_bytes / 16 ? setup->high_bytes : memory_bytes / 16;
	if (setup->high_bytes == UINT64_MAX)
		setup->high_bytes = setup->low_bytes > memory_bytes / 8 ? setup->low_bytes : memory_bytes / 8;
	setup->has_marks = true;
	if (setup->low_bytes > setup->high_bytes)
		argp_error(state, "--low is above --high; allowed: up to it");
	if ((options->policy->needs & HV_POLICY_NEEDS_TARGET) != 0 && setup->target_path == NULL)
		argp_error(state, "--policy %s needs a file with the figure: --target-file PATH", options->name);
}

bool hv_policy_available(const hv_policy *policy, const hv_policy_setup *setup, char *why, size_t why_bytes)
{
	hv_psi psi;
	const char *path = setup != NULL && setup->pressure_path != NULL ? setup->pressure_path : HV_PSI_HOST;
	if ((policy->needs & HV_POLICY_NEEDS_PRESSURE) == 0 || hv_psi_read(path, &psi, why, why_bytes))
		return true;
	size_t used = strlen(why);
	if (strcmp(path, HV_PSI_HOST) == 0)
		snprintf(why + used, why_bytes - used, " (a kernel with CONFIG_PSI, booted with psi=1, has it)");
	return false;
}

bool hv_policy_options_skip(const hv_policy_options *options, hv_result *result)
{
	char why[300], what[64];
	if (hv_policy_available(options->policy, &options->setup, why, sizeof(why)))
		return false;
	snprintf(what, sizeof(what), "policy %s", options->policy->name);
	hv_result_skip(result, what, why);
	return true;
}

void hv_policy_parameters(cJSON *object, const hv_policy_options *options)
{
	const hv_policy_setup *setup = &options->setup;
	cJSON_AddStringToObject(object, "policy", options->policy->name);
	if (options->policy != hv_policy_find(options->policy->name))
		cJSON_AddStringToObject(object, "policy_file", options->name);
	cJSON_AddNumberToObject(object, "low_bytes", (double)setup->low_bytes);
	cJSON_AddNumberToObject(object, "high_bytes", (double)setup->high_bytes);
	cJSON_AddNumberToObject(object, "threshold_percent", setup->threshold_percent);
	if (setup->pressure_path != NULL)
		cJSON_AddStringToObject(object, "pressure", setup->pressure_path);
	if (setup->target_path != NULL)
		cJSON_AddStringToObject(object, "target_file", setup->target_path);
}
