/* SPDX-License-Identifier: MIT
 *
 * The host's side of the agent in the guest: requests by name over a connected socket, one JSON object a line each way,
 * answers by id in any order. The guest is not trusted: whatever it sends, a call ends with an error at worst, and with
 * a bound on time and memory. One thread at a time. */
#ifndef QVM_AGENT_H
#define QVM_AGENT_H

#include "agent/qvm_lines.h"
#include "base/hv_base.h"

#include <cjson/cJSON.h>

enum { QVM_ANSWERS_MAX = 64 };

typedef struct qvm_agent {
	int fd; /**< -1: not open */
	uint64_t n_sent;
	qvm_lines lines;
	cJSON *answers[QVM_ANSWERS_MAX]; /**< that nobody has waited for yet */
	size_t n_answers;
	bool gone;
	char why[300]; /**< what failed last, for people */
} qvm_agent;

/** Begin to speak over this socket, which becomes the client's. */
void qvm_agent_open(qvm_agent *self, int fd);
/** Idempotent. */
void qvm_agent_close(qvm_agent *self);

/** Ask. @param arguments  more keys of the request, freed here; NULL = none  @return the id; 0: gone, self->why */
HV_MUST_CHECK uint64_t qvm_agent_send(qvm_agent *self, const char *verb, cJSON *arguments);
/** Wait for an answer. @param answer  to be deleted by the caller, NULL on error; may be NULL
 *  @return HV_OK; HV_ERR_REFUSED the guest says why not; HV_ERR_GONE; HV_ERR_TIMEOUT; self->why tells */
HV_MUST_CHECK hv_err qvm_agent_wait(qvm_agent *self, uint64_t id, uint64_t timeout_ns, cJSON **answer);
/** Both. */
HV_MUST_CHECK hv_err qvm_agent_call(qvm_agent *self, const char *verb, cJSON *arguments, uint64_t timeout_ns,
				    cJSON **answer);

/** Start a job. @param job  its number */
HV_MUST_CHECK hv_err qvm_agent_spawn(qvm_agent *self, const char *kind, uint64_t *job, uint64_t timeout_ns);
/** Ask a job; arguments as above. */
HV_MUST_CHECK hv_err qvm_agent_job_call(qvm_agent *self, uint64_t job, const char *verb, cJSON *arguments,
					uint64_t timeout_ns, cJSON **answer);
HV_MUST_CHECK uint64_t qvm_agent_job_send(qvm_agent *self, uint64_t job, const char *verb, cJSON *arguments);

/** A whole number of an answer that may be anything. @return 0 when it is none */
uint64_t qvm_answer_count(const cJSON *answer, const char *key);
double qvm_answer_number(const cJSON *answer, const char *key);
/** A text of an answer; "" when it has none. Valid as long as the answer. */
const char *qvm_answer_text(const cJSON *answer, const char *key);

#endif
