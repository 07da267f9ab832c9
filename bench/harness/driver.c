/* SPDX-License-Identifier: MIT
 *
 * The process that the user started: runs one worker process per allocator, one after the other, and turns what they
 * send into one report. A malloc's worker is started with its library preloaded. Ctrl-C ends the worker; what was
 * measured is written. */
#include "bench_driver.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench_clock.h"
#include "bench_environment.h"
#include "bench_report.h"
#include "bench_rows.h"
#include "bench_worker_process.h"
#include "gbench.h"

enum { MAX_JOBS = 4096, LINE_BYTES = 1 << 20, PATH_BYTES = 512 };

typedef struct job {
	const char *name;           /* allocator or BENCH_MACHINE */
	char row[BENCH_NAME_BYTES]; /* only this row; "" = all that may share a process */
	char library[PATH_BYTES];   /* to preload; "" = none */
	const char *variable;       /* NAME=VALUE for its environment; NULL = none */
} job;

typedef struct driver {
	const bench_options *options;
	int argc;
	char **argv;
	job *jobs; /* MAX_JOBS */
	size_t n_jobs, n_rows, rows_done, rows_failed, rows_noisy;
	char noisy_row[BENCH_NAME_BYTES]; /* the first of them */
	size_t name_width;
	char skipped[256], skipped_rows[1024];
	uint64_t start_ns;
	bool show_progress;
	bench_report *report;
} driver;

static volatile sig_atomic_t interrupted;

static void on_signal(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART: read() must return */

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

/* --- what to run ---------------------------------------------------------------------------------------------- */

static bool find_library(const char *candidates, char *path, size_t path_bytes)
{
	static const char *const folders[] = { "/usr/local/lib",
					       "/usr/lib/" BENCH_MULTIARCH,
					       "/lib/" BENCH_MULTIARCH,
					       "/usr/lib64",
					       "/lib64",
					       "/usr/lib",
					       "/lib" };

	while (*candidates) {
		size_t name_bytes = strcspn(candidates, ":");

		for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
			snprintf(path, path_bytes, "%s/%.*s", folders[i], (int)name_bytes, candidates);
			if (!access(path, R_OK))
				return true;
		}
		candidates += name_bytes + (candidates[name_bytes] == ':');
	}
	path[0] = 0;
	return false;
}

/* Why this allocator's rows can't run here; NULL: they can. Sets library. */
static const char *reason_to_skip(const bench_allocator *allocator, char *library, size_t library_bytes)
{
	library[0] = 0;
	if (allocator && allocator->is_malloc && bench_built_with_sanitizer())
		return "a sanitizer replaces malloc in this build";
	if (allocator && allocator->library && !find_library(allocator->library, library, library_bytes))
		return allocator->library;
	return NULL;
}

static void note_skipped(driver *self, const char *name, const char *reason)
{
	size_t used = strlen(self->skipped);

	fprintf(stderr, "skipped: %s: not available here: %s\n", name, reason);
	snprintf(self->skipped + used, sizeof(self->skipped) - used, "%s%s", used ? "," : "", name);
}

static void add_job(driver *self, const char *name, const bench_allocator *allocator, const char *library,
		    const char *row)
{
	job *next = &self->jobs[self->n_jobs];

	if (self->n_jobs == MAX_JOBS)
		bench_usage_error("more than %d processes; select fewer rows", MAX_JOBS);
	*next = (job){ .name = name, .variable = allocator ? allocator->variable : NULL };
	snprintf(next->row, sizeof(next->row), "%s", row);
	snprintf(next->library, sizeof(next->library), "%s", library);
	self->n_jobs++;
}

/* Tell which of the selected cases this allocator can't have. */
static void tell_missing(driver *self, const bench_allocator *allocator)
{
	char why[192];

	for (size_t c = 0; c < bench_case_count; c++) {
		const bench_case *kind = bench_cases[c];
		size_t used = strlen(self->skipped_rows);

		if (!kind->missing || !kind->missing(self->options, allocator, why, sizeof(why)) ||
		    (self->options->cases.count && !bench_names_contain(&self->options->cases, kind->name)))
			continue;
		fprintf(stderr, "skipped: %s of %s: %s\n", kind->name, allocator->table.name, why);
		snprintf(self->skipped_rows + used, sizeof(self->skipped_rows) - used, "%s%s/%s", used ? "," : "",
			 kind->name, allocator->table.name);
	}
}

