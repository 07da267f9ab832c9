/* SPDX-License-Identifier: MIT
 *
 * Traces: encoding and decoding; see trace.h. What events may say is checked in trace_check.c. */
#define _GNU_SOURCE
#include "trace/trace.h"
#include "trace/trace_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VERSION = 1, MAGIC_BYTES = 8, CRC_BYTES = 4, VARINT_BYTES_MAX = 10 };
#define FILE_BYTES_MAX (UINT64_C(1) << 30)

static const char magic[MAGIC_BYTES + 1] = "LLFTRACE";

static const uint8_t n_fields[HV_TRACE_TAG_COUNT] = {
#define HV_TRACE_COUNT(name, n_fields) n_fields,
	HV_TRACE_TAGS(HV_TRACE_COUNT)
#undef HV_TRACE_COUNT
};

static uint32_t crc_add(uint32_t crc, const uint8_t *bytes, size_t n_bytes)
{
	crc = ~crc;
	for (size_t at = 0; at < n_bytes; at++) {
		crc ^= bytes[at];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
	}
	return ~crc;
}

static void put_bytes(hv_trace_writer *self, const void *bytes, size_t n_bytes)
{
	self->crc = crc_add(self->crc, bytes, n_bytes);
	self->failed = fwrite(bytes, 1, n_bytes, self->file) != n_bytes || self->failed;
}

static void put_varint(hv_trace_writer *self, uint64_t value)
{
	uint8_t bytes[VARINT_BYTES_MAX];
	size_t n_bytes = 0;
	do {
		bytes[n_bytes] = (uint8_t)(value & 0x7f);
		value >>= 7;
		bytes[n_bytes++] |= value != 0 ? 0x80 : 0;
	} while (value != 0);
	put_bytes(self, bytes, n_bytes);
}

static void put_text(hv_trace_writer *self, const char *text)
{
	uint8_t n_bytes = (uint8_t)strnlen(text, HV_TRACE_TEXT_MAX - 1);
	put_bytes(self, &n_bytes, 1);
	put_bytes(self, text, n_bytes);
}

hv_err hv_trace_create(hv_trace_writer *self, const char *path, const hv_trace_head *head)
{
	*self = (hv_trace_writer){ .file = fopen(path, "wxe") };
	if (self->file == NULL)
		return errno == EEXIST ? HV_ERR_EXISTS : HV_ERR_SYSTEM;
	uint8_t begin[2] = { VERSION, (uint8_t)head->kind };
	put_bytes(self, magic, MAGIC_BYTES);
	put_bytes(self, begin, sizeof(begin));
	put_varint(self, head->seed);
	put_varint(self, head->memory_bytes);
	put_varint(self, head->n_vcpus);
	put_varint(self, head->order);
	put_text(self, head->technique);
	put_text(self, head->allocator);
	put_text(self, head->origin);
	return HV_OK;
}

void hv_trace_add(hv_trace_writer *self, const hv_trace_event *event)
{
	uint8_t tag = (uint8_t)event->tag;
	put_bytes(self, &tag, 1);
	for (size_t at = 0; at < n_fields[event->tag]; at++)
		put_varint(self, event->fields[at]);
	self->n_events++;
}

hv_err hv_trace_finish(hv_trace_writer *self)
{
	uint8_t end = HV_TRACE_END;
	put_bytes(self, &end, 1);
	put_varint(self, self->n_events);
	uint8_t crc[CRC_BYTES] = { (uint8_t)self->crc, (uint8_t)(self->crc >> 8), (uint8_t)(self->crc >> 16),
				   (uint8_t)(self->crc >> 24) };
	put_bytes(self, crc, sizeof(crc));
	bool ok = fclose(self->file) == 0 && !self->failed;
	self->file = NULL;
	return ok ? HV_OK : HV_ERR_SYSTEM;
}

void hv_trace_abandon(hv_trace_writer *self, const char *path)
{
	fclose(self->file);
	self->file = NULL;
	unlink(path);
}

/* All reads below stop before the checksum. */
static bool get_varint(hv_trace *self, uint64_t *value)
{
	*value = 0;
	for (unsigned shift = 0; shift < 7 * VARINT_BYTES_MAX; shift += 7) {
		if (self->at >= self->n_bytes)
			return false;
		uint8_t byte = self->bytes[self->at++];
		if (shift == 63 && byte > 1)
			return false;
		*value |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return true;
	}
	return false;
}

static bool get_text(hv_trace *self, char *text)
{
	if (self->at >= self->n_bytes || self->bytes[self->at] > self->n_bytes - self->at - 1)
		return false;
	uint8_t n_bytes = self->bytes[self->at++];
	memcpy(text, self->bytes + self->at, n_bytes);
	text[n_bytes] = '\0';
	for (size_t at = 0; at < n_bytes; at++) /* it gets printed */
		if ((uint8_t)text[at] < 0x20 || (uint8_t)text[at] > 0x7e)
			text[at] = '?';
	self->at += n_bytes;
	return true;
}

static bool get_head(hv_trace *self)
{
	hv_trace_head *head = &self->head;
	self->at = MAGIC_BYTES + 2;
	head->kind = (hv_trace_kind)self->bytes[MAGIC_BYTES + 1];
	return get_varint(self, &head->seed) && get_varint(self, &head->memory_bytes) &&
	       get_varint(self, &head->n_vcpus) && get_varint(self, &head->order) && get_text(self, head->technique) &&
	       get_text(self, head->allocator) && get_text(self, head->origin);
}

