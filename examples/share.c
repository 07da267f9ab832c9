/* SPDX-License-Identifier: MIT
 *
 * Two processes, one allocator: the parent makes an arena over a memfd, the child attaches by the two descriptors
 * (here inherited; SCM_RIGHTS works as well), allocates and writes; the parent reads and frees. Neither asks the
 * other: the allocator's state is the shared region itself. */
#define _POSIX_C_SOURCE 200809L
#include <llfree/arena.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(llfree_err err, const char *what)
{
	if (err == LLFREE_OK)
		return;
	fprintf(stderr, "share: %s: %s\n", what, llfree_err_text(err));
	exit(1);
}

static llfree_request order0(void)
{
	return (llfree_request){ .cpu = llfree_current_cpu(), .order = 0, .class_idx = LLFREE_CLASS_MOVABLE };
}

static int child_write(int region_fd, int memory_fd, int pipe_fd)
{
	llfree_arena arena;
	uint64_t frame;

	check(llfree_arena_attach(&arena, region_fd, memory_fd), "attach");
	check(llfree_get(&arena.allocator, order0(), &frame), "get");
	strcpy(llfree_arena_address(&arena, frame), "written by the child");
	bool sent = write(pipe_fd, &frame, sizeof(frame)) == (ssize_t)sizeof(frame);

	llfree_arena_destroy(&arena);
	return sent ? 0 : 1;
}

int main(void)
{
	llfree_arena_config config = { .memory_bytes = UINT64_C(64) << 20, .backing = LLFREE_BACKING_MEMFD };
	llfree_arena arena;
	int pipe_fds[2];

	check(llfree_arena_create(&arena, &config), "create");
	if (pipe(pipe_fds) != 0)
		return perror("share: pipe"), 1;
	pid_t child = fork();

	if (child < 0)
		return perror("share: fork"), 1;
	if (child == 0)
		_exit(child_write(arena.region_fd, arena.memory_fd, pipe_fds[1]));
	close(pipe_fds[1]);
	uint64_t frame = 0;
	int status;
	bool received = read(pipe_fds[0], &frame, sizeof(frame)) == (ssize_t)sizeof(frame);

	if (waitpid(child, &status, 0) != child || status != 0 || !received)
		return fprintf(stderr, "share: the child failed\n"), 1;
	printf("frame %llu: %s\n", (unsigned long long)frame, (char *)llfree_arena_address(&arena, frame));
	check(llfree_put(&arena.allocator, order0(), frame), "put");
	llfree_arena_destroy(&arena);
	return 0;
}
