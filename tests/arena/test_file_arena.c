/* SPDX-License-Identifier: MIT
 *
 * Arenas in files: what is kept, how it was left, who is refused, and superblocks that lie. */
#define _GNU_SOURCE
#include "arena_support.h"

#include "arena/superblock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static llfree_file_config config_of(const char *path)
{
	return (llfree_file_config){ .path = path, .memory_bytes = T_MEMORY_BYTES };
}

static void assert_ok(llfree_err err, const llfree_file *file)
{
	if (err)
		fail_msg("%s (%s: %s)", llfree_err_text(err), file->arena.failed_call ? file->arena.failed_call : "-",
			 strerror(errno));
}

/* A new file, with one huge frame and one frame taken. */
static const char *make(llfree_file *file, char *path, size_t path_bytes, uint64_t *huge, uint64_t *frame)
{
	llfree_file_config config = config_of(t_new_path(path, path_bytes));

	assert_ok(llfree_file_create(file, &config), file);
	assert_int_equal(file->found, LLFREE_FILE_NEW);
	assert_int_equal(llfree_get(&file->arena.allocator, t_request(9), huge), LLFREE_OK);
	assert_int_equal(llfree_get(&file->arena.allocator, t_request(0), frame), LLFREE_OK);
	memcpy(llfree_arena_address(&file->arena, *frame), "kept", 5);
	memcpy(llfree_arena_address(&file->arena, *huge + 511), "kept", 5);
	return path;
}

static void check_kept(llfree_file *file, uint64_t huge, uint64_t frame)
{
	llfree_audit_report report;

	assert_true(llfree_audit(&file->arena.allocator, &report));
	assert_false(llfree_is_free(&file->arena.allocator, frame));
	assert_false(llfree_is_free(&file->arena.allocator, huge));
	assert_string_equal(llfree_arena_address(&file->arena, frame), "kept");
	assert_string_equal(llfree_arena_address(&file->arena, huge + 511), "kept");
}

static uint64_t free_frames(const llfree_file *file)
{
	llfree_stats stats;

	llfree_stats_exact(&file->arena.allocator, &stats);
	return stats.free_frames;
}

static void closed_arena_is_clean_and_keeps_frames_and_bytes(void **state)
{
	char path[128];
	llfree_file file;
	uint64_t huge, frame;
	unsigned before = t_open_descriptors();

	(void)state;
	make(&file, path, sizeof(path), &huge, &frame);
	assert_int_equal(file.arena.memory_bytes, T_MEMORY_BYTES);
	assert_int_equal((uintptr_t)file.arena.memory % LLFREE_HUGE_BYTES, 0);
	assert_ok(llfree_file_close(&file), &file);
	assert_int_equal(t_open_descriptors(), before);
	assert_int_equal(t_mappings_named(path), 0);
	llfree_file_config config = config_of(path);

	assert_ok(llfree_file_open(&file, &config), &file);
	assert_int_equal(file.found, LLFREE_FILE_CLEAN);
	check_kept(&file, huge, frame);
	assert_int_equal(free_frames(&file), (T_MEMORY_BYTES >> LLFREE_FRAME_SHIFT) - 513);
	assert_int_equal(llfree_put(&file.arena.allocator, t_request(9), huge), LLFREE_OK);
	assert_int_equal(llfree_put(&file.arena.allocator, t_request(0), frame), LLFREE_OK);
	assert_ok(llfree_file_close(&file), &file);
	unlink(path);
}

static void arena_by_descriptor_is_the_same(void **state)
{
	llfree_file file, second;
	int fd = memfd_create("file-arena", MFD_CLOEXEC);
	llfree_file_config config = { .fd = fd, .memory_bytes = 4 << 20 };

	(void)state;
	assert_ok(llfree_file_create(&file, &config), &file);
	assert_int_equal(llfree_file_open(&second, &config), LLFREE_ERR_BUSY);
	assert_ok(llfree_file_close(&file), &file);
	assert_ok(llfree_file_open(&file, &config), &file);
	assert_int_equal(file.found, LLFREE_FILE_CLEAN);
	assert_ok(llfree_file_close(&file), &file);
	errno = 0;
	assert_int_equal(llfree_file_create(&file, &config), LLFREE_ERR_SYSTEM); /* not empty */
	assert_int_equal(errno, EEXIST);
	assert_ok(llfree_file_open(&file, &config), &file);
	assert_ok(llfree_file_close(&file), &file);
	close(fd);
}