/* One process for the rows that may share it, one for each of the others. */
static void add_allocator(driver *self, const char *name, const bench_allocator *allocator)
{
	bench_row_list list = { 0 };
	char library[PATH_BYTES];
	const char *reason = reason_to_skip(allocator, library, sizeof(library));
	bool shares = false;

	bench_rows_add(&list, self->options, allocator);
	if (reason && list.count)
		note_skipped(self, name, reason);
	if (!reason && allocator)
		tell_missing(self, allocator);
	for (size_t i = 0; i < list.count && !reason; i++) {
		const bench_row *row = &list.rows[i];
		size_t width = strlen(row->name);

		self->name_width = width > self->name_width ? width : self->name_width;
		self->n_rows++;
		if (self->options->list)
			puts(row->name);
		if (row->kind->fresh)
			add_job(self, name, allocator, library, row->name);
		else if (!shares)
			add_job(self, name, allocator, library, "");
		shares |= !row->kind->fresh;
	}
	bench_rows_free(&list);
}

static void add_jobs(driver *self)
{
	const bench_options *options = self->options;

	add_allocator(self, BENCH_MACHINE, NULL);
	for (size_t i = 0; i < bench_allocator_count; i++) {
		const bench_allocator *allocator = bench_allocators[i];

		if (options->allocators.count ? bench_names_contain(&options->allocators, allocator->table.name)
					      : !allocator->on_request)
			add_allocator(self, allocator->table.name, allocator);
	}
	for (uint32_t i = 0; i < options->peers.count; i++) {
		const bench_peer_table *table = bench_peer_load(options->peers.values[i]);

		if (!options->allocators.count || bench_names_contain(&options->allocators, table->name))
			add_allocator(self, table->name, bench_allocator_of_table(table));
	}
}

static void print_list(void)
{
	puts("Cases:");
	for (size_t i = 0; i < bench_case_count; i++)
		printf("  %-10s %s\n", bench_cases[i]->name, bench_cases[i]->question);
	puts("Allocators:");
	for (size_t i = 0; i < bench_allocator_count; i++)
		printf("  %-14s %s%s\n", bench_allocators[i]->table.name, bench_allocators[i]->about,
		       bench_allocators[i]->on_request ? " (on request)" : "");
	puts("Rows:");
}

/* --- a worker --------------------------------------------------------------------------------------------------- */

/* NAME=VALUE, unless the user has set NAME. */
static void set_variable(const char *variable)
{
	char name[64];

	if (!variable)
		return;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(variable, "="), variable);
	setenv(name, strchr(variable, '=') + 1, 0);
}

static void exec_worker(const driver *self, const job *work, int fd)
{
	char name[PATH_BYTES], row[PATH_BYTES], fd_text[32];
	char **argv = calloc((size_t)self->argc + 4, sizeof(*argv));
	int argc = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* no worker outlives the driver */
	if (!argv)
		_exit(BENCH_EXIT_FAILED);
	snprintf(name, sizeof(name), "--worker=%s", work->name);
	snprintf(fd_text, sizeof(fd_text), "--worker-fd=%d", fd);
	for (; argc < self->argc; argc++)
		argv[argc] = self->argv[argc];
	argv[argc++] = name;
	argv[argc++] = fd_text;
	snprintf(row, sizeof(row), "--worker-row=%s", work->row);
	if (work->row[0])
		argv[argc++] = row;
	if (work->library[0])
		setenv("LD_PRELOAD", work->library, 1);
	set_variable(work->variable);
	execv("/proc/self/exe", argv);
	_exit(BENCH_EXIT_FAILED);
}

static void show_progress(const driver *self, const char *name)
{
	double seconds = (double)(bench_now_ns() - self->start_ns) * 1e-9;
	double left =
		self->rows_done ? seconds / (double)self->rows_done * (double)(self->n_rows - self->rows_done) : 0;

	if (self->show_progress)
		fprintf(stderr, "\r\033[K[%zu/%zu] about %.0f s left, last: %s\r", self->rows_done, self->n_rows, left,
			name);
}

static void note_noisy(driver *self, const bench_gb_run_info *run)
{
	for (size_t i = 0; i < run->n_counters && !run->aggregate[0]; i++) {
		if (strcmp(run->counters[i].name, "noisy") != 0)
			continue;
		if (self->rows_noisy++ == 0)
			snprintf(self->noisy_row, sizeof(self->noisy_row), "%s", run->name);
	}
}

static void on_run(const bench_gb_run_info *run, void *context)
{
	driver *self = context;

	note_noisy(self, run);

	if (run->error) {
		self->rows_failed++;
		fprintf(stderr, "failed: %s: %s\n", run->name, run->error);
	}
	if (!run->aggregate[0] && self->rows_done < self->n_rows)
		self->rows_done++;
	bench_report_add(self->report, run);
	show_progress(self, run->name);
}

