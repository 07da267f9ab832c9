/* SPDX-License-Identifier: MIT
 *
 * hvsim --live in a pseudo-terminal: what it draws, and that the terminal is as before however it ends. Waits for what
 * is drawn and for the program's end, never for a time. A small shell sits between, so that Ctrl-Z has somebody to go
 * to: it tells of each stop with 'T' and of the end with 'E' and the status. */
#define _GNU_SOURCE
#include "t_emulated.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\033[?1049h"
#define LEAVE "\033[?1049l"

enum { WAIT_MS = 120000, OUTPUT_MAX = 8 << 20, COLUMNS = 90, ROWS = 20 };

typedef struct session {
	int master, news;
	pid_t shell, program;
	struct termios before;
	char *output;
	size_t n_output, seen; /**< seen: where expect() goes on */
	char told[256];        /**< by the shell */
	size_t n_told, told_seen;
} session;

static void shell_run(int news, char *const *arguments)
{
	int status, number;
	sigset_t go_on;
	sigemptyset(&go_on);
	sigaddset(&go_on, SIGUSR1); /* blocked by who started this: it may come before it is waited for */
	sigwait(&go_on, &number);
	signal(SIGTTOU, SIG_IGN);
	pid_t program = fork();
	if (program == 0) {
		sigprocmask(SIG_UNBLOCK, &go_on, NULL);
		setpgid(0, 0);
		tcsetpgrp(STDIN_FILENO, getpid());
		signal(SIGTTOU, SIG_DFL);
		setenv("TERM", "xterm", 1);
		execv(arguments[0], arguments);
		_exit(127);
	}
	dprintf(news, "P%d ", program);
	for (;;) {
		pid_t got = waitpid(program, &status, WUNTRACED);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 || !WIFSTOPPED(status))
			break;
		tcsetpgrp(STDIN_FILENO, getpid());
		dprintf(news, "T ");
		sigwait(&go_on, &number);
		tcsetpgrp(STDIN_FILENO, program);
		kill(-program, SIGCONT);
	}
	dprintf(news, "E%d ", status);
	pause(); /* the terminal stays until all of it is read */
	_exit(0);
}

/* Read what there is from terminal and shell. @return false: nothing came for too long, or all is over */
static bool session_read(session *self)
{
	struct pollfd fds[] = { { self->master, POLLIN, 0 }, { self->news, POLLIN, 0 } };
	if (poll(fds, 2, WAIT_MS) <= 0)
		return false;
	if ((fds[0].revents & POLLIN) != 0) {
		ssize_t n_read = read(self->master, self->output + self->n_output, OUTPUT_MAX - self->n_output);
		self->n_output += n_read > 0 ? (size_t)n_read : 0;
	}
	if ((fds[1].revents & POLLIN) != 0) {
		ssize_t n_read = read(self->news, self->told + self->n_told, sizeof(self->told) - 1 - self->n_told);
		self->n_told += n_read > 0 ? (size_t)n_read : 0;
	}
	return self->n_output < OUTPUT_MAX;
}

static void output_drain(session *self)
{
	struct pollfd fd = { self->master, POLLIN, 0 };
	while (poll(&fd, 1, 0) > 0 && (fd.revents & POLLIN) != 0 && session_read(self))
		;
}

/* Until the shell tells this: 'P', 'T' or 'E'. @return the number after it */
static int expect_news(session *self, char kind)
{
	const char *found;
	while ((found = strchr(self->told + self->told_seen, kind)) == NULL || strchr(found, ' ') == NULL) {
		if (!session_read(self)) {
			print_error("no '%c' of the shell; output: %s\n", kind, self->output);
			fail();
		}
	}
	self->told_seen = (size_t)(found - self->told) + 1;
	return atoi(found + 1);
}

static void session_open(session *self, char *const *arguments)
{
	int news[2];
	struct winsize size = { ROWS, COLUMNS, 0, 0 };
	*self = (session){ .output = calloc(OUTPUT_MAX + 1, 1) };
	assert_non_null(self->output);
	assert_int_equal(pipe2(news, O_CLOEXEC), 0);
	sigset_t go_on;
	sigemptyset(&go_on);
	sigaddset(&go_on, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go_on, NULL);
	self->shell = forkpty(&self->master, NULL, NULL, &size);
	assert_true(self->shell >= 0);
	if (self->shell == 0)
		shell_run(news[1], arguments);
	close(news[1]);
	self->news = news[0];
	assert_int_equal(tcgetattr(self->master, &self->before), 0);
	kill(self->shell, SIGUSR1);
	self->program = expect_news(self, 'P');
}

/* Until this is drawn, after what was expected before. */
static void expect(session *self, const char *text)
{
	const char *found;
	while ((found = strstr(self->output + self->seen, text)) == NULL) {
		if (!session_read(self) || strchr(self->told + self->told_seen, 'E') != NULL) {
			output_drain(self);
			if (strstr(self->output + self->seen, text) != NULL)
				continue;
			print_error("no '%s' in: %s\n", text, self->output + self->seen);
			fail();
		}
	}
	self->seen = (size_t)(found - self->output) + strlen(text);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n_found = 0;
	while ((text = strstr(text, what)) != NULL) {
		n_found++;
		text += strlen(what);
	}
	return n_found;
}