static void file_that_exists_is_never_overwritten(void **state)
{
	char path[128];
	llfree_file file, other;
	uint64_t huge, frame;
	llfree_file_config config = config_of(make(&file, path, sizeof(path), &huge, &frame));

	(void)state;
	assert_int_equal(llfree_file_create(&other, &config), LLFREE_ERR_SYSTEM);
	assert_int_equal(errno, EEXIST);
	assert_string_equal(other.arena.failed_call, "open");
	check_kept(&file, huge, frame);
	assert_ok(llfree_file_close(&file), &file);
	unlink(path);
}

/* By the same process, and by another one. */
static void arena_in_use_is_busy(void **state)
{
	char path[128];
	llfree_file file, other;
	uint64_t huge, frame;
	llfree_file_config config = config_of(make(&file, path, sizeof(path), &huge, &frame));

	(void)state;
	assert_int_equal(llfree_file_open(&other, &config), LLFREE_ERR_BUSY);
	pid_t child = fork();

	if (child == 0)
		_exit(llfree_file_open(&other, &config) == LLFREE_ERR_BUSY ? 0 : 1);
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	check_kept(&file, huge, frame);
	assert_ok(llfree_file_close(&file), &file);
	unlink(path);
}

/* What a process does that is killed: everything but the close. */
static void abandon(llfree_file *file)
{
	munmap(file->arena.memory, file->arena.memory_bytes);
	munmap(file->metadata, file->metadata_bytes);
	close(file->arena.memory_fd);
}

static void arena_of_a_killed_process_gives_its_claims_back(void **state)
{
	char path[128];
	llfree_file file;
	uint64_t huge, frame;
	llfree_file_config config = config_of(make(&file, path, sizeof(path), &huge, &frame));

	(void)state;
	abandon(&file);
	assert_ok(llfree_file_open(&file, &config), &file);
	assert_int_equal(file.found, LLFREE_FILE_KILLED);
	check_kept(&file, huge, frame);
	assert_int_equal(free_frames(&file), (T_MEMORY_BYTES >> LLFREE_FRAME_SHIFT) - 513);
	abandon(&file); /* killed once more */
	assert_ok(llfree_file_open(&file, &config), &file);
	assert_int_equal(file.found, LLFREE_FILE_KILLED);
	assert_ok(llfree_file_close(&file), &file);
	unlink(path);
}

static void write_at(const char *path, size_t offset, const void *bytes, size_t n_bytes)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, bytes, n_bytes, (off_t)offset), n_bytes);
	close(fd);
}

static void arena_of_another_boot_is_lost_unless_that_is_accepted(void **state)
{
	char path[128];
	llfree_file file;
	uint64_t huge, frame;
	llfree_file_config config = config_of(make(&file, path, sizeof(path), &huge, &frame));

	(void)state;
	abandon(&file);
	write_at(path, offsetof(llf_superblock, boot_id), "another", 7);
	assert_int_equal(llfree_file_open(&file, &config), LLFREE_ERR_LOST);
	assert_int_equal(llfree_file_open(&file, &config), LLFREE_ERR_LOST); /* looking changes nothing */
	config.accept_lost_stores = true;
	assert_ok(llfree_file_open(&file, &config), &file);
	assert_int_equal(file.found, LLFREE_FILE_LOST);
	check_kept(&file, huge, frame);
	/* what is claimed counts as taken; in memory of a single tree, which is of another class, nothing is claimed */
	uint64_t claimed = (T_MEMORY_BYTES / LLFREE_HUGE_BYTES) > LLFREE_TREE_HUGE ? 31 : 0;

	assert_int_equal(free_frames(&file), (T_MEMORY_BYTES >> LLFREE_FRAME_SHIFT) - 513 - claimed);
	assert_ok(llfree_file_close(&file), &file);
	unlink(path);
}

