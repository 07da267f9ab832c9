/* SPDX-License-Identifier: MIT
 *
 * Jobs: processes that the agent starts and that work in the guest, each over a socket of its own, so that one may be
 * killed, run out of memory or hang without the agent. A kind of job is one file in jobs/ with one descriptor. */
#ifndef AGENT_JOB_H
#define AGENT_JOB_H

#include "agent_verb.h"

#include <sys/types.h>

enum { AGENT_JOBS_MAX = 64, AGENT_PENDING_MAX = 8, AGENT_LINE_BYTES_MAX = 1 << 20 };

typedef struct agent_job_kind {
	const char *name;
	const agent_verb *verbs;
	size_t context_bytes; /**< of what the verbs work on; zeroed at the begin */
} agent_job_kind;

extern const agent_job_kind *const agent_job_kinds[]; /* ends with NULL */

/** One job, as the agent sees it. */
typedef struct agent_job {
	pid_t pid; /**< 0: this place is free */
	int fd;
	uint64_t number;
	bool once; /**< ends with its first answer, or is killed then */
	json_int_t pending[AGENT_PENDING_MAX];
	size_t n_pending;
} agent_job;

/** Start a process. It dies with the agent, and before it when memory runs out. @return false with errno */
HV_MUST_CHECK bool agent_job_start(agent_job *job, const agent_job_kind *kind);
/** Pass a request on; its answer will come from the job. @return false: refused */
HV_MUST_CHECK bool agent_job_pass(agent_job *job, json_int_t id, const char *line, agent_reply *reply);
/** The job has ended: how, in words. Its place is free again. */
void agent_job_reap(agent_job *job, char *how, size_t how_bytes);
const agent_job_kind *agent_job_kind_find(const char *name);

/** Serve requests as this kind of job until the other end is gone. Returns the exit code. */
int agent_job_serve(const agent_job_kind *kind, int fd);

#endif
