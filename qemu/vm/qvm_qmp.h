/* SPDX-License-Identifier: MIT
 *
 * QMP: commands to a QEMU over a unix socket, each with a time limit, and its events. One thread at a time has a
 * command under way; others wait for their turn. What comes in is QEMU's, and is checked all the same: a line that is
 * no JSON object, or longer than a limit, ends the connection. */
#ifndef QVM_QMP_H
#define QVM_QMP_H

#include "base/hv_base.h"

#include <cjson/cJSON.h>
#include <pthread.h>

enum { QVM_QMP_EVENTS_MAX = 64 };

typedef struct qvm_qmp {
	int fd;
	pthread_mutex_t lock; /**< protects all below */
	char *line;           /**< what was received and not used yet */
	size_t line_bytes, line_room;
	uint64_t next_id;
	cJSON *events[QVM_QMP_EVENTS_MAX]; /**< a ring; the oldest is dropped when it is full */
	size_t first_event, n_events;
	uint64_t n_commands; /**< sent since the start */
	bool broken;
	unsigned version[3];
	char error[200]; /**< why the last command failed, for people */
} qvm_qmp;

/** Take over a connected socket; wait for the greeting and enter command mode. @return HV_OK; HV_ERR_TIMEOUT;
 *  HV_ERR_GONE the other end closed; HV_ERR_SYSTEM */
HV_MUST_CHECK hv_err qvm_qmp_open(qvm_qmp *self, int fd, uint64_t timeout_ns);
void qvm_qmp_close(qvm_qmp *self);

/** Execute. Any thread.
 *  @param arguments  consumed, also on error; NULL = none
 *  @param answer  what QEMU returned, the caller's to delete; may be NULL
 *  @return HV_OK; HV_ERR_INVAL QEMU said no (self->error: its words); HV_ERR_TIMEOUT; HV_ERR_GONE */
HV_MUST_CHECK hv_err qvm_qmp_execute(qvm_qmp *self, const char *command, cJSON *arguments, cJSON **answer,
				     uint64_t timeout_ns);
/** A command of the human monitor; its text is the caller's to free. */
HV_MUST_CHECK hv_err qvm_qmp_human(qvm_qmp *self, const char *line, char **text, uint64_t timeout_ns);
/** Take the oldest event of this name (NULL: any), waiting for one if need be; 0 = only what is there.
 *  @param event  the caller's to delete  @return HV_OK; HV_ERR_TIMEOUT; HV_ERR_GONE */
HV_MUST_CHECK hv_err qvm_qmp_event(qvm_qmp *self, const char *name, cJSON **event, uint64_t timeout_ns);

/** A number or text of an object in an object: path "a.b". @return false when it is not there or of another kind */
HV_MUST_CHECK bool qvm_json_number(const cJSON *object, const char *path, double *value);
const char *qvm_json_text(const cJSON *object, const char *path); /**< NULL as above */

#endif
