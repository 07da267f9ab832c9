/* SPDX-License-Identifier: MIT
 *
 * Checks of traces; see trace_check.h. Bounds are generous: a tree may have 16 TiB, a run of samples years. */
#include "trace/trace_check.h"

#include <stdlib.h>

enum { VCPUS_MAX = 256, ORDER_MAX = 9, PROCESSES_MAX = 1 << 22 };
#define FRAMES_MAX (UINT64_C(1) << 32)
#define TIME_MAX   (UINT64_C(1) << 50)

struct hv_trace_checker {
	hv_trace_head head;
	uint64_t now_us, anon_frames;
	uint64_t held[VCPUS_MAX];
};

hv_trace_checker *hv_trace_checker_open(const hv_trace_head *head, char *why, size_t why_bytes)
{
	bool guest = head->kind == HV_TRACE_GUEST;
	snprintf(why, why_bytes, "not enough memory");
	if (!guest && head->kind != HV_TRACE_PROCESSES)
		snprintf(why, why_bytes, "kind %u is unknown; known: 1 (processes), 2 (guest)", (unsigned)head->kind);
	else if (guest && (head->n_vcpus == 0 || head->n_vcpus > VCPUS_MAX))
		snprintf(why, why_bytes, "%llu vCPUs; allowed: 1 to %d", (unsigned long long)head->n_vcpus, VCPUS_MAX);
	else if (guest && (head->memory_bytes == 0 || head->memory_bytes % HV_HUGE_BYTES != 0 ||
			   head->memory_bytes / HV_FRAME_BYTES > FRAMES_MAX))
		snprintf(why, why_bytes, "a memory of %llu bytes; allowed: multiples of 2 MiB up to 16 TiB",
			 (unsigned long long)head->memory_bytes);
	else if (guest && head->order > ORDER_MAX)
		snprintf(why, why_bytes, "order %llu; allowed: 0 to %d", (unsigned long long)head->order, ORDER_MAX);
	else {
		hv_trace_checker *self = calloc(1, sizeof(*self));
		if (self != NULL)
			self->head = *head;
		return self;
	}
	return NULL;
}

static const char *sample_wrong(hv_trace_checker *self, const uint64_t *fields)
{
	if (fields[0] > TIME_MAX - self->now_us)
		return "its time runs over";
	if (fields[1] > FRAMES_MAX || fields[2] > self->anon_frames + fields[1])
		return "more memory went than there was";
	if (fields[3] > FRAMES_MAX || fields[4] > FRAMES_MAX)
		return "more file memory than any machine has";
	if (fields[5] > PROCESSES_MAX || fields[6] > PROCESSES_MAX)
		return "more processes than any machine has";
	self->now_us += fields[0];
	self->anon_frames += fields[1] - fields[2];
	return self->anon_frames > FRAMES_MAX ? "more memory than any machine has" : NULL;
}

static const char *get_wrong(hv_trace_checker *self, const uint64_t *fields)
{
	uint64_t frames = self->head.memory_bytes / HV_FRAME_BYTES;
	if (fields[0] >= self->head.n_vcpus)
		return "a vCPU that the head does not have";
	if (fields[1] > ORDER_MAX)
		return "an order above 9";
	if (fields[2] == 0)
		return NULL;
	uint64_t frame = fields[2] - 1, n_frames = UINT64_C(1) << fields[1];
	if (frame >= frames || n_frames > frames - frame || frame % n_frames != 0)
		return "a frame outside of the memory, or not aligned to its order";
	self->held[fields[0]]++;
	return NULL;
}

static const char *put_wrong(hv_trace_checker *self, const uint64_t *fields)
{
	if (fields[0] >= self->head.n_vcpus)
		return "a vCPU that the head does not have";
	if (fields[1] >= self->held[fields[0]])
		return "frees what its vCPU does not hold";
	self->held[fields[0]]--;
	return NULL;
}

static const char *event_wrong(hv_trace_checker *self, const hv_trace_event *event)
{
	bool of_guest = event->tag >= HV_TRACE_GET;
	if (of_guest != (self->head.kind == HV_TRACE_GUEST))
		return "does not belong into a trace of this kind";
	switch (event->tag) {
	case HV_TRACE_SAMPLE:
		return sample_wrong(self, event->fields);
	case HV_TRACE_EXITED:
		return event->fields[0] > TIME_MAX || event->fields[1] > FRAMES_MAX ? "an impossible process" : NULL;
	case HV_TRACE_GET:
		return get_wrong(self, event->fields);
	case HV_TRACE_PUT:
		return put_wrong(self, event->fields);
	case HV_TRACE_LIMIT:
		return event->fields[0] > self->head.memory_bytes ? "a limit above the memory" : NULL;
	case HV_TRACE_PASS:
	case HV_TRACE_END:
	case HV_TRACE_TAG_COUNT:
		break;
	}
	return NULL;
}

bool hv_trace_checker_event(hv_trace_checker *self, const hv_trace_event *event, char *why, size_t why_bytes)
{
	const char *wrong = event_wrong(self, event);
	if (wrong != NULL)
		snprintf(why, why_bytes, "%s", wrong);
	return wrong == NULL;
}

void hv_trace_checker_close(hv_trace_checker *self)
{
	free(self);
}
