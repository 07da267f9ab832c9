/* SPDX-License-Identifier: MIT
 *
 * Attaching to the region of another process: it works by inherited descriptor and by SCM_RIGHTS, outlives the creator,
 * and a region that is truncated, unsealed or full of hostile values is refused without a signal. */
#define _GNU_SOURCE
#include "arena_support.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHILD_FRAMES = 100 };

static llfree_arena creator;

static int make_creator(void **state)
{
	llfree_arena_config config = t_arena_config(LLFREE_BACKING_MEMFD, NULL);

	(void)state;
	return llfree_arena_create(&creator, &config) == LLFREE_OK ? 0 : -1;
}

static int destroy_creator(void **state)
{
	(void)state;
	llfree_arena_destroy(&creator);
	return 0;
}

/* In a child: attach, get frames, mark each with its number. No assert here: the exit code reports. */
static int child_allocates(int region_fd, int memory_fd)
{
	llfree_arena arena;

	if (llfree_arena_attach(&arena, region_fd, memory_fd))
		return 1;
	for (unsigned i = 0; i < CHILD_FRAMES; i++) {
		uint64_t frame;

		if (llfree_get(&arena.allocator, t_request(0), &frame))
			return 2;
		memcpy(llfree_arena_address(&arena, frame), &frame, sizeof(frame));
	}
	llfree_drain_all(&arena.allocator);
	llfree_arena_destroy(&arena);
	return 0;
}

static void assert_child_frames_are_here(void)
{
	uint64_t taken = 0;

	for (uint64_t frame = 0; frame < creator.allocator.frames; frame++) {
		uint64_t found;

		if (llfree_is_free(&creator.allocator, frame))
			continue;
		memcpy(&found, llfree_arena_address(&creator, frame), sizeof(found));
		assert_int_equal(found, frame);
		assert_int_equal(llfree_put(&creator.allocator, t_request(0), frame), LLFREE_OK);
		taken++;
	}
	assert_int_equal(taken, CHILD_FRAMES);
}

static void wait_for(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void child_attached_by_inherited_descriptor_shares_the_allocator(void **state)
{
	(void)state;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(child_allocates(creator.region_fd, creator.memory_fd));
	wait_for(child);
	assert_child_frames_are_here();
}

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(2 * sizeof(int))];
};

static int fds_send(int socket_fd, const int fds[2])
{
	char byte = 0;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	union control control = { 0 };
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.space)
	};
	struct cmsghdr *rights = CMSG_FIRSTHDR(&message);

	rights->cmsg_level = SOL_SOCKET;
	rights->cmsg_type = SCM_RIGHTS;
	rights->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(rights), fds, 2 * sizeof(int));
	return sendmsg(socket_fd, &message, 0) == 1 ? 0 : -1;
}

static int fds_receive(int socket_fd, int fds[2])
{
	char byte;
	struct iovec data = { .iov_base = &byte, .iov_len = 1 };
	union control control;
	struct msghdr message = {
		.msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control.space)
	};

	if (recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&message))
		return -1;
	memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&message)), 2 * sizeof(int));
	return 0;
}

static void process_that_got_descriptors_by_message_shares_the_allocator(void **state)
{
	int sockets[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		int fds[2];

		llfree_arena_destroy(&creator); /* what it inherited: only the message counts */
		_exit(fds_receive(sockets[1], fds) ? 9 : child_allocates(fds[0], fds[1]));
	}
	const int fds[2] = { creator.region_fd, creator.memory_fd };

	assert_int_equal(fds_send(sockets[0], fds), 0);
	wait_for(child);
	close(sockets[0]);
	close(sockets[1]);
	assert_child_frames_are_here();
}

static void attached_arena_outlives_its_creator_and_its_callers_descriptors(void **state)
{
	llfree_arena attached;
	uint64_t frame;

	(void)state;
	int region_fd = dup(creator.region_fd), memory_fd = dup(creator.memory_fd);

	assert_int_equal(llfree_arena_attach(&attached, region_fd, memory_fd), LLFREE_OK);
	close(region_fd);
	close(memory_fd);
	llfree_arena_destroy(&creator);
	assert_int_equal((uintptr_t)attached.memory % LLFREE_HUGE_BYTES, 0);
	assert_int_equal(llfree_get(&attached.allocator, t_request(0), &frame), LLFREE_OK);
	t_write_and_check_frames(&attached, 31);
	assert_int_equal(llfree_put(&attached.allocator, t_request(0), frame), LLFREE_OK);
	llfree_arena_destroy(&attached);
	assert_int_equal(make_creator(NULL), 0);
}

