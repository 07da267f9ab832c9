/* SPDX-License-Identifier: MIT
 *
 * Images by qemu/image/make-image, whose last line names the folder; see qvm_image.h. */
#define _GNU_SOURCE
#include "image/qvm_image.h"
#include "image/qvm_make.h"
#include "vm/qvm_program.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define COPY_NS UINT64_C(300000000000)

enum { LINE_BYTES = 8192 /* what a compiler says of a driver that does not build */ };

void qvm_own_path(char *path, size_t bytes, const char *installed, const char *built)
{
	char prefix[QVM_PATH_BYTES];
	ssize_t chars = readlink("/proc/self/exe", prefix, sizeof(prefix) - 1);
	prefix[chars > 0 ? chars : 0] = '\0';
	for (unsigned parts = 0; parts < 2; parts++) { /* the program and its folder */
		char *slash = strrchr(prefix, '/');
		if (slash != NULL)
			*slash = '\0';
	}
	snprintf(path, bytes, "%s/%s", prefix, installed);
	if (access(path, R_OK) != 0)
		snprintf(path, bytes, "%s", built);
	if (access(path, R_OK) != 0)
		snprintf(path, bytes, "%s/%s", QVM_PREFIX, installed);
}

static void option_add(qvm_args *args, const char *option, const char *value)
{
	if (value == NULL)
		return;
	qvm_args_add(args, "%s", option);
	qvm_args_add(args, "%s", value);
}

static bool exists(const char *folder, const char *name)
{
	char path[QVM_PATH_BYTES + 64];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return access(path, R_OK) == 0;
}

static hv_err image_open(qvm_image *self, const char *folder)
{
	char path[QVM_PATH_BYTES + 64];
	*self = (qvm_image){ 0 };
	if (strlen(folder) + 32 >= QVM_PATH_BYTES || !exists(folder, "vmlinuz") || !exists(folder, "initramfs")) {
		fprintf(stderr, "llfree-qemu: %s is no image: it lacks vmlinuz or initramfs\n", folder);
		return HV_ERR_UNAVAILABLE;
	}
	snprintf(self->folder, sizeof(self->folder), "%.900s", folder);
	snprintf(self->kernel, sizeof(self->kernel), "%.900s/%s", folder,
		 exists(folder, "vmlinux") ? "vmlinux" : "vmlinuz");
	snprintf(self->initrd, sizeof(self->initrd), "%.900s/initramfs", folder);
	snprintf(path, sizeof(path), "%.900s/release", folder);
	if (!hv_read_line(path, self->release, sizeof(self->release)))
		snprintf(self->release, sizeof(self->release), "unknown");
	self->driver = exists(folder, "with-driver");
	self->program = exists(folder, "with-program");
	return HV_OK;
}

/* The guest program and the driver's sources. */
static void parts_add(qvm_args *args)
{
	char path[QVM_PATH_BYTES];
	qvm_own_path(path, sizeof(path), QVM_LIBEXEC "/llfree-guest", QVM_BUILD_DIR "/guest/llfree-guest");
	if (access(path, X_OK) == 0)
		option_add(args, "--program", path);
	qvm_own_path(path, sizeof(path), QVM_DRIVER "/build-module", QVM_SOURCE_DIR "/guest-driver/build-module");
	if (access(path, X_OK) == 0)
		option_add(args, "--driver", path);
}

hv_err qvm_image_get(qvm_image *self, const qvm_image_wish *wish)
{
	char line[LINE_BYTES];
	qvm_args args = { 0 };
	if (wish->image != NULL)
		return image_open(self, wish->image);
	qvm_make_begin(&args, "make-image");
	parts_add(&args);
	option_add(&args, "--kernel", wish->kernel);
	option_add(&args, "--modules", wish->modules);
	option_add(&args, "--headers", wish->headers);
	option_add(&args, "--overlay", wish->overlay);
	if (wish->disk)
		qvm_args_add(&args, "--disk");
	hv_err err = qvm_make_run(&args, wish->verbose, line, sizeof(line));
	if (err == HV_OK)
		return image_open(self, line);
	fprintf(stderr, "llfree-qemu: no image: %s\n", line);
	return err;
}

hv_err qvm_image_copy(const qvm_image *self, const char *folder)
{
	char text[1024];
	qvm_args args = { 0 };
	if (access(folder, F_OK) == 0) {
		fprintf(stderr, "llfree-qemu: --output %s exists already; name another folder\n", folder);
		return HV_ERR_EXISTS;
	}
	qvm_args_add(&args, "cp");
	qvm_args_add(&args, "-rL");
	qvm_args_add(&args, "--");
	qvm_args_add(&args, "%s", self->folder);
	qvm_args_add(&args, "%s", folder);
	int code = qvm_program_read(&args, text, sizeof(text), COPY_NS);
	if (code != 0)
		fprintf(stderr, "llfree-qemu: --output %s: %s\n", folder, text);
	qvm_args_clear(&args);
	return code == 0 ? HV_OK : HV_ERR_SYSTEM;
}
