/* SPDX-License-Identifier: MIT
 *
 * Other programs; see qvm_program.h. Between fork and exec only system calls are made. */
#define _GNU_SOURCE
#include "vm/qvm_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the shell would find it. */
static char *program_path(const char *name)
{
	const char *folders = getenv("PATH");
	char path[1024];
	if (strchr(name, '/') != NULL)
		return access(name, X_OK) == 0 ? strdup(name) : NULL;
	for (const char *at = folders != NULL ? folders : "/usr/bin:/bin"; *at != '\0';) {
		size_t chars = strcspn(at, ":"), name_chars = strlen(name);
		if (chars > 0 && chars + name_chars + 2 <= sizeof(path)) {
			memcpy(path, at, chars);
			path[chars] = '/';
			memcpy(path + chars + 1, name, name_chars + 1);
			if (access(path, X_OK) == 0)
				return strdup(path);
		}
		at += chars + (at[chars] == ':');
	}
	errno = ENOENT;
	return NULL;
}

static void child(const qvm_args *args, const char *path, int out_fd, int error_pipe, pid_t parent)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	bool ok = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && null_fd >= 0 &&
		  dup2(null_fd, 0) >= 0 && dup2(out_fd, 1) >= 0 && dup2(out_fd, 2) >= 0;
	for (size_t at = 0; ok && at < args->n_fds; at++)
		ok = fcntl(args->fds[at], F_SETFD, 0) == 0;
	if (ok)
		execv(path, args->argv);
	int error = errno;
	if (write(error_pipe, &error, sizeof(error)) != sizeof(error))
		_exit(126);
	_exit(127);
}

bool qvm_program_start(const qvm_args *args, int out_fd, pid_t *pid)
{
	int ends[2], error = 0;
	if (args->failed || args->n_args == 0) {
		errno = E2BIG;
		return false;
	}
	char *path = program_path(args->argv[0]);
	if (path == NULL || pipe2(ends, O_CLOEXEC) != 0) {
		error = errno;
		free(path);
		errno = error;
		return false;
	}
	pid_t parent = getpid();
	*pid = fork();
	if (*pid == 0)
		child(args, path, out_fd, ends[1], parent);
	error = *pid < 0 ? errno : 0;
	close(ends[1]);
	ssize_t got = 0;
	while (*pid > 0 && (got = read(ends[0], &error, sizeof(error))) < 0 && errno == EINTR)
		;
	close(ends[0]);
	free(path);
	if (*pid > 0 && got == 0)
		return true;
	if (*pid > 0)
		while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
			;
	*pid = 0;
	errno = error;
	return false;
}

bool qvm_program_wait(pid_t pid, uint64_t timeout_ns, int *status)
{
	uint64_t deadline_ns = hv_now_ns() + timeout_ns;
	for (uint64_t pause_ns = 200000;; pause_ns += pause_ns < 20000000 ? pause_ns : 0) {
		pid_t ended = waitpid(pid, status, WNOHANG);
		if (ended == pid || (ended < 0 && errno == ECHILD))
			return true;
		if (hv_now_ns() >= deadline_ns)
			return false;
		hv_sleep_ns(pause_ns);
	}
}

void qvm_program_kill(pid_t pid, int *status)
{
	kill(pid, SIGKILL);
	while (waitpid(pid, status, 0) < 0 && errno == EINTR)
		;
}

void qvm_file_tail(int fd, char *text, size_t text_bytes)
{
	struct stat file;
	text[0] = '\0';
	if (fd < 0 || fstat(fd, &file) != 0)
		return;
	off_t room = (off_t)text_bytes - 1, begin = file.st_size > room ? file.st_size - room : 0;
	ssize_t got = pread(fd, text, (size_t)room, begin);
	text[got > 0 ? got : 0] = '\0';
	for (ssize_t at = 0; at < got; at++)
		if (text[at] == '\0') /* a console may say anything */
			text[at] = ' ';
}

int qvm_program_read(const qvm_args *args, char *text, size_t text_bytes, uint64_t timeout_ns)
{
	int status = 0, error = 0, code = -1;
	pid_t pid;
	text[0] = '\0';
	int out_fd = memfd_create("output", MFD_CLOEXEC);
	if (out_fd < 0)
		return -1;
	if (!qvm_program_start(args, out_fd, &pid)) {
		error = errno;
	} else if (!qvm_program_wait(pid, timeout_ns, &status)) {
		qvm_program_kill(pid, &status);
		error = ETIMEDOUT;
	} else if (!WIFEXITED(status)) {
		error = ECHILD;
	} else {
		code = WEXITSTATUS(status);
	}
	qvm_file_tail(out_fd, text, text_bytes);
	close(out_fd);
	errno = error;
	return code;
}
