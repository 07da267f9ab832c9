/* SPDX-License-Identifier: MIT
 *
 * Disks; see qvm_disk.h. */
#define _GNU_SOURCE
#include "image/qvm_disk.h"
#include "image/qvm_make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

hv_err qvm_disk_get(char *path, size_t path_bytes, bool verbose, char *why, size_t why_bytes)
{
	char line[QVM_PATH_BYTES];
	qvm_args args = { 0 };
	qvm_make_begin(&args, "make-disk");
	hv_err err = qvm_make_run(&args, verbose, line, sizeof(line));
	snprintf(err == HV_OK ? path : why, err == HV_OK ? path_bytes : why_bytes, "%s", line);
	return err;
}

/* A file without a name; where a file system has no such files, one that loses its name at once. */
static int unnamed_open(void)
{
	char name[300];
	const char *folder = getenv("TMPDIR");
	if (folder == NULL || folder[0] == '\0')
		folder = "/tmp";
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	snprintf(name, sizeof(name), "%.200s/llfree-qemu.XXXXXX", folder);
	fd = mkostemp(name, O_CLOEXEC);
	if (fd >= 0)
		unlink(name);
	return fd;
}

/* The next run of data from here; false: none, or an error. */
static bool data_copy(int from, int to, off_t *at, off_t end)
{
	off_t begin = lseek(from, *at, SEEK_DATA);
	if (begin < 0) {
		*at = end;
		return errno == ENXIO; /* a hole up to the end */
	}
	off_t hole = lseek(from, begin, SEEK_HOLE);
	if (hole < 0 || lseek(to, begin, SEEK_SET) < 0)
		return false;
	for (*at = begin; *at < hole;) {
		ssize_t bytes = sendfile(to, from, at, (size_t)(hole - *at));
		if (bytes == 0)
			errno = EIO; /* it became smaller meanwhile */
		if (bytes <= 0 && errno != EINTR)
			return false;
	}
	return true;
}

int qvm_disk_copy(const char *path)
{
	struct stat stat;
	off_t at = 0;
	int from = open(path, O_RDONLY | O_CLOEXEC);
	if (from < 0)
		return -1;
	int to = unnamed_open();
	bool ok = to >= 0 && fstat(from, &stat) == 0 && ftruncate(to, stat.st_size) == 0;
	while (ok && at < stat.st_size)
		ok = data_copy(from, to, &at, stat.st_size);
	int error = errno;
	close(from);
	if (!ok && to >= 0)
		close(to);
	errno = error;
	return ok ? to : -1;
}
