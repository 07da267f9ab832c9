/* SPDX-License-Identifier: MIT
 *
 * Touching what is free; see qvm_fill.h. */
#include "rig/qvm_fill.h"
#include "scenario/qvm_scenario.h"
#include "techniques/qvm_technique.h"

#include <stdio.h>

#define FILL_NS UINT64_C(600000000000)
#define ASK_NS  UINT64_C(60000000000)

enum { LIVE_ON_BYTES = 96 << 20 /* of its memory that the guest keeps when it fills */ };

uint64_t qvm_fill_slack_bytes(const qvm_rig *rig)
{
	return rig->config.memory_bytes / 16 + LIVE_ON_BYTES;
}

uint64_t qvm_fill_bytes(qvm_rig *rig)
{
	uint64_t available = rig->technique->device_frames ? rig->config.memory_bytes : qvm_rig_available(rig);
	uint64_t most = available > LIVE_ON_BYTES ? available - LIVE_ON_BYTES : 0;
	return most & ~(uint64_t)(HV_HUGE_BYTES - 1);
}

static hv_err verify(qvm_rig *rig, uint64_t job)
{
	cJSON *answer = NULL;
	hv_err err = qvm_rig_ask_job(rig, job, "verify", NULL, FILL_NS, &answer);
	if (err == HV_OK && qvm_answer_count(answer, "wrong") + qvm_answer_count(answer, "unzeroed") != 0) {
		snprintf(rig->why, sizeof(rig->why), "the guest's memory is not as it wrote it: %.200s",
			 qvm_answer_text(answer, "first"));
		err = HV_ERR_INVAL;
	}
	cJSON_Delete(answer);
	return err;
}

hv_err qvm_fill_and_free(qvm_rig *rig, uint64_t bytes, uint64_t *filled_bytes)
{
	uint64_t job;
	*filled_bytes = 0;
	if (hv_interrupted())
		return HV_ERR_INTERRUPTED;
	cJSON *answer = NULL, *fill = cJSON_CreateObject();
	cJSON_AddNumberToObject(fill, "bytes", (double)bytes);
	cJSON_AddStringToObject(fill, "pattern", "touch");
	if (rig->technique->device_frames)
		cJSON_AddStringToObject(fill, "device", "/dev/llfree");
	hv_err err = qvm_rig_spawn(rig, "memory", &job);
	if (err != HV_OK) {
		cJSON_Delete(fill);
		return err;
	}
	err = qvm_rig_ask_job(rig, job, "fill", fill, FILL_NS, &answer);
	*filled_bytes = qvm_answer_count(answer, "held");
	cJSON_Delete(answer);
	if (err == HV_OK)
		err = verify(rig, job);
	hv_err ended = qvm_rig_ask_job(rig, job, "end", NULL, ASK_NS, NULL);
	return err != HV_OK ? err : ended;
}
