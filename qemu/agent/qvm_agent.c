/* SPDX-License-Identifier: MIT
 *
 * Client of the guest's agent; see qvm_agent.h. */
#define _GNU_SOURCE
#include "agent/qvm_agent.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const uint64_t SEND_TIMEOUT_NS = UINT64_C(10000000000);
enum { LINE_BYTES_MAX = 32 << 20 };

void qvm_agent_open(qvm_agent *self, int fd)
{
	*self = (qvm_agent){ .fd = fd, .lines = { .line_bytes_max = LINE_BYTES_MAX } };
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void qvm_agent_close(qvm_agent *self)
{
	if (self->fd > 0)
		close(self->fd);
	for (size_t at = 0; at < self->n_answers; at++)
		cJSON_Delete(self->answers[at]);
	self->n_answers = 0;
	qvm_lines_free(&self->lines);
	self->fd = -1;
	self->gone = true;
}

static hv_err fail(qvm_agent *self, hv_err err, const char *what)
{
	snprintf(self->why, sizeof(self->why), "%s", what);
	self->gone = self->gone || err == HV_ERR_GONE;
	return err;
}

uint64_t qvm_agent_send(qvm_agent *self, const char *verb, cJSON *arguments)
{
	uint64_t id = ++self->n_sent;
	cJSON *request = arguments != NULL ? arguments : cJSON_CreateObject();
	cJSON_AddNumberToObject(request, "id", (double)id);
	cJSON_AddStringToObject(request, "do", verb);
	char *text = cJSON_PrintUnformatted(request);
	bool written = !self->gone && self->fd >= 0 && text != NULL && qvm_line_write(self->fd, text, SEND_TIMEOUT_NS);
	if (!written && !self->gone) {
		snprintf(self->why, sizeof(self->why), "the guest's agent takes no request: %s", strerror(errno));
		self->gone = true; /* half a line may be there: there is no way to go on */
	}
	cJSON_free(text);
	cJSON_Delete(request);
	return written ? id : 0;
}

static uint64_t answer_id(const cJSON *answer)
{
	return qvm_answer_count(answer, "id");
}

static cJSON *answer_take(qvm_agent *self, uint64_t id)
{
	for (size_t at = 0; at < self->n_answers; at++)
		if (answer_id(self->answers[at]) == id) {
			cJSON *answer = self->answers[at];
			self->answers[at] = self->answers[--self->n_answers];
			return answer;
		}
	return NULL;
}

/* Keep the answers that have come; the agent's greeting and what was never asked for are dropped. */
static hv_err lines_take(qvm_agent *self)
{
	for (char *line; (line = qvm_lines_next(&self->lines)) != NULL;) {
		if (*line == '\0')
			continue;
		cJSON *answer = cJSON_Parse(line);
		if (!cJSON_IsObject(answer)) {
			cJSON_Delete(answer);
			return fail(self, HV_ERR_GONE, "the guest's agent sent no JSON object");
		}
		uint64_t id = answer_id(answer);
		if (id == 0 || id > self->n_sent) {
			cJSON_Delete(answer);
			continue;
		}
		if (self->n_answers == QVM_ANSWERS_MAX) {
			cJSON_Delete(answer);
			return fail(self, HV_ERR_GONE, "the guest's agent answers more than it is asked");
		}
		self->answers[self->n_answers++] = answer;
	}
	return HV_OK;
}

static hv_err more_wait(qvm_agent *self, uint64_t end_ns)
{
	struct pollfd wanted = { .fd = self->fd, .events = POLLIN };
	uint64_t now_ns = hv_now_ns();
	if (self->gone || self->fd < 0)
		return HV_ERR_GONE;
	if (now_ns >= end_ns)
		return fail(self, HV_ERR_TIMEOUT, "the guest's agent did not answer in time");
	uint64_t left_ms = (end_ns - now_ns) / 1000000 + 1;
	if (poll(&wanted, 1, left_ms < 1000 ? (int)left_ms : 1000) <= 0)
		return HV_OK;
	ssize_t bytes = qvm_lines_read(&self->lines, self->fd);
	if (bytes < 0 && (errno == EINTR || errno == EAGAIN))
		return HV_OK;
	if (bytes == 0)
		return fail(self, HV_ERR_GONE, "the guest's agent is gone");
	if (bytes < 0)
		return fail(self, HV_ERR_GONE,
			    errno == EMSGSIZE ? "the guest's agent sends a line without end" : strerror(errno));
	return lines_take(self);
}

static hv_err answer_judge(qvm_agent *self, cJSON *found, cJSON **answer)
{
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(found, "ok"))) {
		if (answer != NULL)
			*answer = found;
		else
			cJSON_Delete(found);
		return HV_OK;
	}
	const char *error = qvm_answer_text(found, "error");
	fail(self, HV_ERR_REFUSED, error[0] != '\0' ? error : "the guest refused, and says no reason");
	cJSON_Delete(found);
	return HV_ERR_REFUSED;
}

