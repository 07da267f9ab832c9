/* SPDX-License-Identifier: MIT
 *
 * Courses out of traces; see qvm_course.h. */
#include "scenario/shared/qvm_course.h"
#include "trace/trace.h"

#include <stdio.h>
#include <stdlib.h>

/* Fields of a sample, see trace/trace.h. */
enum { FIELD_US, FIELD_CAME, FIELD_WENT, FIELD_FILES, FIELD_CACHE };

hv_err qvm_course_read(qvm_course *self, const char *path, char *why, size_t why_bytes)
{
	hv_trace trace;
	hv_trace_event event;
	qvm_course_point now = { 0 };
	*self = (qvm_course){ 0 };
	hv_err err = hv_trace_open(&trace, path, why, why_bytes);
	if (err != HV_OK)
		return err;
	snprintf(self->origin, sizeof(self->origin), "%s", trace.head.origin);
	while (hv_trace_next(&trace, &event)) {
		if (event.tag != HV_TRACE_SAMPLE)
			continue;
		now.at_ns += event.fields[FIELD_US] * 1000;
		now.anon_bytes += (event.fields[FIELD_CAME] - event.fields[FIELD_WENT]) * HV_FRAME_BYTES;
		uint64_t cache_bytes = (event.fields[FIELD_FILES] + event.fields[FIELD_CACHE]) * HV_FRAME_BYTES;
		/* nothing drops it meanwhile */
		now.cache_bytes = cache_bytes > now.cache_bytes ? cache_bytes : now.cache_bytes;
		if (!qvm_course_add(self, &now))
			break;
	}
	bool processes = trace.head.kind == HV_TRACE_PROCESSES && self->n_points > 1;
	hv_trace_close(&trace);
	if (processes)
		return HV_OK;
	snprintf(why, why_bytes, "it holds no processes over time; hvsim record -- COMMAND makes such a trace");
	qvm_course_clear(self);
	return HV_ERR_INVAL;
}

bool qvm_course_add(qvm_course *self, const qvm_course_point *point)
{
	if (self->n_points == self->room) {
		size_t room = self->room == 0 ? 256 : 2 * self->room;
		qvm_course_point *points = realloc(self->points, room * sizeof(*points));
		if (points == NULL)
			return false;
		self->points = points;
		self->room = room;
	}
	self->points[self->n_points++] = *point;
	return true;
}

hv_err qvm_course_write(const qvm_course *self, const char *path, uint64_t memory_bytes, uint64_t n_vcpus)
{
	hv_trace_head head = { .kind = HV_TRACE_PROCESSES, .memory_bytes = memory_bytes, .n_vcpus = n_vcpus };
	hv_trace_writer writer;
	uint64_t before_us = 0, before_frames = 0;
	snprintf(head.origin, sizeof(head.origin), "%s", self->origin);
	hv_err err = hv_trace_create(&writer, path, &head);
	if (err != HV_OK)
		return err;
	for (size_t at = 0; at < self->n_points; at++) {
		const qvm_course_point *point = &self->points[at];
		uint64_t us = point->at_ns / 1000, frames = point->anon_bytes / HV_FRAME_BYTES;
		hv_trace_event event = { .tag = HV_TRACE_SAMPLE };
		event.fields[FIELD_US] = us - before_us;
		event.fields[FIELD_CAME] = frames > before_frames ? frames - before_frames : 0;
		event.fields[FIELD_WENT] = frames < before_frames ? before_frames - frames : 0;
		event.fields[FIELD_CACHE] = point->cache_bytes / HV_FRAME_BYTES;
		hv_trace_add(&writer, &event);
		before_us = us;
		before_frames = frames;
	}
	return hv_trace_finish(&writer);
}

uint64_t qvm_course_peak(const qvm_course *self)
{
	uint64_t highest = 0;
	for (size_t at = 0; at < self->n_points; at++) {
		uint64_t bytes = self->points[at].anon_bytes + self->points[at].cache_bytes;
		highest = bytes > highest ? bytes : highest;
	}
	return highest;
}

uint64_t qvm_course_end(const qvm_course *self)
{
	return self->n_points > 0 ? self->points[self->n_points - 1].at_ns : 0;
}

void qvm_course_scale(qvm_course *self, uint64_t peak_bytes, uint64_t whole_ns)
{
	uint64_t highest = qvm_course_peak(self), last_ns = qvm_course_end(self);
	highest = highest > 0 ? highest : 1;
	double memory = (double)peak_bytes / (double)highest;
	double time = last_ns > 0 ? (double)whole_ns / (double)last_ns : 0;
	for (size_t at = 0; at < self->n_points; at++) {
		qvm_course_point *point = &self->points[at];
		point->at_ns = (uint64_t)((double)point->at_ns * time);
		point->anon_bytes = (uint64_t)((double)point->anon_bytes * memory);
		point->cache_bytes = (uint64_t)((double)point->cache_bytes * memory);
	}
}

void qvm_course_clear(qvm_course *self)
{
	free(self->points);
	*self = (qvm_course){ 0 };
}