/* Read the worker's lines to the end of its pipe. */
static void read_lines(int fd)
{
	char *line = malloc(LINE_BYTES);
	size_t used = 0;

	while (line && !interrupted) {
		ssize_t n = read(fd, line + used, LINE_BYTES - 1 - used);
		char *end;

		if (n <= 0 && !(n < 0 && errno == EINTR))
			break;
		used += n > 0 ? (size_t)n : 0;
		line[used] = 0;
		while ((end = memchr(line, '\n', used))) {
			size_t line_bytes = (size_t)(end - line) + 1;

			bench_gb_sink_line(line);
			used -= line_bytes;
			memmove(line, end + 1, used + 1);
		}
		if (used == LINE_BYTES - 1)
			used = 0; /* no run is that long: not ours */
	}
	free(line);
}

static bool run_job(driver *self, const job *work)
{
	int fds[2], status = 0;
	pid_t child;

	fflush(NULL);
	if (pipe(fds))
		return false;
	child = fork();
	if (child == 0) {
		close(fds[0]);
		exec_worker(self, work, fds[1]);
	}
	close(fds[1]);
	if (child > 0) {
		read_lines(fds[0]);
		if (interrupted)
			kill(child, SIGKILL);
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			kill(child, SIGKILL);
	}
	close(fds[0]);
	bench_gb_sink_next_worker();
	if (child > 0 && (interrupted || (WIFEXITED(status) && WEXITSTATUS(status) == 0)))
		return true;
	fprintf(stderr, "failed: the process of %s ended with %s %d\n", work->name,
		WIFSIGNALED(status) ? "signal" : "exit code",
		WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return false;
}

/* --- all --------------------------------------------------------------------------------------------------- */

/* Claim the result file before anything runs, so that a long run does not end without one. */
static void create_out_file(const bench_options *options)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (options->force ? O_TRUNC : O_EXCL);
	int fd;

	if (!options->out_path)
		return;
	fd = open(options->out_path, flags, 0644);
	if (fd < 0 && errno == EEXIST)
		bench_usage_error("%s exists; choose another file, or --force to replace it", options->out_path);
	if (fd < 0)
		bench_usage_error("can't write %s: %s", options->out_path, strerror(errno));
	close(fd);
}

static bool open_sink(driver *self)
{
	const bench_options *options = self->options;
	bench_gb_sink_config config = { .quiet = options->summary != BENCH_NO_SUMMARY,
					.out_path = options->out_path,
					.out_format = options->out_format,
					.name_width = self->name_width,
					.on_run = on_run,
					.context = self };

	bench_environment_add(options);
	if (self->skipped[0])
		bench_gb_sink_context("skipped", self->skipped);
	if (self->skipped_rows[0])
		bench_gb_sink_context("skipped_rows", self->skipped_rows);
	return bench_gb_sink_open(&config);
}

static int run_jobs(driver *self)
{
	bool ok = true, written;

	create_out_file(self->options);
	if (!open_sink(self))
		bench_usage_error("can't write %s", self->options->out_path);
	catch_signals();
	self->start_ns = bench_now_ns();
	for (size_t i = 0; i < self->n_jobs && !interrupted; i++)
		ok &= run_job(self, &self->jobs[i]);
	if (self->show_progress)
		fputs("\r\033[K", stderr);
	written = bench_gb_sink_close();
	bench_report_print(self->report, self->options);
	if (!written)
		fprintf(stderr, "failed: %s could not be written\n", self->options->out_path);
	if (self->rows_noisy)
		fprintf(stderr,
			"warning: noisy-samples: in %zu runs an interval is wider than half of its median (first: "
			"%s)\n",
			self->rows_noisy, self->noisy_row);
	if (interrupted) {
		fprintf(stderr, "interrupted: %zu of %zu rows are done\n", self->rows_done, self->n_rows);
		return BENCH_EXIT_INTERRUPTED;
	}
	return ok && written && !self->rows_failed ? 0 : BENCH_EXIT_FAILED;
}

int bench_driver_main(const bench_options *options, int argc, char **argv)
{
	driver self = { .options = options, .argc = argc, .argv = argv };
	int exit_code;

	self.jobs = calloc(MAX_JOBS, sizeof(*self.jobs));
	if (!self.jobs)
		bench_usage_error("out of memory");
	if (options->list)
		print_list();
	add_jobs(&self);
	if (!self.n_rows && !options->filter && (self.skipped[0] || self.skipped_rows[0])) {
		fprintf(stderr, "nothing left to run\n");
		return 0;
	}
	if (!self.n_rows)
		bench_usage_error("no row matches; --list shows cases, allocators and rows, --memory may be too small");
	if (options->list) {
		free(self.jobs);
		return 0;
	}
	self.show_progress = isatty(STDERR_FILENO) && (options->summary || !isatty(STDOUT_FILENO));
	self.report = bench_report_new();
	exit_code = run_jobs(&self);
	bench_report_free(self.report);
	free(self.jobs);
	return exit_code;
}
