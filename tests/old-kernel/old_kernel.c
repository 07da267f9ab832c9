/* SPDX-License-Identifier: MIT
 *
 * old-kernel: run a program as an older kernel, or one without huge pages, would have it. A seccomp filter answers the
 * calls of the table below as a kernel answers that does not know them yet; children inherit it. Before the program
 * starts, each call is made once, and must have been refused as the table says.
 *
 * Where such a filter may not be set the program is not run, and the exit code is that of a skipped test. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_rseq
#ifdef __x86_64__
#define SYS_rseq 334
#else
#define SYS_rseq 293
#endif
#endif
#ifdef __x86_64__
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#else
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif

enum { EXIT_USAGE = 2, EXIT_SKIPPED = 77, FILTER_MAX = 256, ROWS_MAX = 32 };
enum { SELF_PIDFD = -10000, SCAN_IOCTL = (int)0xc0606610, NOWAIT = 8, NOEXEC_SEAL = 8, POPULATE_WRITE = 23 };
enum { BUFFERS2 = 15, BUFFERS_UPDATE = 16 };

typedef enum match { ANY, EQUAL, BITS } match;

/* A call, and what a kernel says to it that is older than `since`. */
typedef struct row {
	const char *name, *since, *call, *fallback;
	long number;
	match match;
	unsigned argument; /* which one tells old from new */
	int value, error;
	const char *error_text;
} row;

#define ERROR(code) .error = (code), .error_text = #code

