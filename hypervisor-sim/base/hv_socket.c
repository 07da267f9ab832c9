/* SPDX-License-Identifier: MIT
 *
 * Messages with descriptors, and shared files; see hv_socket.h. */
#define _GNU_SOURCE
#include "base/hv_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef union control_space {
	struct cmsghdr header;
	char bytes[CMSG_SPACE(HV_SOCKET_FDS_MAX * sizeof(int))];
} control_space;

bool hv_socket_pair(int ends[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0;
}

bool hv_socket_send(int socket_fd, const void *data, size_t bytes, const int *fds, size_t n_fds)
{
	control_space control;
	struct iovec iov = { (void *)(uintptr_t)data, bytes };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (n_fds > HV_SOCKET_FDS_MAX) {
		errno = EINVAL;
		return false;
	}
	if (n_fds > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = control.bytes;
		message.msg_controllen = (socklen_t)CMSG_SPACE(n_fds * sizeof(int)); /* size_t in glibc */
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = (socklen_t)CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(header), fds, n_fds * sizeof(int));
	}
	ssize_t sent;
	do
		sent = sendmsg(socket_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
	return sent == (ssize_t)bytes;
}

/* @return false with errno when nothing came in time */
static bool readable(int socket_fd, uint64_t timeout_ns)
{
	uint64_t deadline_ns = hv_now_ns() + timeout_ns;
	for (;;) {
		uint64_t now_ns = hv_now_ns(), left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
		struct timespec left = { (time_t)(left_ns / 1000000000u), (long)(left_ns % 1000000000u) };
		struct pollfd wanted = { .fd = socket_fd, .events = POLLIN };
		int n_ready = ppoll(&wanted, 1, &left, NULL);
		if (n_ready > 0)
			return true;
		if (n_ready == 0)
			errno = ETIMEDOUT;
		if (n_ready == 0 || errno != EINTR)
			return false;
	}
}

/* CMSG_NXTHDR of musl mixes signs. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
static struct cmsghdr *header_after(struct msghdr *message, struct cmsghdr *header)
{
	return CMSG_NXTHDR(message, header);
}
#pragma GCC diagnostic pop

/* Keep what fits, close the rest. */
static void fds_take(struct msghdr *message, int *fds, size_t *n_fds)
{
	size_t room = n_fds != NULL ? *n_fds : 0, n_kept = 0;
	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = header_after(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n_here = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t at = 0; at < n_here; at++) {
			int fd;
			memcpy(&fd, CMSG_DATA(header) + at * sizeof(int), sizeof(fd));
			if (n_kept < room)
				fds[n_kept++] = fd;
			else
				close(fd);
		}
	}
	if (n_fds != NULL)
		*n_fds = n_kept;
}

bool hv_socket_receive(int socket_fd, void *data, size_t bytes, int *fds, size_t *n_fds, uint64_t timeout_ns)
{
	control_space control;
	struct iovec iov = { data, bytes };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)
	};
	if (!readable(socket_fd, timeout_ns))
		return false;
	ssize_t got;
	do
		got = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return false;
	fds_take(&message, fds, n_fds);
	if (got == (ssize_t)bytes && (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0)
		return true;
	for (size_t at = 0; n_fds != NULL && at < *n_fds; at++)
		close(fds[at]);
	if (n_fds != NULL)
		*n_fds = 0;
	errno = got == 0 ? ECONNRESET : EPROTO;
	return false;
}

int hv_shared_file(const char *name, size_t bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)bytes) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	int why = errno;
	close(fd);
	errno = why;
	return -1;
}

void *hv_shared_map(int fd, size_t bytes)
{
	struct stat file;
	int seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return NULL;
	if ((seals & F_SEAL_SHRINK) == 0 || fstat(fd, &file) != 0 || (uint64_t)file.st_size < bytes) {
		errno = EINVAL;
		return NULL;
	}
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return memory != MAP_FAILED ? memory : NULL;
}
