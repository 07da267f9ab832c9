/* SPDX-License-Identifier: MIT
 *
 * The guest driver and more than one process: fork, exit, kill, also in the middle of faults; the module under users;
 * a host that does not answer. */
#define _GNU_SOURCE
#include "guest_faults.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FORK_BYTES = 4 * GF_HUGE, CROWD = 6, CROWD_ROUNDS = 2, CROWD_THREADS = 3, CROWD_BYTES = 4 * GF_HUGE };

static bool exited_well(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* The child changes what the parent wrote, and goes; then the other way round. */
static const char *fork_shares_frames(void)
{
	int fd = gf_open();
	for (int huge = 0; huge < 2; huge++) {
		uint8_t *base = gf_map(fd, FORK_BYTES, 0, huge);
		gf_fill(base, FORK_BYTES / 2, 1);
		int child = fork();
		if (child == 0) {
			bool right = gf_check(base, FORK_BYTES / 2, 1);
			gf_fill(base, FORK_BYTES, 2); /* the second half comes by the child's faults */
			_exit(!right);
		}
		if (!exited_well(gf_reap(child)))
			return "the child did not see the parent's words";
		if (!gf_check(base, FORK_BYTES, 2))
			return "the parent does not see the child's words, or lost frames with it";
		munmap(base, FORK_BYTES);
	}
	close(fd);
	return NULL;
}

static const char *frames_stay_for_the_child(void)
{
	int fd = gf_open(), go[2], back[2];
	long long held_before = gf_stat("held_frames");
	uint8_t *base = gf_map(fd, FORK_BYTES, 0, true);
	gf_fill(base, FORK_BYTES, 3);
	if (pipe(go) != 0 || pipe(back) != 0)
		return "pipe";
	int child = fork();
	if (child == 0) {
		char byte = 0;
		if (read(go[0], &byte, 1) != 1) /* the parent has unmapped all */
			_exit(2);
		bool right = gf_check(base, FORK_BYTES, 3);
		munmap(base + GF_HUGE / 2, GF_HUGE); /* across the border of two huge frames */
		right = right && gf_check(base, GF_HUGE / 2, 3);
		if (write(back[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(2);
		_exit(!right);
	}
	munmap(base, FORK_BYTES);
	close(fd);
	char byte = 0;
	long long held = gf_stat("held_frames") - held_before;
	if (write(go[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
		return "the child is gone";
	long long rest = gf_stat("held_frames") - held_before;
	bool told = write(go[1], &byte, 1) == 1;
	int status = gf_reap(child);
	for (int end = 0; end < 2; end++) {
		close(go[end]);
		close(back[end]);
	}
	if (!told || !exited_well(status))
		return "the child's frames changed";
	if (held != FORK_BYTES / GF_PAGE || rest != held - GF_PAGES_PER_HUGE)
		return gf_fail("%lld frames for the child, %lld after it unmapped 512", held, rest);
	return NULL;
}

static void *crowd_thread(void *context)
{
	uint8_t *base = context;
	for (uint64_t round = 0; round < UINT64_MAX; round++)
		for (size_t at = 0; at < CROWD_BYTES; at += GF_PAGE)
			*(volatile uint64_t *)(void *)(base + at) = round;
	return NULL;
}

/* A process that faults, maps, unmaps and forks until it ends by itself, or is killed. */
static void crowd_member(unsigned seed, bool exits)
{
	int fd = gf_open();
	uint8_t *base = gf_map(fd, CROWD_BYTES, 0, seed % 2);
	pthread_t thread;
	for (int at = 0; at < CROWD_THREADS; at++)
		if (pthread_create(&thread, NULL, crowd_thread, base) != 0)
			_exit(1);
	for (unsigned round = 0; !exits || round < 3 + seed % 5; round++) {
		uint8_t *more = gf_map(fd, CROWD_BYTES, CROWD_BYTES * UINT64_C(2), (seed + round) % 2);
		if (more == NULL)
			_exit(1);
		gf_fill(more, CROWD_BYTES, seed);
		munmap(more + GF_PAGE * (round % GF_PAGES_PER_HUGE), GF_HUGE);
		int child = round % 2 == 0 ? fork() : -1;
		if (child == 0) {
			gf_fill(more + CROWD_BYTES - GF_HUGE, GF_HUGE, seed);
			_exit(0);
		}
		if (child > 0)
			gf_reap(child);
		munmap(more, CROWD_BYTES);
	}
	_exit(0);
}

static const char *crowd(bool exits)
{
	unsigned seed = (unsigned)getpid();
	for (int round = 0; round < CROWD_ROUNDS; round++) {
		int members[CROWD];
		for (int at = 0; at < CROWD; at++) {
			members[at] = fork();
			if (members[at] == 0)
				crowd_member(seed + (unsigned)(round * CROWD + at), exits);
		}
		if (!exits)
			usleep(20000 + seed * 7919u % 100000);
		for (int at = 0; at < CROWD; at++) {
			if (!exits)
				kill(members[at], SIGKILL);
			int status = gf_reap(members[at]);
			if (exits && !exited_well(status))
				return gf_fail("a process ended with status %#x", (unsigned)status);
		}
	}
	return NULL;
}

static const char *exit_under_load_gives_all_back(void)
{
	return crowd(true);
}

static const char *kill_under_load_gives_all_back(void)
{
	return crowd(false);
}

static const char *the_region_is_sound_after_all(void)
{
	char text[200] = "";
	int fd = open("/sys/class/misc/llfree/audit", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return "no audit";
	close(fd);
	return strncmp(text, "ok ", 3) == 0 ? NULL : gf_fail("audit: %s", text);
}

static int module_delete(void)
{
	return syscall(SYS_delete_module, "llfree_guest", O_NONBLOCK) == 0 ? 0 : errno;
}

static int module_load(void)
{
	int fd = open("/mod/llfree_guest.ko", O_RDONLY | O_CLOEXEC);
	int err = fd < 0 || syscall(SYS_finit_module, fd, "", 0) != 0 ? errno : 0;
	close(fd);
	return err;
}

static const char *unload_is_refused_while_mapped(void)
{
	int fd = gf_open();
	uint8_t *base = gf_map(fd, GF_HUGE, 0, true);
	gf_fill(base, GF_HUGE, 8);
	close(fd); /* the mapping alone must hold it */
	int err = module_delete();
	if (err != EAGAIN && err != EBUSY)
		return gf_fail("delete_module while mapped: %s", err ? strerror(err) : "done");
	bool right = gf_check(base, GF_HUGE, 8);
	munmap(base, GF_HUGE);
	return right ? NULL : "contents changed";
}

static const char *unload_and_load_again(void)
{
	for (int round = 0; round < 3; round++) {
		int err = module_delete();
		if (err)
			return gf_fail("delete_module: %s", strerror(err));
		if (access(GF_DEVICE, F_OK) == 0)
			return GF_DEVICE " stayed";
		err = module_load();
		if (err)
			return gf_fail("loading it again: %s", strerror(err));
		int fd = gf_open();
		uint8_t *base = gf_map(fd, 2 * (size_t)GF_HUGE, 0, true);
		bool zero = gf_is_zero(base, 2 * (size_t)GF_HUGE);
		gf_fill(base, 2 * (size_t)GF_HUGE, 1);
		munmap(base, 2 * (size_t)GF_HUGE);
		close(fd);
		if (!zero)
			return "frames not zeroed after loading again";
	}
	return the_region_is_sound_after_all();
}

/* @return NULL, or the call that failed */
static const char *driver_tell(const char *verb, const char *device)
{
	char path[64];
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/llfree_guest/%s", verb);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, device, strlen(device)) == (ssize_t)strlen(device);
	const char *why = done ? NULL : gf_fail("%s %s: %s", verb, device, strerror(errno));
	close(fd);
	return why;
}

/* The devices that the driver has: that of the doorbells has registers in BAR 1 (MSI-X), the memory's has not. */
static bool devices_find(char doorbells[32], char memory[32])
{
	glob_t found;
	if (glob("/sys/bus/pci/drivers/llfree_guest/0000:*", 0, NULL, &found) != 0)
		return false;
	doorbells[0] = memory[0] = '\0';
	for (size_t at = 0; at < found.gl_pathc; at++) {
		char path[128];
		snprintf(path, sizeof(path), "%s/msi_irqs", found.gl_pathv[at]);
		char *device = access(path, F_OK) == 0 ? doorbells : memory;
		snprintf(device, 32, "%s", strrchr(found.gl_pathv[at], '/') + 1);
	}
	globfree(&found);
	return doorbells[0] != '\0' && memory[0] != '\0';
}

/* A file that is open meanwhile is dead, and stays so. */
static const char *the_memorys_device_takes_the_doorbells_along(void)
{
	char doorbells[32], memory[32], none[32];
	if (!devices_find(doorbells, memory))
		return "the driver has not both devices";
	int fd = gf_open();
	const char *why = driver_tell("unbind", memory);
	if (why != NULL)
		return why;
	if (access(GF_DEVICE, F_OK) == 0)
		return GF_DEVICE " stayed without its memory";
	if (devices_find(none, none))
		return "the driver still has the doorbells";
	uint8_t *base = mmap(NULL, GF_HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base != MAP_FAILED && !gf_touch_faults(base))
		return "a page of the device that is gone";
	if (base != MAP_FAILED)
		munmap(base, GF_HUGE);
	close(fd);
	why = driver_tell("bind", memory);
	if (why == NULL && access(GF_DEVICE, F_OK) != 0)
		why = driver_tell("bind", doorbells);
	/* the kernel may bind them by itself, in a moment, since they waited for the memory */
	for (int wait = 0; why == NULL && access(GF_DEVICE, F_OK) != 0 && wait < 1000; wait++)
		usleep(10000);
	if (why != NULL)
		return why;
	return access(GF_DEVICE, F_OK) == 0 ? the_region_is_sound_after_all() : GF_DEVICE " did not come back";
}

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Whoever runs this has evicted all free frames and stopped answering. */
static const char *silent_host_is_sigbus_with_a_line(void)
{
	long long failures = gf_stat("install_failures"), evicted = gf_stat("evicted_huge");
	if (evicted * GF_PAGES_PER_HUGE < gf_stat("free_frames"))
		return gf_fail("%lld huge frames are evicted, that is not all", evicted);
	int fd = gf_open();
	uint8_t *base = gf_map(fd, 2 * (size_t)GF_HUGE, 0, true);
	double begin = seconds_now();
	bool faulted = gf_touch_faults(base) && gf_touch_faults(base + GF_HUGE);
	double took = seconds_now() - begin;
	munmap(base, 2 * (size_t)GF_HUGE);
	close(fd);
	if (!faulted)
		return "an evicted frame was handed out with nobody to install it";
	if (gf_stat("install_failures") <= failures)
		return "no failure was counted";
	static char log[1 << 18];
	int bytes = klogctl(3, log, sizeof(log) - 1);
	if (bytes <= 0 || strstr(log, "the host did not install huge frame") == NULL)
		return "no line in the kernel's log";
	printf("note both faults ended after %.1f s\n", took);
	return NULL;
}

/* A task that waits for an install can be killed: it does not sit out the timeout. */
static const char *waiting_for_an_install_can_be_killed(void)
{
	int child = fork();
	if (child == 0) {
		int fd = gf_open();
		uint8_t *base = gf_map(fd, GF_HUGE, 0, true);
		*(volatile uint8_t *)base = 1;
		_exit(0);
	}
	usleep(100000);
	kill(child, SIGKILL);
	int status = gf_reap(child);
	return WIFSIGNALED(status) ? NULL : gf_fail("status %#x", (unsigned)status);
}

const gf_entry gf_process_tests[] = {
	{ "fork_shares_frames", fork_shares_frames },
	{ "frames_stay_for_the_child", frames_stay_for_the_child },
	{ "exit_under_load_gives_all_back", exit_under_load_gives_all_back },
	{ "kill_under_load_gives_all_back", kill_under_load_gives_all_back },
	{ "the_region_is_sound_after_all", the_region_is_sound_after_all },
	{ NULL, NULL },
};

const gf_entry gf_module_tests[] = {
	{ "unload_is_refused_while_mapped", unload_is_refused_while_mapped },
	{ "unload_and_load_again", unload_and_load_again },
	{ "the_memorys_device_takes_the_doorbells_along", the_memorys_device_takes_the_doorbells_along },
	{ NULL, NULL },
};

const gf_entry gf_timeout_tests[] = {
	{ "waiting_for_an_install_can_be_killed", waiting_for_an_install_can_be_killed },
	{ "silent_host_is_sigbus_with_a_line", silent_host_is_sigbus_with_a_line },
	{ NULL, NULL },
};
