/* SPDX-License-Identifier: MIT
 *
 * The guest driver's mappings within one process: what a fault gives, what munmap, mremap and madvise take back. */
#define _GNU_SOURCE
#include "guest_faults.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static const char *frames_come_zeroed(void)
{
	for (int pass = 0; pass < 4; pass++) {
		int fd = gf_open();
		uint8_t *base = gf_map(fd, 8 * (size_t)GF_HUGE, 0, pass % 2 == 0);
		if (base == NULL)
			return "mmap";
		bool zero = gf_is_zero(base, 8 * (size_t)GF_HUGE);
		memset(base, 0xa5, 8 * (size_t)GF_HUGE);
		munmap(base, 8 * (size_t)GF_HUGE);
		close(fd);
		if (!zero)
			return gf_fail("pass %d saw what another mapping had written", pass);
	}
	return NULL;
}

static const char *aligned_faults_are_huge(void)
{
	int fd = gf_open();
	long long huge_before = gf_stat("faults_2m"), small_before = gf_stat("faults_4k");
	uint8_t *base = gf_map(fd, 4 * (size_t)GF_HUGE, 0, true);
	gf_fill(base, 4 * (size_t)GF_HUGE, 1);
	long long huge = gf_stat("faults_2m") - huge_before, small = gf_stat("faults_4k") - small_before;
	bool right = gf_check(base, 4 * (size_t)GF_HUGE, 1);
	munmap(base, 4 * (size_t)GF_HUGE);
	close(fd);
	if (huge != 4 || small != 0)
		return gf_fail("%lld huge and %lld small faults for 4 aligned huge frames", huge, small);
	return right ? NULL : "wrong contents";
}

/* Every hole of one page, at places that matter, in a window that was served as one huge frame. */
static const char *partial_munmap(bool huge)
{
	static const size_t holes[] = { 0, 1, 255, 511, 512, 700, 1023, 1024, 2047 };
	size_t bytes = 4 * (size_t)GF_HUGE, n_holes = sizeof(holes) / sizeof(holes[0]);
	int fd = gf_open();
	uint8_t *base = gf_map(fd, bytes, 0, huge);
	gf_fill(base, bytes, 7);
	long long held = gf_stat("held_frames");
	for (size_t at = 0; at < n_holes; at++)
		if (munmap(base + holes[at] * GF_PAGE, GF_PAGE) != 0)
			return "munmap of a page";
	long long gone = held - gf_stat("held_frames");
	if (gone != (long long)n_holes)
		return gf_fail("%zu pages unmapped, %lld frames given back", n_holes, gone);
	size_t next = 0;
	for (size_t page = 0; page < bytes / GF_PAGE; page++) {
		if (next < n_holes && holes[next] == page) {
			next++;
			continue;
		}
		if (!gf_check(base + page * GF_PAGE, GF_PAGE, 7 + page))
			return gf_fail("page %zu changed", page);
	}
	munmap(base, bytes);
	close(fd);
	return NULL;
}

static const char *partial_munmap_gives_back_just_its_frames(void)
{
	return partial_munmap(false);
}

static const char *partial_munmap_of_huge_frames_keeps_the_rest(void)
{
	return partial_munmap(true);
}

static const char *mremap_moves_and_shrinks(void)
{
	size_t bytes = 4 * (size_t)GF_HUGE;
	int fd = gf_open();
	for (int huge = 0; huge < 2; huge++) {
		uint8_t *base = gf_map(fd, bytes, 0, huge);
		uint8_t *place = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		gf_fill(base, bytes, 3);
		long long held = gf_stat("held_frames");
		/* a place that is not aligned as the old one: huge entries can't move as they are */
		uint8_t *moved = mremap(base, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place + GF_PAGE);
		if (moved != place + GF_PAGE)
			return gf_fail("mremap: %s", strerror(errno));
		if (!gf_check(moved, bytes, 3) || gf_stat("held_frames") != held)
			return "moving changed contents or frames";
		if (mremap(moved, bytes, bytes + GF_PAGE, MREMAP_MAYMOVE) != MAP_FAILED)
			return "a mapping grew";
		if (mremap(moved, bytes, bytes / 2, 0) != moved || !gf_check(moved, bytes / 2, 3))
			return "shrinking changed contents";
		if (held - gf_stat("held_frames") != (long long)(bytes / 2 / GF_PAGE))
			return "shrinking gave back other than half";
		munmap(place, 2 * bytes);
	}
	close(fd);
	return NULL;
}

static const char *mappings_of_one_offset_share_frames(void)
{
	size_t bytes = 2 * (size_t)GF_HUGE;
	int fd = gf_open();
	uint8_t *first = gf_map(fd, bytes, 0, true), *second = gf_map(fd, bytes / 2, bytes / 2, false);
	gf_fill(first, bytes, 9);
	if (!gf_check(second, bytes / 2, 9 + bytes / 2 / GF_PAGE))
		return "the second mapping sees other frames";
	long long held = gf_stat("held_frames");
	munmap(first, bytes);
	if (!gf_check(second, bytes / 2, 9 + bytes / 2 / GF_PAGE))
		return "the second mapping lost its frames with the first";
	if (held - gf_stat("held_frames") != (long long)(bytes / 2 / GF_PAGE))
		return "the half that nobody maps did not go back";
	first = gf_map(fd, bytes, 0, true);
	if (!gf_is_zero(first, bytes / 2) || !gf_check(first + bytes / 2, bytes / 2, 9 + bytes / 2 / GF_PAGE))
		return "mapped again: the gone half must be new, the other kept";
	munmap(first, bytes);
	munmap(second, bytes / 2);
	close(fd);
	return NULL;
}

