/* SPDX-License-Identifier: MIT
 *
 * What a process of the guest program can be asked: verbs by name, one request and one answer a line. The agent and the
 * jobs that it starts each have a table of them. What a request lacks or has wrong is said in the answer. */
#ifndef AGENT_VERB_H
#define AGENT_VERB_H

#include "base/hv_base.h"

#include <jansson.h>

typedef struct agent_reply {
	json_t *body; /**< keys of the answer; the verb adds its own */
	char error[240];
} agent_reply;

typedef struct agent_verb {
	const char *name;
	/** @return false: refused, and agent_refuse() said why */
	bool (*act)(void *context, const json_t *request, agent_reply *reply);
	bool machine; /**< changes the machine: only for an agent that has one to itself */
} agent_verb;

/** @return false, always */
bool agent_refuse(agent_reply *reply, const char *format, ...) HV_PRINTF(2, 3);
void agent_tell_number(agent_reply *reply, const char *key, double value);
void agent_tell_count(agent_reply *reply, const char *key, uint64_t value);
void agent_tell_text(agent_reply *reply, const char *key, const char *text);

/** A whole number of the request. @return false: absent or out of range, and refused */
HV_MUST_CHECK bool agent_ask_count(const json_t *request, const char *key, uint64_t least, uint64_t most,
				   uint64_t *value, agent_reply *reply);
/** The same, with a value for when it is absent. */
HV_MUST_CHECK bool agent_ask_count_or(const json_t *request, const char *key, uint64_t absent, uint64_t least,
				      uint64_t most, uint64_t *value, agent_reply *reply);
/** A text of the request; refused when absent. */
HV_MUST_CHECK bool agent_ask_text(const json_t *request, const char *key, const char **text, agent_reply *reply);
/** A text of the request, or this one. */
const char *agent_text_or(const json_t *request, const char *key, const char *absent);

/** Do what a line asks and write the answer. @return false: the answer could not be written */
HV_MUST_CHECK bool agent_serve(const agent_verb *verbs, void *context, bool own_machine, int fd, const char *line);
/** The answer to this id. @param error  NULL: it went well; body is stolen, may be NULL */
HV_MUST_CHECK bool agent_answer(int fd, json_int_t id, json_t *body, const char *error);

#endif
