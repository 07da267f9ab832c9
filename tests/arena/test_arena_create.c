/* SPDX-License-Identifier: MIT
 *
 * Creating arenas: every backing, alignment, seals, addresses, refusals that leave nothing behind, the CPU number. */
#define _GNU_SOURCE
#include "arena_support.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

static const llfree_backing backings[] = { LLFREE_BACKING_ANON, LLFREE_BACKING_MEMFD, LLFREE_BACKING_FILE };
enum { BACKINGS = sizeof(backings) / sizeof(backings[0]) };

static void create(llfree_arena *arena, const llfree_arena_config *config)
{
	llfree_err err = llfree_arena_create(arena, config);

	if (err)
		fail_msg("create: %s (%s: %s)", llfree_err_text(err), arena->failed_call ? arena->failed_call : "-",
			 strerror(errno));
}

static void every_backing_is_aligned_and_holds_every_frame(void **state)
{
	(void)state;
	for (unsigned i = 0; i < BACKINGS; i++) {
		char path[128];
		bool file = backings[i] == LLFREE_BACKING_FILE;
		llfree_arena_config config = t_arena_config(backings[i], file ? t_new_path(path, sizeof(path)) : NULL);
		llfree_arena arena;

		create(&arena, &config);
		assert_int_equal((uintptr_t)arena.memory % LLFREE_HUGE_BYTES, 0);
		assert_int_equal(arena.memory_bytes, T_MEMORY_BYTES);
		assert_int_equal(arena.memory_fd >= 0, backings[i] != LLFREE_BACKING_ANON);
		t_write_and_check_frames(&arena, 7);
		llfree_arena_destroy(&arena);
		if (file)
			unlink(path);
	}
}

static void every_frame_of_an_arena_can_be_allocated_once(void **state)
{
	llfree_arena_config config = t_arena_config(LLFREE_BACKING_ANON, NULL);
	uint64_t frames = T_MEMORY_BYTES >> LLFREE_FRAME_SHIFT, frame;
	llfree_arena arena;

	(void)state;
	create(&arena, &config);
	for (uint64_t i = 0; i < frames; i++) {
		assert_int_equal(llfree_get(&arena.allocator, t_request(0), &frame), LLFREE_OK);
		assert_true(llfree_arena_contains(&arena, llfree_arena_address(&arena, frame)));
		uint8_t *byte = llfree_arena_address(&arena, frame);
		assert_int_equal(*byte, 0); /* fresh memory is zero: a second owner would find the mark */
		*byte = 1;
	}
	assert_int_equal(llfree_get(&arena.allocator, t_request(0), &frame), LLFREE_ERR_NOMEM);
	llfree_arena_destroy(&arena);
}

static void address_and_frame_are_inverse(void **state)
{
	llfree_arena_config config = t_arena_config(LLFREE_BACKING_ANON, NULL);
	llfree_arena arena;

	(void)state;
	create(&arena, &config);
	uint64_t frames = arena.memory_bytes >> LLFREE_FRAME_SHIFT;

	for (uint64_t frame = 0; frame < frames; frame += 13) {
		uint8_t *address = llfree_arena_address(&arena, frame);

		assert_int_equal(llfree_arena_frame(&arena, address), frame);
		assert_int_equal(llfree_arena_frame(&arena, address + LLFREE_FRAME_BYTES - 1), frame);
		assert_true(llfree_arena_contains(&arena, address));
	}
	assert_true(llfree_arena_contains(&arena, arena.memory + arena.memory_bytes - 1));
	assert_false(llfree_arena_contains(&arena, arena.memory + arena.memory_bytes));
	assert_false(llfree_arena_contains(&arena, arena.memory - 1));
	assert_false(llfree_arena_contains(&arena, NULL));
	llfree_arena_destroy(&arena);
	assert_false(llfree_arena_contains(&arena, NULL));
}

static void memory_size_is_rounded_up_to_2mib(void **state)
{
	llfree_arena_config config = t_arena_config(LLFREE_BACKING_MEMFD, NULL);
	llfree_arena arena;

	(void)state;
	config.memory_bytes = LLFREE_HUGE_BYTES + 1;
	create(&arena, &config);
	assert_int_equal(arena.memory_bytes, 2 * LLFREE_HUGE_BYTES);
	assert_int_equal(arena.allocator.frames, 2 * LLFREE_HUGE_FRAMES);
	t_write_and_check_frames(&arena, 1);
	llfree_arena_destroy(&arena);
}

