/* SPDX-License-Identifier: MIT
 *
 * Requests and answers of the guest program; see agent_verb.h. */
#define _GNU_SOURCE
#include "agent_verb.h"

#include "agent/qvm_lines.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool agent_refuse(agent_reply *reply, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(reply->error, sizeof(reply->error), format, arguments);
	va_end(arguments);
	return false;
}

void agent_tell_number(agent_reply *reply, const char *key, double value)
{
	json_object_set_new(reply->body, key, json_real(value));
}

void agent_tell_count(agent_reply *reply, const char *key, uint64_t value)
{
	json_object_set_new(reply->body, key, json_integer((json_int_t)value));
}

void agent_tell_text(agent_reply *reply, const char *key, const char *text)
{
	json_object_set_new(reply->body, key, json_string(text));
}

bool agent_ask_count(const json_t *request, const char *key, uint64_t least, uint64_t most, uint64_t *value,
		     agent_reply *reply)
{
	const json_t *found = json_object_get(request, key);
	json_int_t number = json_integer_value(found);
	if (json_is_integer(found) && number >= 0 && (uint64_t)number >= least && (uint64_t)number <= most) {
		*value = (uint64_t)number;
		return true;
	}
	return agent_refuse(reply, "\"%s\" must be a whole number from %" PRIu64 " to %" PRIu64, key, least, most);
}

bool agent_ask_count_or(const json_t *request, const char *key, uint64_t absent, uint64_t least, uint64_t most,
			uint64_t *value, agent_reply *reply)
{
	*value = absent;
	return json_object_get(request, key) == NULL || agent_ask_count(request, key, least, most, value, reply);
}

bool agent_ask_text(const json_t *request, const char *key, const char **text, agent_reply *reply)
{
	*text = json_string_value(json_object_get(request, key));
	return *text != NULL || agent_refuse(reply, "\"%s\" must be a text", key);
}

const char *agent_text_or(const json_t *request, const char *key, const char *absent)
{
	const char *text = json_string_value(json_object_get(request, key));
	return text != NULL ? text : absent;
}

bool agent_answer(int fd, json_int_t id, json_t *body, const char *error)
{
	json_t *answer = json_pack("{sIsb}", "id", id, "ok", error == NULL);
	if (error != NULL)
		json_object_set_new(answer, "error", json_string(error));
	else if (body != NULL)
		json_object_update(answer, body);
	json_decref(body);
	char *text = answer != NULL ? json_dumps(answer, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
	bool written = qvm_line_write(fd, text != NULL ? text : "{\"ok\":false,\"error\":\"no memory for an answer\"}",
				      UINT64_MAX);
	json_decref(answer);
	free(text);
	return written;
}

static const agent_verb *verb_find(const agent_verb *verbs, const char *name)
{
	for (; verbs->name != NULL; verbs++)
		if (name != NULL && strcmp(verbs->name, name) == 0)
			return verbs;
	return NULL;
}

static bool act(const agent_verb *verbs, void *context, bool own_machine, const json_t *request, agent_reply *reply)
{
	const char *name = json_string_value(json_object_get(request, "do"));
	const agent_verb *verb = verb_find(verbs, name);
	if (verb == NULL)
		return agent_refuse(reply, "unknown verb %.60s", name != NULL ? name : "(\"do\" is missing)");
	if (verb->machine && !own_machine)
		return agent_refuse(reply, "%s changes the machine, and this agent shares it with others", name);
	return verb->act(context, request, reply);
}

bool agent_serve(const agent_verb *verbs, void *context, bool own_machine, int fd, const char *line)
{
	json_error_t where;
	json_t *request = json_loads(line, JSON_REJECT_DUPLICATES, &where);
	agent_reply reply = { .body = json_object() };
	bool ok = json_is_object(request) && json_is_integer(json_object_get(request, "id"))
			  ? act(verbs, context, own_machine, request, &reply)
			  : agent_refuse(&reply, "not a JSON object with a whole number \"id\"");
	json_int_t id = json_integer_value(json_object_get(request, "id"));
	json_decref(request);
	return agent_answer(fd, id, reply.body, ok ? NULL : reply.error);
}
