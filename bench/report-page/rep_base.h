/* SPDX-License-Identifier: MIT
 *
 * llfree-report, the ground: growing text, and memory that is kept until the program ends (what is read from results is
 * referred to from everywhere, so nothing is freed one by one). Out of memory ends the program with 1. */
#ifndef REP_BASE_H
#define REP_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REP_PRINTF(format_at, first_at) __attribute__((format(printf, format_at, first_at)))

enum { REP_OK = 0, REP_FAILED = 1, REP_USAGE = 2, REP_DIFFERENT = 3 };

/** Zeroed memory that lives until rep_release(). */
void *rep_keep(size_t n_bytes);
/** A text made by printf's rules, kept. */
const char *rep_format(const char *format, ...) REP_PRINTF(1, 2);
/** Free all that was kept. */
void rep_release(void);

/** Text that grows. {0} is empty; bytes are NULL until something was added. */
typedef struct rep_text {
	char *bytes;
	size_t n_bytes, capacity;
} rep_text;

void rep_text_add(rep_text *text, const char *format, ...) REP_PRINTF(2, 3);
void rep_text_append(rep_text *text, const char *bytes, size_t n_bytes);
void rep_text_clear(rep_text *text);

/** An array that grows: makes room for one more element. @return the array, maybe moved; kept */
void *rep_grow(void *array, size_t n_used, size_t *capacity, size_t element_bytes);

/** Read a whole file, zero-terminated, kept. @return NULL and errno */
char *rep_file_read(const char *path, size_t *n_bytes);
/** Write a file that does not exist yet (or, with replace, one that may), and say so if that fails. */
bool rep_file_write(const char *path, const char *bytes, size_t n_bytes, bool replace);

/** "llfree-report: ..." on stderr. */
void rep_complain(const char *format, ...) REP_PRINTF(1, 2);

#endif
