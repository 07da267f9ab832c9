/* SPDX-License-Identifier: MIT
 *
 * A guest that checks; see qvm_checker.h. It is a job of the agent (guest/jobs/memory.c). */
#define _GNU_SOURCE
#include "scenario/shared/qvm_checker.h"
#include "scenario/qvm_scenario.h"

#include <stdio.h>

#define WORK_NS UINT64_C(600000000000)
#define ASK_NS  UINT64_C(120000000000)

static bool fault(qvm_checker *self, const char *what, const char *detail)
{
	if (self->fault[0] == '\0')
		snprintf(self->fault, sizeof(self->fault), "%.80s: %.220s", what, detail);
	return false;
}

static bool job_ask(qvm_checker *self, const char *verb, cJSON *arguments, uint64_t timeout_ns, cJSON **answer)
{
	arguments = arguments != NULL ? arguments : cJSON_CreateObject();
	if (self->job != 0)
		cJSON_AddNumberToObject(arguments, "job", (double)self->job);
	snprintf(self->asked, sizeof(self->asked), "%s", verb);
	return qvm_rig_ask(self->rig, verb, arguments, timeout_ns, answer) == HV_OK;
}

static bool spawn(qvm_checker *self)
{
	cJSON *answer = NULL, *arguments = cJSON_CreateObject();
	cJSON_AddStringToObject(arguments, "kind", "memory");
	bool ok = job_ask(self, "spawn", arguments, ASK_NS, &answer);
	self->job = qvm_answer_count(answer, "job");
	cJSON_Delete(answer);
	return ok;
}

static bool fill(qvm_checker *self, const qvm_checker_load *load)
{
	cJSON *answer = NULL, *arguments = cJSON_CreateObject();
	cJSON_AddNumberToObject(arguments, "bytes", (double)load->bytes);
	cJSON_AddNumberToObject(arguments, "seed", (double)load->seed);
	if (load->device)
		cJSON_AddStringToObject(arguments, "device", "/dev/llfree");
	if (load->huge)
		cJSON_AddStringToObject(arguments, "huge", "always");
	bool ok = job_ask(self, "fill", arguments, WORK_NS, &answer);
	if (ok && qvm_answer_count(answer, "held") != load->bytes)
		ok = fault(self, "fill", "the guest got less memory than is there");
	if (ok && qvm_answer_count(answer, "unzeroed") != 0)
		ok = fault(self, "fill", qvm_answer_text(answer, "first"));
	cJSON_Delete(answer);
	return ok;
}

/* Linux turns them off where memory is below 512 MiB. */
static bool huge_allow(qvm_checker *self)
{
	cJSON *arguments = cJSON_CreateObject();
	cJSON_AddStringToObject(arguments, "path", "/sys/kernel/mm/transparent_hugepage/enabled");
	cJSON_AddStringToObject(arguments, "text", "madvise");
	return job_ask(self, "write", arguments, ASK_NS, NULL);
}

bool qvm_checker_begin(qvm_checker *self, qvm_rig *rig, const qvm_checker_load *load)
{
	*self = (qvm_checker){ .rig = rig };
	if ((load->huge && !huge_allow(self)) || !spawn(self) || !fill(self, load))
		return false;
	cJSON *work = cJSON_CreateObject();
	cJSON_AddNumberToObject(work, "threads", (double)load->threads);
	if (load->away_bytes != 0) {
		cJSON_AddNumberToObject(work, "away_bytes", (double)load->away_bytes);
		cJSON_AddNumberToObject(work, "away_ms", (double)load->away_ms);
	}
	return job_ask(self, "work", work, ASK_NS, NULL);
}

static bool turns_look(qvm_checker *self, uint64_t *turns)
{
	cJSON *answer = NULL;
	bool ok = job_ask(self, "progress", NULL, ASK_NS, &answer);
	*turns = qvm_answer_count(answer, "turns");
	cJSON_Delete(answer);
	return ok;
}

bool qvm_checker_turns(qvm_checker *self, uint64_t n_turns)
{
	uint64_t begin, now, end_ns = hv_now_ns() + WORK_NS;
	if (!turns_look(self, &begin))
		return false;
	for (now = begin; now < begin + n_turns;) {
		if (hv_now_ns() > end_ns)
			return fault(self, "the guest", "its threads stand still");
		if (hv_interrupted() || !turns_look(self, &now))
			return false;
	}
	return true;
}

static bool seen_judge(qvm_checker *self, const cJSON *answer)
{
	self->n_checked += qvm_answer_count(answer, "checked");
	self->n_taken += qvm_answer_count(answer, "taken");
	if (qvm_answer_count(answer, "wrong") + qvm_answer_count(answer, "unzeroed") == 0)
		return true;
	return fault(self, "wrong bytes in the guest", qvm_answer_text(answer, "first"));
}

/* What the threads saw, and once more every page. */
bool qvm_checker_end(qvm_checker *self)
{
	static const char *const verbs[] = { "rest", "verify", "end" };
	for (size_t at = 0; at < sizeof(verbs) / sizeof(verbs[0]); at++) {
		cJSON *answer = NULL;
		bool ok = job_ask(self, verbs[at], NULL, WORK_NS, &answer) && seen_judge(self, answer);
		cJSON_Delete(answer);
		if (!ok)
			return false;
	}
	return true;
}
