/* SPDX-License-Identifier: MIT
 *
 * Overlays by qemu/image/copy-programs; see qvm_overlay.h. */
#define _GNU_SOURCE
#include "image/qvm_overlay.h"
#include "image/qvm_make.h"
#include "vm/qvm_program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY_NS UINT64_C(120000000000)

hv_err qvm_overlay_make(qvm_overlay *self, const char *const *programs, size_t n_programs)
{
	char text[300];
	const char *above = getenv("TMPDIR");
	qvm_args args = { 0 };
	*self = (qvm_overlay){ 0 };
	snprintf(self->folder, sizeof(self->folder), "%.200s/llfree-qemu.XXXXXX", above != NULL ? above : "/tmp");
	if (mkdtemp(self->folder) == NULL) {
		snprintf(self->why, sizeof(self->why), "%s: %s", self->folder, strerror(errno));
		self->folder[0] = '\0';
		return HV_ERR_SYSTEM;
	}
	qvm_make_begin(&args, "copy-programs");
	qvm_args_add(&args, "%s", self->folder);
	for (size_t at = 0; at < n_programs; at++)
		qvm_args_add(&args, "%s", programs[at]);
	int code = qvm_program_read(&args, text, sizeof(text), COPY_NS);
	qvm_args_clear(&args);
	if (code == 0)
		return HV_OK;
	snprintf(self->why, sizeof(self->why), "%s", code > 0 ? text : strerror(errno));
	qvm_overlay_remove(self);
	return HV_ERR_UNAVAILABLE;
}

void qvm_overlay_remove(qvm_overlay *self)
{
	char text[100];
	qvm_args args = { 0 };
	if (self->folder[0] == '\0')
		return;
	qvm_args_add(&args, "rm");
	qvm_args_add(&args, "-rf");
	qvm_args_add(&args, "--");
	qvm_args_add(&args, "%s", self->folder);
	if (qvm_program_read(&args, text, sizeof(text), COPY_NS) != 0)
		fprintf(stderr, "llfree-qemu: %s is left: %s\n", self->folder, text);
	qvm_args_clear(&args);
	self->folder[0] = '\0';
}