static void distrust_treats_a_kill_like_a_power_failure(void **state)
{
	char path[128];
	llfree_file file;
	uint64_t huge, frame;
	llfree_file_config config = config_of(make(&file, path, sizeof(path), &huge, &frame));

	(void)state;
	abandon(&file);
	config.distrust = true;
	assert_int_equal(llfree_file_open(&file, &config), LLFREE_ERR_LOST);
	config.accept_lost_stores = true;
	assert_ok(llfree_file_open(&file, &config), &file);
	assert_int_equal(file.found, LLFREE_FILE_LOST);
	assert_ok(llfree_file_close(&file), &file);
	unlink(path);
}

static void durable_arena_survives_a_power_failure(void **state)
{
	(void)state;
	for (unsigned exact = 0; exact < 2; exact++) {
		char path[128];
		llfree_file file;
		llfree_file_config config = config_of(t_new_path(path, sizeof(path)));
		uint64_t frame, run;

		config.allocator = (llfree_config){ .cpus = 1, .exact = exact, .durable = true };
		assert_ok(llfree_file_create(&file, &config), &file);
		assert_int_equal(llfree_get(&file.arena.allocator, t_request(0), &frame), LLFREE_OK);
		assert_int_equal(llfree_get(&file.arena.allocator, t_request(8), &run), LLFREE_OK);
		llf_superblock *block = file.metadata;

		assert_int_equal(block->flush_errors.word_, 0);
		abandon(&file);
		write_at(path, offsetof(llf_superblock, boot_id), "another", 7);
		/* Nothing but the durable words may be believed. */
		uint32_t nonsense = 0x2222;

		write_at(path, LLF_REGION_OFFSET + 256, &nonsense, sizeof(nonsense));
		assert_ok(llfree_file_open(&file, &config), &file);
		assert_int_equal(file.found, LLFREE_FILE_LOST);
		assert_false(llfree_is_free(&file.arena.allocator, frame));
		uint64_t taken = (exact ? 1 : 32) + 256;

		assert_int_equal(free_frames(&file), (T_MEMORY_BYTES >> LLFREE_FRAME_SHIFT) - taken);
		assert_int_equal(llfree_put(&file.arena.allocator, t_request(8), run), LLFREE_OK);
		assert_ok(llfree_file_close(&file), &file);
		unlink(path);
	}
}

static void flushes_that_fail_are_told_by_close(void **state)
{
	char path[128];
	llfree_file file;
	uint64_t frame;
	llfree_file_config config = config_of(t_new_path(path, sizeof(path)));

	(void)state;
	config.allocator.durable = true;
	assert_ok(llfree_file_create(&file, &config), &file);
	llfree_flush_msync(file.arena.allocator.flush_context, (void *)(uintptr_t)4096, 1); /* not mapped */
	assert_int_equal(llfree_get(&file.arena.allocator, t_request(0), &frame), LLFREE_OK);
	assert_int_equal(llfree_file_close(&file), LLFREE_ERR_SYSTEM);
	assert_int_equal(errno, EIO);
	assert_ok(llfree_file_open(&file, &config), &file);
	assert_int_equal(file.found, LLFREE_FILE_KILLED);
	assert_ok(llfree_file_close(&file), &file);
	unlink(path);
}

/* Whether it reaches the medium needs one; that it may be called with any range is seen here. */
static void cache_flush_takes_any_range(void **state)
{
	static uint8_t bytes[4096];
	llfree_flush_fn flush = llfree_flush_cache();

	(void)state;
	if (!flush) {
		print_message("skipped: this architecture has none\n");
		skip();
	}
	for (size_t first = 0; first < 130; first += 13) {
		for (size_t n_bytes = 0; n_bytes < 300; n_bytes += 17) {
			bytes[first] = (uint8_t)n_bytes;
			flush(NULL, bytes + first, n_bytes);
			assert_int_equal(bytes[first], (uint8_t)n_bytes);
		}
	}
}

