/* SPDX-License-Identifier: MIT
 *
 * Scripts that make things; see qvm_make.h. */
#define _GNU_SOURCE
#include "image/qvm_make.h"
#include "image/qvm_image.h"
#include "vm/qvm_program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAKE_NS UINT64_C(1800000000000)

enum { OUTPUT_BYTES = 16384 };

void qvm_make_begin(qvm_args *args, const char *script)
{
	char installed[100], built[QVM_PATH_BYTES], path[QVM_PATH_BYTES];
	snprintf(installed, sizeof(installed), "%s/image/%.40s", QVM_LIBEXEC, script);
	snprintf(built, sizeof(built), "%s/image/%.40s", QVM_SOURCE_DIR, script);
	qvm_own_path(path, sizeof(path), installed, built);
	qvm_args_add(args, "%s", path);
}

static void newlines_cut(char *text)
{
	size_t chars = strlen(text);
	while (chars > 0 && text[chars - 1] == '\n')
		text[--chars] = '\0';
}

static const char *last_line(const char *text)
{
	const char *before = strrchr(text, '\n');
	return before != NULL ? before + 1 : text;
}

hv_err qvm_make_run(qvm_args *args, bool verbose, char *line, size_t line_bytes)
{
	char *text = malloc(OUTPUT_BYTES);
	int progress_fd = verbose ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10) : -1;
	if (progress_fd >= 0)
		qvm_args_add(args, "--progress=%d", qvm_args_fd(args, progress_fd));
	int code = text != NULL ? qvm_program_read(args, text, OUTPUT_BYTES, MAKE_NS) : -1;
	if (progress_fd >= 0)
		close(progress_fd);
	if (code >= 0)
		newlines_cut(text);
	if (code == 0)
		snprintf(line, line_bytes, "%s", last_line(text));
	else if (code > 0)
		snprintf(line, line_bytes, "%s", text[0] != '\0' ? text : "it failed, and said nothing");
	else
		snprintf(line, line_bytes, "%s: %s", args->argv[0] != NULL ? args->argv[0] : "", strerror(errno));
	free(text);
	qvm_args_clear(args);
	return code == 0 ? HV_OK : HV_ERR_UNAVAILABLE;
}
