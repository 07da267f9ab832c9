/* SPDX-License-Identifier: MIT
 *
 * The agent: answers the host over one line, passes requests on to its jobs, brings their answers back. It never works
 * itself for longer than a system call takes, so it answers while jobs are busy. */
#ifndef AGENT_LOOP_H
#define AGENT_LOOP_H

#include "agent_job.h"

typedef struct agent {
	int fd;
	bool own_machine; /**< nobody else lives here: verbs may change the machine */
	uint64_t n_started;
	agent_job jobs[AGENT_JOBS_MAX];
	int power_off; /**< of reboot(2), after the answer; 0 = none */
} agent;

/** @param port  name of a virtio-serial port, waited for; NULL: serve fd until its other end is gone */
int agent_run(const char *port, int fd);

/** The path of a virtio-serial port by its name. @return false: there is none (yet) */
HV_MUST_CHECK bool agent_port_find(const char *name, char *path, size_t path_bytes);

extern const agent_verb agent_verbs[];
/** Start a job of this kind. @return NULL: refused */
agent_job *agent_job_begin(agent *self, const char *kind, agent_reply *reply);

#endif
