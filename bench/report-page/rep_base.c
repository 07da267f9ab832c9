/* SPDX-License-Identifier: MIT
 *
 * Text, kept memory, files; see rep_base.h. */
#define _GNU_SOURCE
#include "rep_base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct kept {
	struct kept *next;
	max_align_t bytes[];
} kept;

static kept *all_kept;

static void *must(void *memory)
{
	if (memory == NULL) {
		fputs("llfree-report: out of memory\n", stderr);
		exit(REP_FAILED);
	}
	return memory;
}

void *rep_keep(size_t n_bytes)
{
	kept *block = must(calloc(1, sizeof(kept) + n_bytes));
	block->next = all_kept;
	all_kept = block;
	return block->bytes;
}

void rep_release(void)
{
	while (all_kept != NULL) {
		kept *next = all_kept->next;
		free(all_kept);
		all_kept = next;
	}
}

const char *rep_format(const char *format, ...)
{
	char *text;
	va_list arguments;
	va_start(arguments, format);
	int n_bytes = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (n_bytes < 0)
		must(NULL);
	char *copy = rep_keep((size_t)n_bytes + 1);
	memcpy(copy, text, (size_t)n_bytes + 1);
	free(text);
	return copy;
}

void rep_text_append(rep_text *text, const char *bytes, size_t n_bytes)
{
	if (text->n_bytes + n_bytes + 1 > text->capacity) {
		text->capacity = 2 * (text->n_bytes + n_bytes + 64);
		text->bytes = must(realloc(text->bytes, text->capacity));
	}
	if (n_bytes > 0)
		memcpy(text->bytes + text->n_bytes, bytes, n_bytes);
	text->n_bytes += n_bytes;
	text->bytes[text->n_bytes] = '\0';
}

void rep_text_add(rep_text *text, const char *format, ...)
{
	char *added;
	va_list arguments;
	va_start(arguments, format);
	int n_bytes = vasprintf(&added, format, arguments);
	va_end(arguments);
	if (n_bytes < 0)
		must(NULL);
	rep_text_append(text, added, (size_t)n_bytes);
	free(added);
}

void rep_text_clear(rep_text *text)
{
	free(text->bytes);
	*text = (rep_text){ 0 };
}

void *rep_grow(void *array, size_t n_used, size_t *capacity, size_t element_bytes)
{
	if (n_used < *capacity)
		return array;
	*capacity = *capacity > 0 ? 2 * *capacity : 16;
	void *grown = rep_keep(*capacity * element_bytes);
	if (n_used > 0)
		memcpy(grown, array, n_used * element_bytes);
	return grown;
}

char *rep_file_read(const char *path, size_t *n_bytes)
{
	rep_text text = { 0 };
	char part[1 << 14];
	size_t n_read;
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return NULL;
	while ((n_read = fread(part, 1, sizeof(part), file)) > 0)
		rep_text_append(&text, part, n_read);
	int failed = ferror(file);
	fclose(file);
	rep_text_append(&text, "", 0);
	char *copy = NULL;
	if (!failed) {
		copy = rep_keep(text.n_bytes + 1);
		memcpy(copy, text.bytes, text.n_bytes + 1);
		*n_bytes = text.n_bytes;
	}
	rep_text_clear(&text);
	return copy;
}

/* What may be replaced is replaced as a whole, so that no reader meets half of it. */
bool rep_file_write(const char *path, const char *bytes, size_t n_bytes, bool replace)
{
	const char *target = replace ? rep_format("%s.part", path) : path;
	int fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC | (replace ? O_TRUNC : O_EXCL), 0644);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
	bool ok = file != NULL && fwrite(bytes, 1, n_bytes, file) == n_bytes;
	if (file != NULL)
		ok = fclose(file) == 0 && ok;
	if (ok && replace)
		ok = rename(target, path) == 0;
	if (!ok)
		rep_complain("can't write %s: %s", path, strerror(errno));
	return ok;
}

void rep_complain(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("llfree-report: ", stderr);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
}
