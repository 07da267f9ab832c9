/* SPDX-License-Identifier: MIT
 *
 * H4, where a file can't be sealed: a guest that shrinks its memory file under the host. */
#define _GNU_SOURCE
#include "t_sim.h"

#include "memory/bus_guard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic int n_hits;

static void count_hit(void *context)
{
	(void)context;
	n_hits++;
}

static volatile uint8_t *file_map(int *fd, size_t bytes)
{
	*fd = memfd_create("guarded", MFD_CLOEXEC);
	assert_true(*fd >= 0);
	assert_int_equal(ftruncate(*fd, (off_t)bytes), 0);
	void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	assert_true(base != MAP_FAILED);
	return base;
}

static void shrunk_file_reads_as_zeros_and_is_told_once(void **state)
{
	(void)state;
	enum { BYTES = 64 * HV_FRAME_BYTES };
	int fd;
	volatile uint8_t *base = file_map(&fd, BYTES);
	n_hits = 0;
	assert_int_equal(hv_bus_guard_add((void *)base, BYTES, count_hit, NULL), HV_OK);
	for (size_t at = 0; at < BYTES; at += HV_FRAME_BYTES)
		base[at] = 7;
	assert_int_equal(n_hits, 0);
	assert_int_equal(ftruncate(fd, HV_FRAME_BYTES), 0);
	assert_int_equal(base[0], 7); /* what is left is left */
	assert_int_equal(base[HV_FRAME_BYTES], 0);
	assert_int_equal(n_hits, 1);
	base[5 * HV_FRAME_BYTES] = 9; /* nobody else's from now on */
	assert_int_equal(base[5 * HV_FRAME_BYTES], 9);
	assert_int_equal(n_hits, 1);
	hv_bus_guard_remove((void *)base);
	munmap((void *)base, BYTES);
	close(fd);
}

static void hole_in_memory_that_nobody_watches_still_kills(void **state)
{
	(void)state;
	int fd, watched_fd, status;
	volatile uint8_t *watched = file_map(&watched_fd, HV_FRAME_BYTES), *base = file_map(&fd, HV_FRAME_BYTES);
	assert_int_equal(hv_bus_guard_add((void *)watched, HV_FRAME_BYTES, count_hit, NULL), HV_OK);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int quiet = open("/dev/null", O_WRONLY);
		dup2(quiet, STDERR_FILENO); /* sanitizers say a lot about it */
		_exit(ftruncate(fd, 0) == 0 && base[0] == 0 ? 0 : 77);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	/* cmocka's own handler, or a sanitizer's, ends the process with a code instead */
	assert_true(WIFSIGNALED(status) || (WEXITSTATUS(status) != 0 && WEXITSTATUS(status) != 77));
	hv_bus_guard_remove((void *)watched);
	munmap((void *)watched, HV_FRAME_BYTES);
	munmap((void *)base, HV_FRAME_BYTES);
	close(watched_fd);
	close(fd);
}

static void more_ranges_than_there_is_room_for_are_refused(void **state)
{
	(void)state;
	static uint8_t frames[80];
	unsigned n_added = 0;
	while (n_added < sizeof(frames) && hv_bus_guard_add(&frames[n_added], 1, count_hit, NULL) == HV_OK)
		n_added++;
	assert_true(n_added > 32 && n_added < sizeof(frames));
	for (unsigned at = 0; at < n_added; at++)
		hv_bus_guard_remove(&frames[at]);
	assert_int_equal(hv_bus_guard_add(&frames[0], 1, count_hit, NULL), HV_OK);
	hv_bus_guard_remove(&frames[0]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(shrunk_file_reads_as_zeros_and_is_told_once),
		cmocka_unit_test(hole_in_memory_that_nobody_watches_still_kills),
		cmocka_unit_test(more_ranges_than_there_is_room_for_are_refused),
	};
	return T_RUN(tests);
}