/* As it was: modes equal, cursor shown, every screen that was entered has been left. */
static void assert_restored(session *self)
{
	struct termios after;
	output_drain(self);
	memset(&after, 0, sizeof(after));
	assert_int_equal(tcgetattr(self->master, &after), 0);
	assert_true(after.c_iflag == self->before.c_iflag && after.c_oflag == self->before.c_oflag &&
		    after.c_cflag == self->before.c_cflag && after.c_lflag == self->before.c_lflag);
	assert_memory_equal(after.c_cc, self->before.c_cc, sizeof(after.c_cc));
	assert_true(count(self->output, ENTER) >= 1);
	assert_int_equal(count(self->output, ENTER), count(self->output, LEAVE));
	assert_int_equal(count(self->output, "\033[?25l"), count(self->output, "\033[?25h"));
	const char *last = self->output;
	for (const char *at = last; (at = strstr(at, LEAVE)) != NULL; at++)
		last = at;
	assert_null(strstr(last, "\033[H")); /* nothing is drawn after it */
}

static void session_close(session *self)
{
	kill(self->shell, SIGKILL);
	waitpid(self->shell, NULL, 0);
	close(self->master);
	close(self->news);
	free(self->output);
}

static char *const short_run[] = { T_HVSIM,
				   "footprint",
				   "--live",
				   "--memory",
				   "64M",
				   "--vcpus",
				   "1",
				   "--speed",
				   "200",
				   "-w",
				   "bursts",
				   "-t",
				   "llfree-auto,llfree-manual",
				   NULL };
static char *const long_run[] = { T_HVSIM,   "footprint", "--live", "--memory", "64M", "--vcpus",     "1",
				  "--speed", "1",         "-w",     "bursts",   "-t",  "llfree-auto", NULL };

static void results_come_after_the_screen(void **state)
{
	(void)state;
	static session self;
	session_open(&self, short_run);
	expect(&self, ENTER);
	expect(&self, "hvsim footprint");
	expect(&self, "VM 1 llfree-auto: resident");
	expect(&self, "s evicted soft");
	expect(&self, "VM 1 llfree-manual: resident");
	expect(&self, "reclaim ");
	expect(&self, LEAVE);
	expect(&self, "GiB*min");
	expect(&self, "all passed");
	int status = expect_news(&self, 'E');
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_restored(&self);
	session_close(&self);
}

static void screen_is_left_however_the_program_is_ended(void **state)
{
	(void)state;
	static session self;
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGSEGV, SIGABRT, SIGBUS };
	bool emulated = t_emulated();
	if (emulated)
		print_message(
			"skipped: SIGSEGV and SIGBUS from elsewhere: qemu-user takes some for faults of its own\n");
	for (size_t at = 0; at < sizeof(numbers) / sizeof(numbers[0]); at++) {
		if (emulated && (numbers[at] == SIGSEGV || numbers[at] == SIGBUS))
			continue;
		session_open(&self, long_run);
		expect(&self, "VM 1 llfree-auto: resident");
		bool typed = numbers[at] == SIGINT;
		if (typed)
			assert_int_equal(write(self.master, "\003", 1), 1);
		else
			kill(self.program, numbers[at]);
		int status = expect_news(&self, 'E');
		if (numbers[at] == SIGINT || numbers[at] == SIGTERM)
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 130);
		else
			assert_false(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		assert_restored(&self);
		session_close(&self);
	}
}

static void stopped_program_gives_the_terminal_back_and_draws_again(void **state)
{
	(void)state;
	static session self;
	session_open(&self, long_run);
	expect(&self, ENTER);
	expect(&self, "VM 1 llfree-auto: resident");
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(write(self.master, "\032", 1), 1); /* Ctrl-Z */
		expect_news(&self, 'T');
		assert_restored(&self);
		self.seen = self.n_output;
		kill(self.shell, SIGUSR1);
		expect(&self, ENTER);
		expect(&self, "VM 1 llfree-auto: resident");
	}
	assert_int_equal(write(self.master, "\003", 1), 1);
	expect_news(&self, 'E');
	assert_restored(&self);
	session_close(&self);
}

static unsigned last_frame_rows(const session *self)
{
	const char *begin = NULL, *end = NULL;
	for (const char *at = self->output + self->seen; (at = strstr(at, "\033[H\033[0m")) != NULL; at++) {
		begin = end;
		end = at;
	}
	unsigned rows = 1;
	for (; begin != NULL && begin < end; begin++)
		rows += *begin == '\n';
	return begin != NULL ? rows : 0;
}

static void screen_follows_the_size_of_the_terminal(void **state)
{
	(void)state;
	static session self;
	session_open(&self, long_run);
	expect(&self, "VM 1 llfree-auto: resident");
	while (last_frame_rows(&self) != ROWS)
		assert_true(session_read(&self));
	struct winsize size = { 11, 50, 0, 0 };
	assert_int_equal(ioctl(self.master, TIOCSWINSZ, &size), 0);
	while (last_frame_rows(&self) != 11)
		assert_true(session_read(&self));
	assert_int_equal(write(self.master, "\003", 1), 1);
	expect_news(&self, 'E');
	assert_restored(&self);
	session_close(&self);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_come_after_the_screen),
		cmocka_unit_test(screen_is_left_however_the_program_is_ended),
		cmocka_unit_test(stopped_program_gives_the_terminal_back_and_draws_again),
		cmocka_unit_test(screen_follows_the_size_of_the_terminal),
	};
	return T_RUN(tests);
}