/* Of rows that match the same call the first one answers. A row without `since` is a build option of any kernel. */
static const row rows[] = {
	{ "huge-pages", NULL, "madvise(MADV_HUGEPAGE)", "4 KiB pages", SYS_madvise, EQUAL, 2, MADV_HUGEPAGE,
	  ERROR(EINVAL) },
	{ "membarrier", "4.14", "membarrier()", "zones enter an RCU section for every get and put", SYS_membarrier, ANY,
	  0, 0, ERROR(ENOSYS) },
	{ "rseq", "4.18", "rseq()", "sched_getcpu()", SYS_rseq, ANY, 0, 0, ERROR(ENOSYS) },
	{ "io-uring", "5.1", "io_uring_setup()", "no DMA device, and it is said", SYS_io_uring_setup, ANY, 0, 0,
	  ERROR(ENOSYS) },
	{ "pidfd-open", "5.3", "pidfd_open()", "as below", SYS_pidfd_open, ANY, 0, 0, ERROR(ENOSYS) },
	{ "nowait", "5.8", "preadv2(RWF_NOWAIT) of an eventfd", "doorbells are heard by epoll and not read",
	  SYS_preadv2, BITS, 5, NOWAIT, ERROR(EOPNOTSUPP) },
	{ "close-range", "5.9", "close_range()", "each of `/proc/self/fd`", SYS_close_range, ANY, 0, -1,
	  ERROR(ENOSYS) },
	{ "process-madvise", "5.10", "process_madvise()", "madvise() over neighbours", SYS_process_madvise, ANY, 0, 0,
	  ERROR(ENOSYS) },
	{ "populate", "5.14", "madvise(MADV_POPULATE_WRITE)", "touching every frame", SYS_madvise, EQUAL, 2,
	  POPULATE_WRITE, ERROR(EINVAL) },
	{ "sparse-buffers", "5.19", "io_uring_register(BUFFERS2)", "no DMA device, and it is said",
	  SYS_io_uring_register, EQUAL, 1, BUFFERS2, ERROR(EINVAL) },
	{ "buffer-update", "5.19", "io_uring_register(BUFFERS_UPDATE)", "no DMA device, and it is said",
	  SYS_io_uring_register, EQUAL, 1, BUFFERS_UPDATE, ERROR(EINVAL) },
	{ "noexec-seal", "6.3", "memfd_create(MFD_NOEXEC_SEAL)", "without the seal", SYS_memfd_create, BITS, 1,
	  NOEXEC_SEAL, ERROR(EINVAL) },
	{ "pagemap-scan", "6.7", "ioctl(PAGEMAP_SCAN)", "mincore() and smaps", SYS_ioctl, EQUAL, 1, SCAN_IOCTL,
	  ERROR(ENOTTY) },
	{ "pidfd-self", "6.15", "process_madvise(PIDFD_SELF)", "a descriptor by pidfd_open()", SYS_process_madvise,
	  EQUAL, 0, SELF_PIDFD, ERROR(EBADF) },
	{ "discard-self", "6.13", "process_madvise(MADV_DONTNEED) on oneself", "madvise() over neighbours",
	  SYS_process_madvise, EQUAL, 3, MADV_DONTNEED, ERROR(EINVAL) },
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

typedef struct filter {
	struct sock_filter code[FILTER_MAX];
	unsigned short n_steps;
} filter;

static void emit(filter *self, unsigned code, unsigned value, unsigned char if_true, unsigned char if_false)
{
	self->code[self->n_steps++] = (struct sock_filter){ (unsigned short)code, if_true, if_false, value };
}

/* The lower half of an argument: all that the table asks for are ints. */
static void emit_row(filter *self, const row *it)
{
	unsigned answer = SECCOMP_RET_ERRNO | (unsigned)it->error;
	emit(self, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	if (it->match == ANY) {
		emit(self, BPF_JMP | BPF_JEQ | BPF_K, (unsigned)it->number, 0, 1);
	} else {
		unsigned jump = it->match == BITS ? BPF_JSET : BPF_JEQ;
		emit(self, BPF_JMP | BPF_JEQ | BPF_K, (unsigned)it->number, 0, 3);
		emit(self, BPF_LD | BPF_W | BPF_ABS,
		     (unsigned)(offsetof(struct seccomp_data, args) + it->argument * sizeof(uint64_t)), 0, 0);
		emit(self, BPF_JMP | jump | BPF_K, (unsigned)it->value, 0, 1);
	}
	emit(self, BPF_RET | BPF_K, answer, 0, 0);
}

static bool filter_set(const bool refused[ROWS])
{
	static filter self;
	emit(&self, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	emit(&self, BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
	emit(&self, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	for (unsigned at = 0; at < ROWS; at++)
		if (refused[at])
			emit_row(&self, &rows[at]);
	emit(&self, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	struct sock_fprog program = { .len = self.n_steps, .filter = self.code };
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

/* Made with zeros elsewhere: no kernel that knows the call says the same to that. */
static bool answers_as_told(const row *it)
{
	long arguments[6] = { 0 };
	arguments[it->argument] = it->value;
	errno = 0;
	return syscall(it->number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
		       arguments[5]) == -1 &&
	       errno == it->error;
}

/* Is the whole call refused by an earlier row? */
static bool is_hidden(unsigned which, const bool refused[ROWS])
{
	for (unsigned at = 0; at < which; at++)
		if (refused[at] && rows[at].match == ANY && rows[at].number == rows[which].number)
			return true;
	return false;
}

static bool all_answer_as_told(const bool refused[ROWS])
{
	bool ok = true;
	for (unsigned at = 0; at < ROWS; at++) {
		if (!refused[at] || is_hidden(at, refused) || answers_as_told(&rows[at]))
			continue;
		fprintf(stderr, "old-kernel: %s is not refused with %s\n", rows[at].call, rows[at].error_text);
		ok = false;
	}
	return ok;
}

/* "5.10" as a number that compares; 0: no version */
static unsigned version_number(const char *text)
{
	unsigned major, minor;
	char after;
	int n_read = sscanf(text, "%u.%u%c", &major, &minor, &after);
	return n_read == 2 && major < 1000 && minor < 1000 ? major * 1000 + minor : 0;
}

static bool refuse_older_than(const char *kernel, bool refused[ROWS])
{
	unsigned version = version_number(kernel);
	if (version == 0)
		fprintf(stderr, "old-kernel: --kernel '%s'; allowed: a version such as 5.10\n", kernel);
	for (unsigned at = 0; at < ROWS && version != 0; at++)
		refused[at] = refused[at] || (rows[at].since != NULL && version_number(rows[at].since) > version);
	return version != 0;
}

static bool refuse_named(const char *name, bool refused[ROWS])
{
	for (unsigned at = 0; at < ROWS; at++) {
		if (strcmp(rows[at].name, name) != 0)
			continue;
		refused[at] = true;
		return true;
	}
	fprintf(stderr, "old-kernel: --without '%s'; allowed: a name that --list shows\n", name);
	return false;
}

/* The rows of a table in docs/portability.md. */
static void list(void)
{
	for (unsigned at = 0; at < ROWS; at++)
		printf("| `%s` | `%s` | %s | %s | %s |\n", rows[at].name, rows[at].call,
		       rows[at].since != NULL ? rows[at].since : "build option", rows[at].error_text,
		       rows[at].fallback);
}

static int usage(FILE *to, int code)
{
	fprintf(to, "Usage: old-kernel [--kernel VERSION] [--without NAME]... [--thp-off] PROGRAM [ARGUMENT]...\n"
		    "       old-kernel --list\n"
		    "Run PROGRAM as on a kernel of that version, one without NAME, or with huge pages off.\n"
		    "Exit code: that of PROGRAM; 77 where the filter may not be set; 2 usage.\n");
	return code;
}

int main(int argc, char **argv)
{
	bool refused[ROWS] = { false }, thp_off = false;
	int at = 1;
	for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
		const char *value = at + 1 < argc ? argv[at + 1] : "";
		if (strcmp(argv[at], "--help") == 0)
			return usage(stdout, 0);
		if (strcmp(argv[at], "--list") == 0)
			return list(), 0;
		if (strcmp(argv[at], "--thp-off") == 0)
			thp_off = true;
		else if (strcmp(argv[at], "--kernel") == 0 && refuse_older_than(value, refused))
			at++;
		else if (strcmp(argv[at], "--without") == 0 && refuse_named(value, refused))
			at++;
		else
			return usage(stderr, EXIT_USAGE);
	}
	if (at >= argc)
		return usage(stderr, EXIT_USAGE);
	if (thp_off && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) != 0) {
		printf("skipped: huge pages can't be switched off here: %s\n", strerror(errno));
		return EXIT_SKIPPED;
	}
	if (!filter_set(refused)) {
		printf("skipped: a seccomp filter may not be set here: %s\n", strerror(errno));
		return EXIT_SKIPPED;
	}
	if (!all_answer_as_told(refused))
		return 1;
	execvp(argv[at], argv + at);
	fprintf(stderr, "old-kernel: %s: %s\n", argv[at], strerror(errno));
	return 127;
}