static void region_and_memfd_are_sealed_and_close_on_exec(void **state)
{
	llfree_arena_config config = t_arena_config(LLFREE_BACKING_MEMFD, NULL);
	const int expected = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
	llfree_arena arena;

	(void)state;
	create(&arena, &config);
	const int fds[] = { arena.region_fd, arena.memory_fd };

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(fcntl(fds[i], F_GET_SEALS) & expected, expected);
		assert_int_not_equal(ftruncate(fds[i], 0), 0);
		assert_int_not_equal(ftruncate(fds[i], (off_t)1 << 40), 0);
		assert_int_equal(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	}
	llfree_arena_destroy(&arena);
}

static void file_is_created_private_and_extended_but_never_shrunk(void **state)
{
	char path[128];
	llfree_arena_config config = t_arena_config(LLFREE_BACKING_FILE, t_new_path(path, sizeof(path)));
	llfree_arena arena;
	struct stat file;

	(void)state;
	create(&arena, &config);
	memcpy(arena.memory, "kept", 4);
	llfree_arena_destroy(&arena);
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_mode & 07777, 0600);
	assert_int_equal(file.st_size, T_MEMORY_BYTES);

	config.memory_bytes = LLFREE_HUGE_BYTES;
	create(&arena, &config);
	assert_memory_equal(arena.memory, "kept", 4);
	llfree_arena_destroy(&arena);
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_size, T_MEMORY_BYTES);

	config.memory_bytes = 2 * T_MEMORY_BYTES;
	create(&arena, &config);
	assert_memory_equal(arena.memory, "kept", 4);
	llfree_arena_destroy(&arena);
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_size, 2 * T_MEMORY_BYTES);
	unlink(path);
}

static void assert_refused(llfree_arena_config config, llfree_err expected)
{
	llfree_arena arena;
	unsigned descriptors = t_open_descriptors();

	errno = 12345;
	assert_int_equal(llfree_arena_create(&arena, &config), expected);
	if (expected == LLFREE_ERR_SYSTEM)
		assert_non_null(arena.failed_call);
	else
		assert_int_equal(errno, 12345);
	assert_null(arena.memory);
	assert_null(arena.region);
	assert_int_equal(arena.memory_fd, -1);
	assert_int_equal(arena.region_fd, -1);
	assert_int_equal(t_open_descriptors(), descriptors);
	llfree_arena_destroy(&arena); /* harmless after a failure */
}

