/* SPDX-License-Identifier: MIT
 *
 * What every room of the simulator shares; see hv_base.h. Reads files of /proc and /sys, writes nothing, keeps no
 * state. */
#define _GNU_SOURCE
#include "base/hv_base.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *hv_err_text(hv_err err)
{
	static const char *const text[] = {
#define HV_ERR_TEXT(name, text) text,
		HV_ERRORS(HV_ERR_TEXT)
#undef HV_ERR_TEXT
	};
	return (unsigned)err < HV_ERR_COUNT ? text[err] : "unknown error";
}

uint64_t hv_now_ns(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void hv_sleep_ns(uint64_t ns)
{
	struct timespec left = { (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

bool hv_parse_bytes(const char *text, uint64_t *bytes)
{
	if (!isdigit((unsigned char)text[0]))
		return false;
	char *end;
	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	if (errno != 0)
		return false;
	unsigned shift = 0;
	if (*end != '\0') {
		const char *unit = strchr("KMGT", toupper((unsigned char)*end));
		if (unit != NULL) {
			shift = 10u * (unsigned)(unit - "KMGT" + 1);
			end++;
		}
	}
	if (shift != 0 && *end == 'i')
		end++;
	if (*end == 'B')
		end++;
	if (*end != '\0' || value > UINT64_MAX >> shift)
		return false;
	*bytes = value << shift;
	return true;
}

const char *hv_format_bytes(uint64_t bytes, char *text, size_t text_bytes)
{
	static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	double value = (double)bytes;
	unsigned idx = 0;
	while (value >= 1024 && idx < 4) {
		value /= 1024;
		idx++;
	}
	bool whole = value >= 100 || value == (double)(uint64_t)value;
	snprintf(text, text_bytes, whole ? "%.0f %s" : "%.1f %s", value, unit[idx]);
	return text;
}

uint64_t hv_mix(uint64_t value)
{
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

uint64_t hv_random(uint64_t *state)
{
	*state += UINT64_C(0x9e3779b97f4a7c15);
	return hv_mix(*state);
}

bool hv_read_line(const char *path, char *line, size_t line_bytes)
{
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return false;
	bool ok = fgets(line, (int)line_bytes, file) != NULL;
	fclose(file);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

bool hv_read_choice(const char *path, char *word, size_t word_bytes)
{
	char line[256];
	if (!hv_read_line(path, line, sizeof(line)))
		return false;
	char *open = strchr(line, '[');
	char *close = open != NULL ? strchr(open, ']') : NULL;
	if (close == NULL)
		return false;
	*close = '\0';
	snprintf(word, word_bytes, "%s", open + 1);
	return true;
}

uint64_t hv_meminfo_bytes(const char *field)
{
	FILE *file = fopen("/proc/meminfo", "re");
	if (file == NULL)
		return 0;
	char line[256];
	uint64_t kib = 0;
	size_t field_chars = strlen(field);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strncmp(line, field, field_chars) == 0 && line[field_chars] == ':') {
			kib = strtoull(line + field_chars + 1, NULL, 10);
			break;
		}
	}
	fclose(file);
	return kib << 10;
}