static void region_can_be_attached_without_the_memory(void **state)
{
	llfree_arena attached;

	(void)state;
	assert_int_equal(llfree_arena_attach(&attached, creator.region_fd, -1), LLFREE_OK);
	assert_null(attached.memory);
	assert_int_equal(attached.memory_fd, -1);
	assert_int_equal(attached.allocator.frames, creator.allocator.frames);
	assert_false(llfree_arena_contains(&attached, creator.memory));
	llfree_arena_destroy(&attached);
}

/* Refused, and neither a descriptor nor a mapping stays. */
static llfree_err attach_refused(int region_fd, int memory_fd)
{
	unsigned descriptors = t_open_descriptors();
	llfree_arena attached;
	llfree_err err = llfree_arena_attach(&attached, region_fd, memory_fd);

	assert_int_not_equal(err, LLFREE_OK);
	assert_null(attached.region);
	assert_null(attached.memory);
	assert_int_equal(t_open_descriptors(), descriptors);
	assert_int_equal(t_mappings_named("region-copy"), 0);
	return err;
}

static void truncated_regions_are_refused_at_every_length(void **state)
{
	size_t whole_bytes = creator.region_bytes;

	(void)state;
	for (size_t length_bytes = 0; length_bytes < whole_bytes; length_bytes += length_bytes < 260 ? 1 : 63) {
		int fd = t_region_copy(&creator, length_bytes, length_bytes, true);

		assert_int_equal(attach_refused(fd, -1), LLFREE_ERR_TOO_SMALL);
		close(fd);
	}
	int fd = t_region_copy(&creator, whole_bytes - 1, whole_bytes - 1, true);

	assert_int_equal(attach_refused(fd, -1), LLFREE_ERR_TOO_SMALL);
	close(fd);
}

static void copy_of_the_whole_region_attaches(void **state)
{
	llfree_arena attached;

	(void)state;
	int fd = t_region_copy(&creator, creator.region_bytes, creator.region_bytes, true);

	assert_int_equal(llfree_arena_attach(&attached, fd, -1), LLFREE_OK);
	llfree_arena_destroy(&attached);
	close(fd);
}

static void unsealed_region_is_refused(void **state)
{
	(void)state;
	int fd = t_region_copy(&creator, creator.region_bytes, creator.region_bytes, false);

	assert_int_equal(attach_refused(fd, -1), LLFREE_ERR_INVAL);
	close(fd);
}

static void foreign_descriptors_are_refused(void **state)
{
	int pipe_fds[2];

	(void)state;
	assert_int_equal(attach_refused(-5, -1), LLFREE_ERR_SYSTEM);
	assert_int_equal(errno, EBADF);
	assert_int_equal(attach_refused(creator.region_fd, 9999), LLFREE_ERR_SYSTEM);
	assert_int_equal(errno, EBADF);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	assert_int_equal(attach_refused(pipe_fds[0], -1), LLFREE_ERR_INVAL);
	assert_int_equal(attach_refused(creator.region_fd, pipe_fds[0]), LLFREE_ERR_INVAL);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	assert_int_equal(attach_refused(creator.memory_fd, -1), LLFREE_ERR_MAGIC);
}

static void memory_file_that_is_too_short_is_refused(void **state)
{
	(void)state;
	int fd = memfd_create("short", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, T_MEMORY_BYTES - 1), 0);
	assert_int_equal(attach_refused(creator.region_fd, fd), LLFREE_ERR_TOO_SMALL);
	assert_int_equal(ftruncate(fd, T_MEMORY_BYTES), 0);
	llfree_arena attached;

	assert_int_equal(llfree_arena_attach(&attached, creator.region_fd, fd), LLFREE_OK);
	llfree_arena_destroy(&attached);
	close(fd);
}

typedef struct header_field {
	const char *name;
	size_t offset, bytes;
	llfree_err expected; /* LLFREE_OK: any error will do */
} header_field;