static void impossible_configurations_are_refused(void **state)
{
	char path[128];
	llfree_arena_config config = t_arena_config(LLFREE_BACKING_ANON, NULL);

	(void)state;
	config.memory_bytes = 0;
	assert_refused(config, LLFREE_ERR_INVAL);
	config.memory_bytes = UINT64_MAX;
	assert_refused(config, LLFREE_ERR_INVAL);
	config = t_arena_config(LLFREE_BACKING_ANON, NULL);
	config.backing = (llfree_backing)77;
	assert_refused(config, LLFREE_ERR_INVAL);
	assert_refused(t_arena_config(LLFREE_BACKING_FILE, NULL), LLFREE_ERR_INVAL);
	assert_refused(t_arena_config(LLFREE_BACKING_ANON, t_new_path(path, sizeof(path))), LLFREE_ERR_INVAL);
	assert_refused(t_arena_config(LLFREE_BACKING_FILE, "/dev/null"), LLFREE_ERR_INVAL);
	assert_refused(t_arena_config(LLFREE_BACKING_FILE, "/nonexistent/folder/file"), LLFREE_ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
	config = t_arena_config(LLFREE_BACKING_ANON, NULL);
	config.allocator.cpus = LLFREE_MAX_CPUS + 1;
	assert_refused(config, LLFREE_ERR_INVAL);
}

static void more_memory_than_the_machine_has_is_refused(void **state)
{
	llfree_arena_config config = t_arena_config(LLFREE_BACKING_ANON, NULL);
	struct sysinfo machine;
	char path[128];

	(void)state;
	assert_int_equal(sysinfo(&machine), 0);
	config.memory_bytes = (machine.totalram + machine.totalswap + 1) * machine.mem_unit + LLFREE_HUGE_BYTES;
	config.allocator.exact = true; /* the largest range of frames: only the machine can refuse this */
	assert_refused(config, LLFREE_ERR_SYSTEM);
	assert_int_equal(errno, ENOMEM);
	config.backing = LLFREE_BACKING_MEMFD;
	assert_refused(config, LLFREE_ERR_SYSTEM);
	assert_int_equal(errno, ENOMEM);

	config = t_arena_config(LLFREE_BACKING_FILE, t_new_path(path, sizeof(path)));
	config.memory_bytes = UINT64_C(8) << 40;
	config.allocator.exact = true;
	assert_refused(config, LLFREE_ERR_SYSTEM);
	assert_int_not_equal(access(path, F_OK), 0);
}

/* The region comes last: when its descriptor can't be had, the memory, its file and its mapping go again. */
static void failed_create_leaves_nothing_behind(void **state)
{
	char new_path[128], old_path[128];
	struct rlimit limit, lowered;
	struct stat file;

	(void)state;
	t_new_path(new_path, sizeof(new_path));
	t_new_path(old_path, sizeof(old_path));
	int fd = open(old_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 5), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	lowered = limit;
	lowered.rlim_cur = (rlim_t)fd + 2; /* room for one descriptor more: the memory's, not the region's */
	const llfree_arena_config configs[] = { t_arena_config(LLFREE_BACKING_MEMFD, NULL),
						t_arena_config(LLFREE_BACKING_FILE, new_path),
						t_arena_config(LLFREE_BACKING_FILE, old_path) };

	for (unsigned i = 0; i < 3; i++) {
		llfree_arena arena;

		assert_int_equal(setrlimit(RLIMIT_NOFILE, &lowered), 0);
		llfree_err err = llfree_arena_create(&arena, &configs[i]);
		int error = errno;
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
		assert_int_equal(err, LLFREE_ERR_SYSTEM);
		assert_int_equal(error, EMFILE);
		assert_string_equal(arena.failed_call, "memfd_create (region)");
		assert_int_equal(fcntl(fd + 1, F_GETFD), -1);
		assert_int_equal(t_mappings_named("memfd:llfree-"), 0);
	}
	assert_int_not_equal(access(new_path, F_OK), 0);
	assert_int_equal(stat(old_path, &file), 0);
	assert_int_equal(file.st_size, 5);
	close(fd);
	unlink(old_path);
}

static void destroy_unmaps_and_closes_everything(void **state)
{
	llfree_arena_config config = t_arena_config(LLFREE_BACKING_MEMFD, NULL);
	unsigned descriptors = t_open_descriptors();
	llfree_arena arena;

	(void)state;
	create(&arena, &config);
	assert_int_equal(t_mappings_named("memfd:llfree-memory"), 1);
	assert_int_equal(t_mappings_named("memfd:llfree-region"), 1);
	assert_int_equal(t_open_descriptors(), descriptors + 2);
	llfree_arena_destroy(&arena);
	assert_int_equal(t_mappings_named("memfd:llfree-"), 0);
	assert_int_equal(t_open_descriptors(), descriptors);
	llfree_arena_destroy(&arena); /* twice is harmless */
}

static void small_frames_are_not_advised_huge(void **state)
{
	llfree_arena_config config = t_arena_config(LLFREE_BACKING_ANON, NULL);
	llfree_arena arena;

	(void)state;
	config.small_frames = true;
	create(&arena, &config);
	assert_false(arena.huge_advised);
	t_write_and_check_frames(&arena, 64);
	llfree_arena_destroy(&arena);
}

static void cpu_number_is_that_of_the_cpu_it_is_pinned_to(void **state)
{
	cpu_set_t before, pinned;
	unsigned tried = 0;

	(void)state;
	assert_true(llfree_machine_cpus() >= 1);
	assert_true(llfree_current_cpu() < llfree_machine_cpus());
	assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &before))
			continue;
		CPU_ZERO(&pinned);
		CPU_SET(cpu, &pinned);
		assert_int_equal(sched_setaffinity(0, sizeof(pinned), &pinned), 0);
		assert_int_equal(llfree_current_cpu(), cpu);
		tried++;
	}
	assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
	assert_true(tried > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_backing_is_aligned_and_holds_every_frame),
		cmocka_unit_test(every_frame_of_an_arena_can_be_allocated_once),
		cmocka_unit_test(address_and_frame_are_inverse),
		cmocka_unit_test(memory_size_is_rounded_up_to_2mib),
		cmocka_unit_test(region_and_memfd_are_sealed_and_close_on_exec),
		cmocka_unit_test(file_is_created_private_and_extended_but_never_shrunk),
		cmocka_unit_test(impossible_configurations_are_refused),
		cmocka_unit_test(more_memory_than_the_machine_has_is_refused),
		cmocka_unit_test(failed_create_leaves_nothing_behind),
		cmocka_unit_test(destroy_unmaps_and_closes_everything),
		cmocka_unit_test(small_frames_are_not_advised_huge),
		cmocka_unit_test(cpu_number_is_that_of_the_cpu_it_is_pinned_to),
	};

	return cmocka_run_group_tests_name("arena create", tests, NULL, NULL);
}
