/* SPDX-License-Identifier: MIT
 *
 * QMP; see qvm_qmp.h. Answers carry the number of their command, and events come between them. */
#define _GNU_SOURCE
#include "vm/qvm_qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 16 << 20, READ_BYTES = 4096 };

/* The end of a path's first name: the rest after the dot, or NULL. */
static const cJSON *json_at(const cJSON *object, const char *path)
{
	char name[64];
	while (object != NULL && *path != '\0') {
		size_t chars = strcspn(path, ".");
		if (chars >= sizeof(name))
			return NULL;
		memcpy(name, path, chars);
		name[chars] = '\0';
		object = cJSON_GetObjectItemCaseSensitive(object, name);
		path += chars + (path[chars] == '.');
	}
	return object;
}

bool qvm_json_number(const cJSON *object, const char *path, double *value)
{
	const cJSON *item = json_at(object, path);
	if (!cJSON_IsNumber(item))
		return false;
	*value = item->valuedouble;
	return true;
}

const char *qvm_json_text(const cJSON *object, const char *path)
{
	const cJSON *item = json_at(object, path);
	return cJSON_IsString(item) ? item->valuestring : NULL;
}

static hv_err broken(qvm_qmp *self, const char *why)
{
	self->broken = true;
	snprintf(self->error, sizeof(self->error), "%s", why);
	return HV_ERR_GONE;
}

/* Wait for more of a line. */
static hv_err receive(qvm_qmp *self, uint64_t deadline_ns)
{
	if (self->line_room - self->line_bytes < READ_BYTES) {
		size_t room = self->line_room + self->line_room / 2 + 2 * (size_t)READ_BYTES;
		char *line = room <= LINE_MAX_BYTES ? realloc(self->line, room) : NULL;
		if (line == NULL)
			return broken(self, "a line without end from QEMU");
		self->line = line;
		self->line_room = room;
	}
	for (;;) {
		uint64_t now_ns = hv_now_ns(), left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
		struct timespec left = { (time_t)(left_ns / 1000000000u), (long)(left_ns % 1000000000u) };
		struct pollfd wanted = { .fd = self->fd, .events = POLLIN };
		int n_ready = ppoll(&wanted, 1, &left, NULL);
		if (n_ready == 0)
			return HV_ERR_TIMEOUT;
		if (n_ready < 0 && errno == EINTR)
			continue;
		ssize_t got = recv(self->fd, self->line + self->line_bytes, READ_BYTES, MSG_DONTWAIT);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return broken(self, "QEMU closed the connection");
		self->line_bytes += (size_t)got;
		return HV_OK;
	}
}

/* One object, the caller's to delete. */
static hv_err object_receive(qvm_qmp *self, cJSON **object, uint64_t deadline_ns)
{
	size_t looked_bytes = 0;
	if (self->broken)
		return HV_ERR_GONE;
	for (;;) {
		char *end = self->line_bytes > looked_bytes
				    ? memchr(self->line + looked_bytes, '\n', self->line_bytes - looked_bytes)
				    : NULL;
		if (end != NULL) {
			size_t used_bytes = (size_t)(end + 1 - self->line);
			*object = cJSON_ParseWithLength(self->line, used_bytes);
			self->line_bytes -= used_bytes;
			memmove(self->line, end + 1, self->line_bytes);
			if (cJSON_IsObject(*object))
				return HV_OK;
			cJSON_Delete(*object);
			return broken(self, "a line from QEMU is no JSON object");
		}
		looked_bytes = self->line_bytes;
		hv_err err = receive(self, deadline_ns);
		if (err != HV_OK)
			return err;
	}
}

/* Keep an event; what is neither an event nor awaited is the late answer to a command that was given up. */
static void event_keep(qvm_qmp *self, cJSON *object)
{
	if (qvm_json_text(object, "event") == NULL) {
		cJSON_Delete(object);
		return;
	}
	if (self->n_events == QVM_QMP_EVENTS_MAX) {
		cJSON_Delete(self->events[self->first_event]);
		self->first_event = (self->first_event + 1) % QVM_QMP_EVENTS_MAX;
		self->n_events--;
	}
	self->events[(self->first_event + self->n_events++) % QVM_QMP_EVENTS_MAX] = object;
}

static cJSON *event_take(qvm_qmp *self, const char *name)
{
	for (size_t at = 0; at < self->n_events; at++) {
		cJSON *event = self->events[(self->first_event + at) % QVM_QMP_EVENTS_MAX];
		if (name != NULL && strcmp(qvm_json_text(event, "event"), name) != 0)
			continue;
		for (size_t next = at + 1; next < self->n_events; next++)
			self->events[(self->first_event + next - 1) % QVM_QMP_EVENTS_MAX] =
				self->events[(self->first_event + next) % QVM_QMP_EVENTS_MAX];
		self->n_events--;
		return event;
	}
	return NULL;
}

static hv_err object_send(qvm_qmp *self, const cJSON *object)
{
	char *text = cJSON_PrintUnformatted(object);
	if (text == NULL)
		return HV_ERR_SYSTEM;
	size_t bytes = strlen(text);
	text[bytes] = '\n'; /* in place of the end: not used as text any more */
	for (size_t at = 0; at < bytes + 1;) {
		ssize_t sent = send(self->fd, text + at, bytes + 1 - at, MSG_NOSIGNAL);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0) {
			free(text);
			return broken(self, "QEMU closed the connection");
		}
		at += (size_t)sent;
	}
	free(text);
	return HV_OK;
}