static bool get_event(hv_trace *self, hv_trace_event *event)
{
	*event = (hv_trace_event){ .tag = HV_TRACE_END };
	if (self->at >= self->n_bytes || self->bytes[self->at] >= HV_TRACE_TAG_COUNT)
		return false;
	event->tag = (hv_trace_tag)self->bytes[self->at++];
	for (size_t at = 0; at < n_fields[event->tag]; at++)
		if (!get_varint(self, &event->fields[at]))
			return false;
	return true;
}

static hv_err load(hv_trace *self, const char *path, char *why, size_t why_bytes)
{
	FILE *file = fopen(path, "re");
	size_t room = 0;
	if (file == NULL) {
		snprintf(why, why_bytes, "%s", strerror(errno));
		return HV_ERR_SYSTEM;
	}
	hv_err err = HV_OK;
	for (;;) {
		if (self->n_bytes == room) {
			room = room == 0 ? 65536 : 2 * room;
			uint8_t *bytes = room <= FILE_BYTES_MAX ? realloc(self->bytes, room) : NULL;
			if (bytes == NULL) {
				snprintf(why, why_bytes, "larger than a trace may be (1 GiB)");
				err = HV_ERR_INVAL;
				break;
			}
			self->bytes = bytes;
		}
		size_t n_read = fread(self->bytes + self->n_bytes, 1, room - self->n_bytes, file);
		if (n_read == 0)
			break;
		self->n_bytes += n_read;
	}
	if (err == HV_OK && ferror(file)) {
		snprintf(why, why_bytes, "%s", strerror(errno));
		err = HV_ERR_SYSTEM;
	}
	fclose(file);
	return err;
}

/* Frame of the file: magic, version, checksum. What is left are the bytes before the checksum. */
static bool frame_check(hv_trace *self, char *why, size_t why_bytes)
{
	if (self->n_bytes < MAGIC_BYTES || memcmp(self->bytes, magic, MAGIC_BYTES) != 0)
		snprintf(why, why_bytes, "not a trace: it does not begin with %s", magic);
	else if (self->n_bytes < MAGIC_BYTES + 2 + CRC_BYTES)
		snprintf(why, why_bytes, "truncated: it ends in its head");
	else if (self->bytes[MAGIC_BYTES] != VERSION)
		snprintf(why, why_bytes, "version %u; this program reads version %u", self->bytes[MAGIC_BYTES],
			 VERSION);
	else {
		self->n_bytes -= CRC_BYTES;
		const uint8_t *end = self->bytes + self->n_bytes;
		uint32_t crc =
			(uint32_t)end[0] | (uint32_t)end[1] << 8 | (uint32_t)end[2] << 16 | (uint32_t)end[3] << 24;
		if (crc == crc_add(0, self->bytes, self->n_bytes))
			return true;
		snprintf(why, why_bytes, "truncated or damaged: its checksum is wrong");
	}
	return false;
}

/* Walk to the end: every event complete and possible, as many as the end says, nothing behind it. */
static bool events_check(hv_trace *self, char *why, size_t why_bytes)
{
	hv_trace_event event;
	uint64_t n_said;
	hv_trace_checker *checker = hv_trace_checker_open(&self->head, why, why_bytes);
	bool ok = checker != NULL;
	for (self->n_events = 0; ok; self->n_events++) {
		size_t at = self->at;
		char what[160] = "incomplete, or of an unknown tag";
		ok = get_event(self, &event);
		if (ok && event.tag == HV_TRACE_END)
			break;
		ok = ok && hv_trace_checker_event(checker, &event, what, sizeof(what));
		if (!ok)
			snprintf(why, why_bytes, "event %llu at byte %zu: %s", (unsigned long long)self->n_events, at,
				 what);
	}
	hv_trace_checker_close(checker);
	if (ok && (!get_varint(self, &n_said) || n_said != self->n_events || self->at != self->n_bytes)) {
		snprintf(why, why_bytes, "its end does not fit its %llu events", (unsigned long long)self->n_events);
		ok = false;
	}
	return ok;
}

hv_err hv_trace_open(hv_trace *self, const char *path, char *why, size_t why_bytes)
{
	*self = (hv_trace){ 0 };
	hv_err err = load(self, path, why, why_bytes);
	if (err == HV_OK && !frame_check(self, why, why_bytes))
		err = HV_ERR_INVAL;
	if (err == HV_OK && !get_head(self)) {
		snprintf(why, why_bytes, "its head is incomplete");
		err = HV_ERR_INVAL;
	}
	self->events_at = self->at;
	if (err == HV_OK && !events_check(self, why, why_bytes))
		err = HV_ERR_INVAL;
	hv_trace_rewind(self);
	if (err != HV_OK)
		hv_trace_close(self);
	return err;
}

void hv_trace_close(hv_trace *self)
{
	free(self->bytes);
	*self = (hv_trace){ 0 };
}

bool hv_trace_next(hv_trace *self, hv_trace_event *event)
{
	return get_event(self, event) && event->tag != HV_TRACE_END;
}

void hv_trace_rewind(hv_trace *self)
{
	self->at = self->events_at;
}
