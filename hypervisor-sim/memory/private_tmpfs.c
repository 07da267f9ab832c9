/* SPDX-License-Identifier: MIT
 *
 * The child that mounts; see private_tmpfs.h. It is forked from a process that may have threads, so it makes system
 * calls only. */
#define _GNU_SOURCE
#include "memory/private_tmpfs.h"
#include "base/hv_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the child sends besides the descriptor. */
typedef struct reply {
	int step; /* of step_table, where it failed */
	int error;
} reply;

enum { STEP_UNSHARE, STEP_MAP, STEP_PRIVATE, STEP_MOUNT, STEP_FILE, STEP_SEND };

static const char *const step_table[] = {
	[STEP_UNSHARE] = "unshare (user and mount namespace)",
	[STEP_MAP] = "mapping our user into the namespace",
	[STEP_PRIVATE] = "making mounts private",
	[STEP_MOUNT] = "mount -t tmpfs -o huge=always",
	[STEP_FILE] = "making a file on it",
	[STEP_SEND] = "a child process",
};

/* All that the child needs, made before the fork. */
typedef struct mount_plan {
	bool user_namespace;
	char uid_map[64], gid_map[64], options[64];
	off_t bytes;
} mount_plan;

static bool file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* @return the descriptor; -1 with the step that failed */
static int child_make(const mount_plan *self, int *step)
{
	*step = STEP_UNSHARE;
	if (unshare(CLONE_NEWNS | (self->user_namespace ? CLONE_NEWUSER : 0)) != 0)
		return -1;
	*step = STEP_MAP;
	if (self->user_namespace &&
	    (!file_write("/proc/self/setgroups", "deny") || !file_write("/proc/self/uid_map", self->uid_map) ||
	     !file_write("/proc/self/gid_map", self->gid_map)))
		return -1;
	*step = STEP_PRIVATE;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return -1;
	*step = STEP_MOUNT;
	/* any directory will do: nobody else sees what lies on it now */
	if (mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, self->options) != 0)
		return -1;
	*step = STEP_FILE;
	int fd = open("/proc", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, self->bytes) != 0)
		return -1;
	return fd;
}

static void plan_make(mount_plan *self, uint64_t bytes)
{
	self->user_namespace = geteuid() != 0;
	self->bytes = (off_t)bytes;
	snprintf(self->uid_map, sizeof(self->uid_map), "%u %u 1", geteuid(), geteuid());
	snprintf(self->gid_map, sizeof(self->gid_map), "%u %u 1", getegid(), getegid());
	snprintf(self->options, sizeof(self->options), "huge=always,mode=0700,size=%" PRIu64,
		 bytes + (uint64_t)HV_HUGE_BYTES);
}

int hv_private_tmpfs_file(uint64_t bytes, const char **failed_call)
{
	mount_plan plan;
	int ends[2];
	plan_make(&plan, bytes);
	*failed_call = step_table[STEP_SEND];
	if (!hv_socket_pair(ends))
		return -1;
	pid_t pid = fork();
	if (pid == 0) {
		reply answer = { 0 };
		int fd = child_make(&plan, &answer.step);
		answer.error = errno;
		_exit(hv_socket_send(ends[1], &answer, sizeof(answer), &fd, fd >= 0) ? 0 : 1);
	}
	close(ends[1]);
	reply answer = { STEP_SEND, errno };
	int fd = -1;
	size_t n_fds = 1;
	if (pid > 0 && !hv_socket_receive(ends[0], &answer, sizeof(answer), &fd, &n_fds, UINT64_MAX / 2))
		answer = (reply){ STEP_SEND, ECHILD };
	close(ends[0]);
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	*failed_call = step_table[answer.step];
	errno = answer.error;
	return fd;
}
