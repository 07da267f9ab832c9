/* SPDX-License-Identifier: MIT
 *
 * guest_faults [GROUP...]: run the tests of the guest driver in this guest; groups mapping (default), process
 * (default), module, timeout. Prints "ok NAME" or "FAILED NAME: why"; exit code 1 when one failed. */
#define _GNU_SOURCE
#include "guest_faults.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define STAT_FOLDER "/sys/class/misc/llfree/"

static _Thread_local sigjmp_buf bus_return;
static _Thread_local volatile sig_atomic_t bus_expected;

int gf_open(void)
{
	int fd = open(GF_DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		printf("FAILED open: %s: %s\n", GF_DEVICE, strerror(errno));
		exit(1);
	}
	return fd;
}

uint8_t *gf_map(int fd, size_t bytes, uint64_t offset, bool huge)
{
	void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	if (base == MAP_FAILED)
		return NULL;
	if (!huge && madvise(base, bytes, MADV_NOHUGEPAGE) != 0)
		return NULL;
	return base;
}

static uint64_t word_of(uint64_t seed, size_t at)
{
	return (seed + at / GF_PAGE + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

void gf_fill(uint8_t *base, size_t bytes, uint64_t seed)
{
	for (size_t at = 0; at < bytes; at += GF_PAGE)
		*(volatile uint64_t *)(void *)(base + at) = word_of(seed, at);
}

bool gf_check(const uint8_t *base, size_t bytes, uint64_t seed)
{
	for (size_t at = 0; at < bytes; at += GF_PAGE)
		if (*(const volatile uint64_t *)(const void *)(base + at) != word_of(seed, at))
			return false;
	return true;
}

bool gf_is_zero(const uint8_t *base, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += sizeof(uint64_t))
		if (*(const volatile uint64_t *)(const void *)(base + at) != 0)
			return false;
	return true;
}

long long gf_stat(const char *name)
{
	char path[128], text[64] = "";
	snprintf(path, sizeof(path), STAT_FOLDER "%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t bytes = read(fd, text, sizeof(text) - 1);
	close(fd);
	return bytes > 0 ? strtoll(text, NULL, 10) : -1;
}

bool gf_stat_becomes(const char *name, long long value)
{
	for (int waited_ms = 0; waited_ms < 30000; waited_ms += 20) {
		if (gf_stat(name) == value)
			return true;
		usleep(20000);
	}
	return false;
}

int gf_reap(int pid)
{
	int status = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

static void on_bus(int number)
{
	if (bus_expected)
		siglongjmp(bus_return, 1);
	signal(number, SIG_DFL);
	raise(number);
}

bool gf_touch_faults(uint8_t *byte)
{
	bool faulted = sigsetjmp(bus_return, 1) != 0;
	if (!faulted) {
		bus_expected = 1;
		*(volatile uint8_t *)byte = 1;
	}
	bus_expected = 0;
	return faulted;
}

const char *gf_fail(const char *format, ...)
{
	static char text[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	return text;
}

/* @return tests that failed */
static int run_group(const gf_entry *tests)
{
	int failed = 0;
	for (; tests->name != NULL; tests++) {
		printf("run %s\n", tests->name);
		long long held = gf_stat("held_frames");
		const char *why = tests->run();
		if (why == NULL && !gf_stat_becomes("held_frames", held))
			why = gf_fail("%lld frames were held before, %lld are after", held, gf_stat("held_frames"));
		if (why == NULL && gf_stat("puts_refused") != 0)
			why = "the allocator refused frames";
		if (why == NULL)
			printf("ok %s\n", tests->name);
		else
			printf("FAILED %s: %s\n", tests->name, why);
		failed += why != NULL;
	}
	return failed;
}

int main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	struct sigaction action = { .sa_handler = on_bus };
	sigaction(SIGBUS, &action, NULL);
	int failed = 0;
	if (argc == 1)
		failed = run_group(gf_mapping_tests) + run_group(gf_process_tests);
	for (int at = 1; at < argc; at++) {
		const gf_entry *group = strcmp(argv[at], "mapping") == 0   ? gf_mapping_tests
					: strcmp(argv[at], "process") == 0 ? gf_process_tests
					: strcmp(argv[at], "module") == 0  ? gf_module_tests
					: strcmp(argv[at], "timeout") == 0 ? gf_timeout_tests
									   : NULL;
		if (group == NULL) {
			fprintf(stderr, "guest_faults: unknown group %s; mapping, process, module, timeout\n",
				argv[at]);
			return 2;
		}
		failed += run_group(group);
	}
	printf("%s\n", failed == 0 ? "all passed" : "some FAILED");
	return failed != 0;
}