#define FIELD(field, expected)                                                                        \
	{                                                                                             \
#field, offsetof(llfree_header, field), sizeof(((llfree_header *)0)->field), expected \
	}

/* Each value in each field of the header that a view is built from, one at a time. */
static void hostile_header_fields_are_refused(void **state)
{
	const header_field fields[] = {
		FIELD(magic, LLFREE_ERR_MAGIC),
		FIELD(version, LLFREE_ERR_VERSION),
		FIELD(header_bytes, LLFREE_OK),
		FIELD(frame_shift, LLFREE_ERR_GEOMETRY),
		FIELD(huge_order, LLFREE_ERR_GEOMETRY),
		FIELD(tree_huge, LLFREE_ERR_GEOMETRY),
		FIELD(frames, LLFREE_OK),
		FIELD(region_bytes, LLFREE_OK),
		FIELD(cpus, LLFREE_OK),
		FIELD(classes, LLFREE_OK),
		FIELD(slots_offset, LLFREE_OK),
		FIELD(trees_offset, LLFREE_OK),
		FIELD(children_offset, LLFREE_OK),
		FIELD(rows_offset, LLFREE_OK),
	};
	const uint64_t values[] = { UINT64_MAX,        UINT64_MAX - 63,   UINT64_C(1) << 63,
				    UINT64_C(1) << 62, UINT64_C(1) << 32, UINT64_C(1) << 31 };

	(void)state;
	for (unsigned f = 0; f < sizeof(fields) / sizeof(fields[0]); f++) {
		for (unsigned v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
			uint64_t value = values[v];
			uint64_t before = 0;
			int fd = t_region_copy(&creator, creator.region_bytes, creator.region_bytes, true);

			memcpy(&before, (const char *)creator.region + fields[f].offset, fields[f].bytes);
			if (fields[f].bytes == 4)
				value >>= 32; /* the top of the 64-bit value, at the top of the 32-bit field */
			if (value == before)
				value--;
			assert_int_equal(pwrite(fd, &value, fields[f].bytes, (off_t)fields[f].offset), fields[f].bytes);
			llfree_err err = attach_refused(fd, creator.memory_fd);

			if (fields[f].expected != LLFREE_OK && err != fields[f].expected)
				fail_msg("%s = %llx: %s", fields[f].name, (unsigned long long)value,
					 llfree_err_text(err));
			close(fd);
		}
	}
}

/* Any single byte of the header may be anything: attach refuses, or gives a view that stays inside its mapping. */
static void no_byte_of_the_header_can_lead_a_view_astray(void **state)
{
	(void)state;
	for (unsigned offset = 0; offset < sizeof(llfree_header); offset++) {
		int fd = t_region_copy(&creator, creator.region_bytes, creator.region_bytes, true);
		uint8_t byte = ((const uint8_t *)creator.region)[offset];
		llfree_arena attached;

		byte = (uint8_t)~byte;
		assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
		if (llfree_arena_attach(&attached, fd, -1) == LLFREE_OK) {
			llfree_stats stats;
			llfree_audit_report report;
			uint64_t frame;

			llfree_stats_exact(&attached.allocator, &stats);
			(void)llfree_audit(&attached.allocator, &report);
			if (llfree_get(&attached.allocator, t_request(0), &frame) == LLFREE_OK)
				assert_true(frame < attached.allocator.frames);
			llfree_drain_all(&attached.allocator);
			llfree_arena_destroy(&attached);
		}
		close(fd);
	}
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, make_creator, destroy_creator)
	const struct CMUnitTest tests[] = {
		T(child_attached_by_inherited_descriptor_shares_the_allocator),
		T(process_that_got_descriptors_by_message_shares_the_allocator),
		T(attached_arena_outlives_its_creator_and_its_callers_descriptors),
		T(region_can_be_attached_without_the_memory),
		T(truncated_regions_are_refused_at_every_length),
		T(copy_of_the_whole_region_attaches),
		T(unsealed_region_is_refused),
		T(foreign_descriptors_are_refused),
		T(memory_file_that_is_too_short_is_refused),
		T(hostile_header_fields_are_refused),
		T(no_byte_of_the_header_can_lead_a_view_astray),
	};

	return cmocka_run_group_tests_name("arena attach", tests, NULL, NULL);
}