/* Locked: one command and its answer. */
static hv_err execute(qvm_qmp *self, cJSON *request, uint64_t id, cJSON **answer, uint64_t deadline_ns)
{
	self->error[0] = '\0';
	hv_err err = self->broken ? broken(self, "QEMU closed the connection") : object_send(self, request);
	self->n_commands++;
	while (err == HV_OK) {
		cJSON *object;
		double answered;
		err = object_receive(self, &object, deadline_ns);
		if (err != HV_OK)
			break;
		if (!qvm_json_number(object, "id", &answered) || answered != (double)id) {
			event_keep(self, object);
			continue;
		}
		const char *text = qvm_json_text(object, "error.desc");
		cJSON *result = cJSON_DetachItemFromObjectCaseSensitive(object, "return");
		if (result == NULL)
			snprintf(self->error, sizeof(self->error), "%s",
				 text != NULL ? text : "an answer without text");
		err = result != NULL ? HV_OK : HV_ERR_INVAL;
		if (answer != NULL)
			*answer = result;
		else
			cJSON_Delete(result);
		cJSON_Delete(object);
		return err;
	}
	if (err == HV_ERR_TIMEOUT)
		snprintf(self->error, sizeof(self->error), "no answer from QEMU in time");
	return err;
}

hv_err qvm_qmp_execute(qvm_qmp *self, const char *command, cJSON *arguments, cJSON **answer, uint64_t timeout_ns)
{
	uint64_t deadline_ns = hv_now_ns() + timeout_ns;
	cJSON *request = cJSON_CreateObject();
	if (answer != NULL)
		*answer = NULL;
	cJSON_AddStringToObject(request, "execute", command);
	if (arguments != NULL)
		cJSON_AddItemToObject(request, "arguments", arguments);
	pthread_mutex_lock(&self->lock);
	uint64_t id = ++self->next_id;
	cJSON_AddNumberToObject(request, "id", (double)id);
	hv_err err = execute(self, request, id, answer, deadline_ns);
	pthread_mutex_unlock(&self->lock);
	cJSON_Delete(request);
	return err;
}

hv_err qvm_qmp_human(qvm_qmp *self, const char *line, char **text, uint64_t timeout_ns)
{
	cJSON *arguments = cJSON_CreateObject(), *answer = NULL;
	cJSON_AddStringToObject(arguments, "command-line", line);
	hv_err err = qvm_qmp_execute(self, "human-monitor-command", arguments, &answer, timeout_ns);
	*text = cJSON_IsString(answer) ? strdup(answer->valuestring) : NULL;
	cJSON_Delete(answer);
	return err == HV_OK && *text == NULL ? HV_ERR_INVAL : err;
}

hv_err qvm_qmp_event(qvm_qmp *self, const char *name, cJSON **event, uint64_t timeout_ns)
{
	uint64_t deadline_ns = hv_now_ns() + timeout_ns;
	hv_err err = HV_OK;
	pthread_mutex_lock(&self->lock);
	while ((*event = event_take(self, name)) == NULL) {
		cJSON *object;
		err = object_receive(self, &object, deadline_ns);
		if (err != HV_OK)
			break;
		event_keep(self, object);
	}
	pthread_mutex_unlock(&self->lock);
	return err;
}

hv_err qvm_qmp_open(qvm_qmp *self, int fd, uint64_t timeout_ns)
{
	uint64_t deadline_ns = hv_now_ns() + timeout_ns;
	static const char *const parts[] = { "QMP.version.qemu.major", "QMP.version.qemu.minor",
					     "QMP.version.qemu.micro" };
	cJSON *greeting = NULL;
	*self = (qvm_qmp){ .fd = fd };
	pthread_mutex_init(&self->lock, NULL);
	hv_err err = object_receive(self, &greeting, deadline_ns);
	for (size_t at = 0; err == HV_OK && at < sizeof(parts) / sizeof(parts[0]); at++) {
		double number;
		if (qvm_json_number(greeting, parts[at], &number) && number >= 0 && number < 10000)
			self->version[at] = (unsigned)number;
		else
			err = broken(self, "this is no QMP greeting");
	}
	cJSON_Delete(greeting);
	uint64_t now_ns = hv_now_ns();
	if (err == HV_OK)
		err = qvm_qmp_execute(self, "qmp_capabilities", NULL, NULL,
				      deadline_ns > now_ns ? deadline_ns - now_ns : 0);
	if (err != HV_OK) {
		self->fd = -1; /* still the caller's */
		qvm_qmp_close(self);
	}
	return err;
}

void qvm_qmp_close(qvm_qmp *self)
{
	for (size_t at = 0; at < self->n_events; at++)
		cJSON_Delete(self->events[(self->first_event + at) % QVM_QMP_EVENTS_MAX]);
	free(self->line);
	if (self->fd >= 0)
		close(self->fd);
	pthread_mutex_destroy(&self->lock);
	self->fd = -1;
	self->n_events = 0;
	self->line = NULL;
	self->line_bytes = self->line_room = 0;
	self->broken = true;
}