static const char *protection_and_advice(void)
{
	size_t bytes = 2 * (size_t)GF_HUGE;
	int fd = gf_open();
	if (mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) != MAP_FAILED)
		return "a private mapping was allowed";
	uint8_t *base = gf_map(fd, bytes, 0, true);
	gf_fill(base, bytes, 5);
	if (mprotect(base + 3 * GF_PAGE, GF_PAGE, PROT_READ) != 0 || !gf_check(base, bytes, 5))
		return "mprotect of a page in a huge frame";
	if (mprotect(base, bytes, PROT_NONE) != 0 || mprotect(base, bytes, PROT_READ | PROT_WRITE) != 0)
		return "mprotect of all";
	gf_fill(base, bytes, 6);
	if (madvise(base, bytes, MADV_NOHUGEPAGE) != 0 || !gf_check(base, bytes, 6))
		return "madvise changed contents";
	munmap(base, bytes);
	close(fd);
	return NULL;
}

/* The kernel can't pin these pages; it must refuse, and nothing may break. */
static const char *pinning_is_refused(void)
{
	int fd = gf_open(), ends[2];
	uint8_t *base = gf_map(fd, GF_HUGE, 0, true);
	gf_fill(base, GF_HUGE, 4);
	uint64_t word;
	struct iovec local = { &word, sizeof(word) }, remote = { base, sizeof(word) };
	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) >= 0)
		return "process_vm_readv pinned a page";
	if (pipe(ends) != 0)
		return "pipe";
	struct iovec pages = { base, 16 * GF_PAGE };
	if (vmsplice(ends[1], &pages, 1, SPLICE_F_GIFT) >= 0)
		return "vmsplice pinned a page";
	if (syscall(SYS_futex, base, FUTEX_WAKE, 1, NULL, NULL, 0) >= 0)
		return "a shared futex found a page";
	if (write(ends[1], base, sizeof(word)) != sizeof(word) || read(ends[0], &word, sizeof(word)) != sizeof(word) ||
	    memcmp(&word, base, sizeof(word)) != 0)
		return "plain copies must work";
	close(ends[0]);
	close(ends[1]);
	munmap(base, GF_HUGE);
	close(fd);
	return NULL;
}

static const char *running_dry_is_sigbus(void)
{
	size_t bytes = ((size_t)gf_stat("frames") + 2 * GF_PAGES_PER_HUGE) * GF_PAGE, at = 0;
	int fd = gf_open();
	uint8_t *base = gf_map(fd, bytes, 0, true);
	if (base == NULL)
		return "mmap of more than there is";
	while (at < bytes && !gf_touch_faults(base + at))
		at += GF_PAGE;
	long long left = gf_stat("free_frames");
	munmap(base, bytes);
	close(fd);
	if (at >= bytes)
		return "more frames than there are";
	return left < GF_PAGES_PER_HUGE ? NULL : gf_fail("SIGBUS with %lld frames free", left);
}

enum { RACERS = 8, RACE_ROUNDS = 6, RACE_BYTES = 2 * GF_HUGE };

typedef struct race {
	pthread_barrier_t barrier;
	uint8_t *_Atomic base;
} race;

/* All add to a word of each page: a page that two faults gave two frames loses additions. */
static void *race_run(void *context)
{
	race *shared = context;
	for (int round = 0; round < RACE_ROUNDS; round++) {
		pthread_barrier_wait(&shared->barrier);
		uint8_t *base = shared->base;
		for (size_t at = 0; at < RACE_BYTES; at += GF_PAGE)
			atomic_fetch_add((_Atomic uint32_t *)(void *)(base + at), 1);
		pthread_barrier_wait(&shared->barrier);
	}
	return NULL;
}

static const char *faults_of_one_page_at_once_give_one_frame(void)
{
	static race shared;
	pthread_t threads[RACERS];
	int fd = gf_open();
	const char *why = NULL;
	pthread_barrier_init(&shared.barrier, NULL, RACERS + 1);
	for (int at = 0; at < RACERS; at++)
		if (pthread_create(&threads[at], NULL, race_run, &shared) != 0)
			return "pthread_create";
	for (int round = 0; round < RACE_ROUNDS; round++) {
		uint8_t *base = gf_map(fd, RACE_BYTES, 0, round % 2 == 0);
		shared.base = base;
		pthread_barrier_wait(&shared.barrier);
		pthread_barrier_wait(&shared.barrier);
		for (size_t at = 0; at < RACE_BYTES; at += GF_PAGE)
			if (*(uint32_t *)(void *)(base + at) != RACERS)
				why = gf_fail("page %zu of round %d has %u of %d additions", at / GF_PAGE, round,
					      *(uint32_t *)(void *)(base + at), RACERS);
		munmap(base, RACE_BYTES);
	}
	for (int at = 0; at < RACERS; at++)
		pthread_join(threads[at], NULL);
	pthread_barrier_destroy(&shared.barrier);
	close(fd);
	return why;
}

const gf_entry gf_mapping_tests[] = {
	{ "frames_come_zeroed", frames_come_zeroed },
	{ "aligned_faults_are_huge", aligned_faults_are_huge },
	{ "partial_munmap_gives_back_just_its_frames", partial_munmap_gives_back_just_its_frames },
	{ "partial_munmap_of_huge_frames_keeps_the_rest", partial_munmap_of_huge_frames_keeps_the_rest },
	{ "mremap_moves_and_shrinks", mremap_moves_and_shrinks },
	{ "mappings_of_one_offset_share_frames", mappings_of_one_offset_share_frames },
	{ "protection_and_advice", protection_and_advice },
	{ "pinning_is_refused", pinning_is_refused },
	{ "faults_of_one_page_at_once_give_one_frame", faults_of_one_page_at_once_give_one_frame },
	{ "running_dry_is_sigbus", running_dry_is_sigbus },
	{ NULL, NULL },
};