hv_err qvm_agent_wait(qvm_agent *self, uint64_t id, uint64_t timeout_ns, cJSON **answer)
{
	uint64_t now_ns = hv_now_ns(), end_ns = timeout_ns < UINT64_MAX - now_ns ? now_ns + timeout_ns : UINT64_MAX;
	if (answer != NULL)
		*answer = NULL;
	if (id == 0)
		return HV_ERR_GONE;
	for (;;) {
		cJSON *found = answer_take(self, id);
		if (found != NULL)
			return answer_judge(self, found, answer);
		hv_err err = more_wait(self, end_ns);
		if (err != HV_OK)
			return err;
	}
}

hv_err qvm_agent_call(qvm_agent *self, const char *verb, cJSON *arguments, uint64_t timeout_ns, cJSON **answer)
{
	uint64_t id = qvm_agent_send(self, verb, arguments);
	return qvm_agent_wait(self, id, timeout_ns, answer);
}

hv_err qvm_agent_spawn(qvm_agent *self, const char *kind, uint64_t *job, uint64_t timeout_ns)
{
	cJSON *answer, *arguments = cJSON_CreateObject();
	cJSON_AddStringToObject(arguments, "kind", kind);
	hv_err err = qvm_agent_call(self, "spawn", arguments, timeout_ns, &answer);
	*job = qvm_answer_count(answer, "job");
	cJSON_Delete(answer);
	if (err == HV_OK && *job == 0)
		return fail(self, HV_ERR_GONE, "the guest's agent started a job without a number");
	return err;
}

uint64_t qvm_agent_job_send(qvm_agent *self, uint64_t job, const char *verb, cJSON *arguments)
{
	cJSON *request = arguments != NULL ? arguments : cJSON_CreateObject();
	cJSON_AddNumberToObject(request, "job", (double)job);
	return qvm_agent_send(self, verb, request);
}

hv_err qvm_agent_job_call(qvm_agent *self, uint64_t job, const char *verb, cJSON *arguments, uint64_t timeout_ns,
			  cJSON **answer)
{
	return qvm_agent_wait(self, qvm_agent_job_send(self, job, verb, arguments), timeout_ns, answer);
}

double qvm_answer_number(const cJSON *answer, const char *key)
{
	const cJSON *found = cJSON_GetObjectItemCaseSensitive(answer, key);
	return cJSON_IsNumber(found) && isfinite(found->valuedouble) ? found->valuedouble : 0;
}

uint64_t qvm_answer_count(const cJSON *answer, const char *key)
{
	double number = qvm_answer_number(answer, key);
	return number >= 0 && number < 9007199254740992.0 && number == floor(number) ? (uint64_t)number : 0;
}

const char *qvm_answer_text(const cJSON *answer, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, key));
	return text != NULL ? text : "";
}