static void wrong_arguments_leave_nothing_behind(void **state)
{
	char path[128];
	llfree_file file;
	unsigned before = t_open_descriptors();
	llfree_file_config bad[] = {
		{ .path = t_new_path(path, sizeof(path)) },
		{ .path = path, .memory_bytes = UINT64_MAX },
		{ .path = path, .memory_bytes = 1 << 20, .allocator = { .cpus = LLFREE_MAX_CPUS + 1 } },
		{ .fd = -1, .memory_bytes = 1 << 20 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(llfree_file_create(&file, &bad[i]), LLFREE_ERR_INVAL);
	assert_int_equal(access(path, F_OK), -1);
	llfree_file_config folder = { .path = "/", .memory_bytes = 1 << 20 }, none = config_of(path);

	assert_int_equal(llfree_file_open(&file, &folder), LLFREE_ERR_SYSTEM);
	assert_int_equal(errno, EISDIR);
	assert_int_equal(llfree_file_open(&file, &none), LLFREE_ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
	llfree_file_config device = { .path = "/dev/null" };

	assert_int_equal(llfree_file_open(&file, &device), LLFREE_ERR_INVAL);
	assert_int_equal(t_open_descriptors(), before);
}

static void file_larger_than_its_file_system_is_refused_and_removed(void **state)
{
	char path[128];
	llfree_file file;
	llfree_file_config config = config_of(t_new_path(path, sizeof(path)));

	(void)state;
	config.memory_bytes = UINT64_C(1) << 40;
	assert_int_equal(llfree_file_create(&file, &config), LLFREE_ERR_SYSTEM);
	assert_true(errno == ENOSPC || errno == EFBIG);
	assert_int_equal(access(path, F_OK), -1);
}

/* --- superblocks that lie ----------------------------------------------------------------------------------------- */

static void truncated_file_is_refused_at_every_length(void **state)
{
	char path[128];
	llfree_file file;
	uint64_t huge, frame;
	llfree_file_config config = config_of(make(&file, path, sizeof(path), &huge, &frame));
	off_t file_bytes = (off_t)llf_file_bytes(file.metadata);

	(void)state;
	assert_ok(llfree_file_close(&file), &file);
	const off_t lengths[] = { file_bytes - 1,
				  file_bytes - 4096,
				  LLF_REGION_OFFSET + 300,
				  LLF_REGION_OFFSET,
				  4096,
				  128,
				  127,
				  72,
				  8,
				  7,
				  0 };

	for (unsigned i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		assert_int_equal(truncate(path, lengths[i]), 0);
		assert_int_equal(llfree_file_open(&file, &config),
				 lengths[i] >= 8 ? LLFREE_ERR_TRUNCATED : LLFREE_ERR_MAGIC);
		struct stat status;

		assert_int_equal(stat(path, &status), 0);
		assert_int_equal(status.st_size, lengths[i]);
	}
	unlink(path);
}

static uint64_t checksum_of(const uint8_t *bytes)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < offsetof(llf_superblock, checksum); i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/* Every byte inverted: noticed by the checksum; and with a checksum that fits: noticed by the number itself. */
static void every_byte_of_the_superblock_counts(void **state)
{
	char path[128];
	llfree_file file;
	uint64_t huge, frame;
	llfree_file_config config = config_of(make(&file, path, sizeof(path), &huge, &frame));
	uint8_t good[sizeof(llf_superblock)], bad[sizeof(llf_superblock)];

	(void)state;
	assert_ok(llfree_file_close(&file), &file);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_int_equal(pread(fd, good, sizeof(good), 0), sizeof(good));
	for (size_t i = 0; i < offsetof(llf_superblock, state); i++) {
		for (unsigned mended = 0; mended < 2; mended++) {
			memcpy(bad, good, sizeof(bad));
			bad[i] ^= 0xff;
			if (mended && i < offsetof(llf_superblock, checksum)) {
				uint64_t sum = checksum_of(bad);

				memcpy(bad + offsetof(llf_superblock, checksum), &sum, sizeof(sum));
			}
			assert_int_equal(pwrite(fd, bad, sizeof(bad), 0), sizeof(bad));
			llfree_err err = llfree_file_open(&file, &config);
			llfree_err expected = i < 8 ? LLFREE_ERR_MAGIC : i < 12 ? LLFREE_ERR_VERSION : err;

			if (err == LLFREE_OK || err == LLFREE_ERR_SYSTEM || err != expected)
				fail_msg("byte %zu inverted: %s", i, llfree_err_text(err));
			uint8_t now[sizeof(llf_superblock)];

			assert_int_equal(pread(fd, now, sizeof(now), 0), sizeof(now));
			assert_memory_equal(now, bad, sizeof(now)); /* a refusal writes nothing */
		}
	}
	assert_int_equal(pwrite(fd, good, sizeof(good), 0), sizeof(good));
	close(fd);
	assert_ok(llfree_file_open(&file, &config), &file);
	check_kept(&file, huge, frame);
	assert_ok(llfree_file_close(&file), &file);
	unlink(path);
}

static void state_that_is_neither_clean_nor_in_use_counts_as_in_use(void **state)
{
	char path[128];
	llfree_file file;
	uint64_t huge, frame;
	llfree_file_config config = config_of(make(&file, path, sizeof(path), &huge, &frame));

	(void)state;
	assert_ok(llfree_file_close(&file), &file);
	uint32_t torn = LLF_FILE_CLEAN ^ 0x100;

	write_at(path, offsetof(llf_superblock, state), &torn, sizeof(torn));
	assert_ok(llfree_file_open(&file, &config), &file);
	assert_int_equal(file.found, LLFREE_FILE_KILLED);
	check_kept(&file, huge, frame);
	assert_ok(llfree_file_close(&file), &file);
	unlink(path);
}

static void region_that_contradicts_the_superblock_is_refused(void **state)
{
	char path[128];
	llfree_file file;
	uint64_t huge, frame;
	llfree_file_config config = config_of(make(&file, path, sizeof(path), &huge, &frame));
	uint64_t region_bytes = file.arena.region_bytes;
	uint8_t *region = malloc(region_bytes), *other = aligned_alloc(64, (region_bytes + 63) / 64 * 64);

	(void)state;
	assert_true(region && other);
	assert_ok(llfree_file_close(&file), &file);
	int fd = open(path, O_RDWR | O_CLOEXEC);

	assert_int_equal(pread(fd, region, region_bytes, LLF_REGION_OFFSET), region_bytes);
	/* A valid region of half the memory, and one in the other mode. */
	llfree_config configs[] = {
		{ .frames = T_MEMORY_BYTES >> LLFREE_FRAME_SHIFT >> 1, .cpus = 1 },
		{ .frames = T_MEMORY_BYTES >> LLFREE_FRAME_SHIFT, .cpus = 1, .exact = true },
	};
	for (unsigned i = 0; i < 2; i++) {
		llfree_t a;

		memset(other, 0, region_bytes);
		assert_int_equal(llfree_init(&a, &configs[i], other, region_bytes, false), LLFREE_OK);
		assert_int_equal(pwrite(fd, other, region_bytes, LLF_REGION_OFFSET), region_bytes);
		assert_int_equal(llfree_file_open(&file, &config), LLFREE_ERR_CORRUPT);
	}
	memset(other, 0, 256);
	assert_int_equal(pwrite(fd, other, 256, LLF_REGION_OFFSET), 256);
	assert_int_equal(llfree_file_open(&file, &config), LLFREE_ERR_MAGIC);
	assert_int_equal(pwrite(fd, region, region_bytes, LLF_REGION_OFFSET), region_bytes);
	close(fd);
	free(region);
	free(other);
	assert_ok(llfree_file_open(&file, &config), &file);
	check_kept(&file, huge, frame);
	assert_ok(llfree_file_close(&file), &file);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closed_arena_is_clean_and_keeps_frames_and_bytes),
		cmocka_unit_test(arena_by_descriptor_is_the_same),
		cmocka_unit_test(file_that_exists_is_never_overwritten),
		cmocka_unit_test(arena_in_use_is_busy),
		cmocka_unit_test(arena_of_a_killed_process_gives_its_claims_back),
		cmocka_unit_test(arena_of_another_boot_is_lost_unless_that_is_accepted),
		cmocka_unit_test(distrust_treats_a_kill_like_a_power_failure),
		cmocka_unit_test(durable_arena_survives_a_power_failure),
		cmocka_unit_test(flushes_that_fail_are_told_by_close),
		cmocka_unit_test(cache_flush_takes_any_range),
		cmocka_unit_test(wrong_arguments_leave_nothing_behind),
		cmocka_unit_test(file_larger_than_its_file_system_is_refused_and_removed),
		cmocka_unit_test(truncated_file_is_refused_at_every_length),
		cmocka_unit_test(every_byte_of_the_superblock_counts),
		cmocka_unit_test(state_that_is_neither_clean_nor_in_use_counts_as_in_use),
		cmocka_unit_test(region_that_contradicts_the_superblock_is_refused),
	};
	return cmocka_run_group_tests_name("file_arena", tests, NULL, NULL);
}
