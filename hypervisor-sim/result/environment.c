/* SPDX-License-Identifier: MIT
 *
 * The environment of a result and its warnings: the facts that all programs tell, and what only the simulator knows. */
#define _GNU_SOURCE
#include "measure.h"
#include "memory/discard.h"
#include "memory/residency.h"
#include "result/hv_result.h"

#include <stdio.h>

static cJSON *facts_json(const measure_machine *machine)
{
	measure_fact facts[MEASURE_FACTS];
	char time_text[32];
	cJSON *object = cJSON_CreateObject();
	size_t n_facts = measure_facts(machine, time_text, facts);
	for (size_t at = 0; at < n_facts; at++) {
		if (facts[at].text != NULL)
			cJSON_AddStringToObject(object, facts[at].name, facts[at].text);
		else
			cJSON_AddNumberToObject(object, facts[at].name, facts[at].number);
	}
	return object;
}

cJSON *hv_environment(const measure_machine *machine, uint64_t seed)
{
	cJSON *object = facts_json(machine);
	hv_discarder discarder;
	hv_discarder_open(&discarder, HV_DISCARD_VECTORED);
	cJSON_AddStringToObject(object, "discard", hv_discard_way_text(discarder.way));
	hv_discarder_close(&discarder);
	cJSON_AddBoolToObject(object, "pagemap_scan", hv_residency_scan_known());
	cJSON_AddNumberToObject(object, "seed", (double)seed);
	return object;
}

void hv_environment_warn(hv_result *result, const measure_machine *machine)
{
	measure_warning warnings[MEASURE_WARNINGS];
	char line[MEASURE_WARNINGS * MEASURE_DETAIL_BYTES];
	size_t n_warnings = measure_warnings(machine, false, warnings);
	for (size_t at = 0; at < n_warnings; at++)
		hv_result_warn(result, warnings[at].name, warnings[at].detail);
	if (n_warnings > 0)
		hv_result_say(result, "warnings: %s\n",
			      measure_warnings_line(warnings, n_warnings, line, sizeof(line)));
}
