/* SPDX-License-Identifier: MIT
 *
 * Courses of what a compile held: written as a trace and read again, scaled; copies of disks. */
#define _GNU_SOURCE
#include "image/qvm_disk.h"
#include "scenario/shared/qvm_course.h"
#include "tests/support/t_cmocka.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POINTS = 1000 };

static char folder[] = "/tmp/qvm-course.XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[100];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* Anonymous memory goes up and down and ends with nothing; the cache only grows. */
static qvm_course course_make(void)
{
	qvm_course course = { .origin = "a compile" };
	for (uint64_t at = 0; at < POINTS; at++) {
		uint64_t anon_frames = at + 1 < POINTS ? hv_mix(at) % 5000 : 0;
		const qvm_course_point point = { .at_ns = at * 200000000 + 1000 * (hv_mix(at) % 7),
						 .anon_bytes = anon_frames * HV_FRAME_BYTES,
						 .cache_bytes = at * 3 * HV_FRAME_BYTES };
		assert_true(qvm_course_add(&course, &point));
	}
	return course;
}

static void what_is_written_is_read_again(void **state)
{
	(void)state;
	char why[200];
	qvm_course course = course_make(), again;
	assert_int_equal(qvm_course_write(&course, in_folder("a.llftrace"), UINT64_C(1) << 30, 2), HV_OK);
	assert_int_equal(qvm_course_read(&again, in_folder("a.llftrace"), why, sizeof(why)), HV_OK);
	assert_string_equal(again.origin, "a compile");
	assert_int_equal(again.n_points, POINTS);
	for (size_t at = 0; at < POINTS; at++) {
		assert_int_equal(again.points[at].at_ns, course.points[at].at_ns);
		assert_int_equal(again.points[at].anon_bytes, course.points[at].anon_bytes);
		assert_int_equal(again.points[at].cache_bytes, course.points[at].cache_bytes);
	}
	assert_int_equal(qvm_course_peak(&again), qvm_course_peak(&course));
	qvm_course_clear(&again);
	qvm_course_clear(&course);
}

static void a_trace_that_exists_stays_as_it_is(void **state)
{
	(void)state;
	struct stat before, after;
	qvm_course course = course_make();
	assert_int_equal(qvm_course_write(&course, in_folder("b.llftrace"), UINT64_C(1) << 30, 2), HV_OK);
	assert_int_equal(stat(in_folder("b.llftrace"), &before), 0);
	course.n_points = 2;
	assert_int_equal(qvm_course_write(&course, in_folder("b.llftrace"), UINT64_C(1) << 30, 2), HV_ERR_EXISTS);
	assert_int_equal(stat(in_folder("b.llftrace"), &after), 0);
	assert_int_equal(after.st_size, before.st_size);
	qvm_course_clear(&course);
}

static void a_scaled_course_peaks_and_ends_as_asked(void **state)
{
	(void)state;
	qvm_course course = course_make();
	qvm_course_scale(&course, UINT64_C(100) << 20, UINT64_C(5000000000));
	assert_true(qvm_course_peak(&course) <= UINT64_C(100) << 20);
	assert_true(qvm_course_peak(&course) > UINT64_C(99) << 20);
	assert_in_range(qvm_course_end(&course), UINT64_C(4999999990), UINT64_C(5000000000));
	qvm_course_clear(&course);
	/* of nothing */
	qvm_course_scale(&course, 1 << 20, 1000);
	assert_int_equal(qvm_course_peak(&course), 0);
}

/* Data, a hole, data, a hole up to the end. */
static void a_copy_of_a_disk_has_its_bytes_and_no_name(void **state)
{
	(void)state;
	enum { MIB = 1 << 20, DISK_MIB = 33 };
	char here[120], *bytes = malloc(MIB), *copied = malloc(MIB);
	struct stat stat;
	int fd = open(in_folder("disk"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	memset(bytes, 7, MIB);
	assert_int_equal(ftruncate(fd, (off_t)DISK_MIB * MIB), 0);
	assert_int_equal(pwrite(fd, bytes, MIB, 0), MIB);
	assert_int_equal(pwrite(fd, bytes, MIB, (off_t)16 * MIB + 512), MIB);
	close(fd);
	snprintf(here, sizeof(here), "%s/tmp", folder);
	assert_int_equal(mkdir(here, 0700), 0);
	setenv("TMPDIR", here, 1);
	fd = qvm_disk_copy(in_folder("disk"));
	unsetenv("TMPDIR");
	assert_true(fd >= 0);
	assert_int_equal(rmdir(here), 0); /* it is empty */
	assert_int_equal(fstat(fd, &stat), 0);
	assert_int_equal(stat.st_size, (off_t)DISK_MIB * MIB);
	assert_true(stat.st_blocks * 512 < (off_t)8 * MIB);
	assert_int_equal(pread(fd, copied, MIB, 0), MIB);
	assert_memory_equal(copied, bytes, MIB);
	assert_int_equal(pread(fd, copied, MIB, (off_t)16 * MIB + 512), MIB);
	assert_memory_equal(copied, bytes, MIB);
	memset(bytes, 0, MIB);
	assert_int_equal(pread(fd, copied, MIB, (off_t)(DISK_MIB - 1) * MIB), MIB);
	assert_memory_equal(copied, bytes, MIB);
	close(fd);
	free(bytes);
	free(copied);
	assert_int_equal(qvm_disk_copy(in_folder("none")), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(a_trace_that_exists_stays_as_it_is),
		cmocka_unit_test(a_scaled_course_peaks_and_ends_as_asked),
		cmocka_unit_test(a_copy_of_a_disk_has_its_bytes_and_no_name),
	};
	if (mkdtemp(folder) == NULL)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(in_folder("a.llftrace"));
	unlink(in_folder("b.llftrace"));
	unlink(in_folder("disk"));
	rmdir(folder);
	return failed;
}
