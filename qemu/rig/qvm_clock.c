/* SPDX-License-Identifier: MIT
 *
 * Two clocks; see qvm_clock.h. The guest reads its clock somewhere between the question and the answer. */
#include "rig/qvm_clock.h"

#define ASK_NS UINT64_C(10000000000)

enum { QUESTIONS = 16 };

hv_err qvm_clock_read(qvm_rig *rig, qvm_clock *clock)
{
	*clock = (qvm_clock){ .error_ns = UINT64_MAX };
	for (unsigned at = 0; at < QUESTIONS; at++) {
		cJSON *answer = NULL;
		uint64_t begin_ns = hv_now_ns();
		hv_err err = qvm_rig_ask(rig, "clock", NULL, ASK_NS, &answer);
		uint64_t way_ns = (hv_now_ns() - begin_ns) / 2, guest_ns = qvm_answer_count(answer, "ns");
		cJSON_Delete(answer);
		if (err != HV_OK)
			return err;
		if (way_ns < clock->error_ns)
			*clock = (qvm_clock){ (int64_t)(guest_ns - begin_ns - way_ns), way_ns };
	}
	return HV_OK;
}

uint64_t qvm_clock_error_ns(const qvm_clock *before, const qvm_clock *after)
{
	int64_t drift_ns = after->ahead_ns - before->ahead_ns;
	uint64_t error_ns = before->error_ns > after->error_ns ? before->error_ns : after->error_ns;
	return error_ns + (uint64_t)(drift_ns < 0 ? -drift_ns : drift_ns);
}
