/* SPDX-License-Identifier: MIT
 *
 * Memory held in a guest; see qvm_hold.h. */
#include "scenario/shared/qvm_hold.h"
#include "techniques/qvm_technique.h"

#include <inttypes.h>
#include <stdio.h>

#define WORK_NS UINT64_C(600000000000)

/* What a guest's kernel and agent need beside the load. */
#define LIVE_ON_BYTES (UINT64_C(256) << 20)

uint64_t qvm_hold_option(const struct argp_state *state, uint64_t memory_bytes, uint64_t fill_bytes)
{
	char allowed[32];
	if (memory_bytes <= LIVE_ON_BYTES)
		argp_error(state, "--memory is too small; allowed: above %s",
			   hv_format_bytes(LIVE_ON_BYTES, allowed, sizeof(allowed)));
	uint64_t most_bytes = memory_bytes - LIVE_ON_BYTES;
	if (fill_bytes == 0)
		fill_bytes = most_bytes < memory_bytes / 2 ? most_bytes : memory_bytes / 2;
	fill_bytes &= ~(uint64_t)(HV_HUGE_BYTES - 1);
	if (fill_bytes == 0 || fill_bytes > most_bytes)
		argp_error(state, "--fill must be at least 2M, and leave 256M of --memory: up to %s",
			   hv_format_bytes(most_bytes, allowed, sizeof(allowed)));
	return fill_bytes;
}

static bool fault(qvm_hold *self, const char *what, const char *detail)
{
	if (self->why[0] == '\0')
		snprintf(self->why, sizeof(self->why), "%.80s: %.200s", what, detail);
	return false;
}

static bool ask(qvm_hold *self, const char *verb, cJSON *arguments, cJSON **answer)
{
	if (self->job != 0)
		cJSON_AddNumberToObject(arguments, "job", (double)self->job);
	hv_err err = qvm_rig_ask(self->rig, verb, arguments, WORK_NS, answer);
	if (err == HV_OK)
		return true;
	return fault(self, verb,
		     err == HV_ERR_GONE && qvm_vm_ended(&self->rig->vm) ? self->rig->vm.why : self->rig->why);
}

/* What the job says of its pages. */
static bool judge(qvm_hold *self, const cJSON *answer)
{
	return qvm_answer_count(answer, "wrong") + qvm_answer_count(answer, "unzeroed") == 0 ||
	       fault(self, "the guest's memory is not as it wrote it", qvm_answer_text(answer, "first"));
}

bool qvm_hold_begin(qvm_hold *self, qvm_rig *rig)
{
	cJSON *answer = NULL, *spawn = cJSON_CreateObject();
	*self = (qvm_hold){ .rig = rig };
	cJSON_AddStringToObject(spawn, "kind", "memory");
	bool ok = ask(self, "spawn", spawn, &answer);
	self->job = qvm_answer_count(answer, "job");
	cJSON_Delete(answer);
	return ok;
}

bool qvm_hold_set(qvm_hold *self, uint64_t bytes)
{
	char detail[120];
	cJSON *answer = NULL, *arguments;
	bytes &= ~(uint64_t)(HV_HUGE_BYTES - 1);
	bool more = bytes > self->held_bytes;
	if (bytes == self->held_bytes)
		return true;
	arguments = cJSON_CreateObject();
	cJSON_AddNumberToObject(arguments, "bytes",
				(double)(more ? bytes - self->held_bytes : self->held_bytes - bytes));
	if (more)
		cJSON_AddStringToObject(arguments, "pattern", "touch");
	if (more && self->rig->technique->device_frames)
		cJSON_AddStringToObject(arguments, "device", "/dev/llfree");
	bool ok = ask(self, more ? "fill" : "free", arguments, &answer) && judge(self, answer);
	if (ok)
		self->held_bytes = qvm_answer_count(answer, "held");
	cJSON_Delete(answer);
	snprintf(detail, sizeof(detail), "the guest holds %" PRIu64 " of %" PRIu64 " MiB", self->held_bytes >> 20,
		 bytes >> 20);
	return ok && (self->held_bytes == bytes || fault(self, more ? "fill" : "free", detail));
}

bool qvm_hold_verify(qvm_hold *self)
{
	cJSON *answer = NULL;
	bool ok = ask(self, "verify", cJSON_CreateObject(), &answer) && judge(self, answer);
	cJSON_Delete(answer);
	return ok;
}

bool qvm_hold_end(qvm_hold *self)
{
	bool ok = self->job == 0 || ask(self, "end", cJSON_CreateObject(), NULL);
	self->job = 0;
	self->held_bytes = 0;
	return ok;
}
