/* SPDX-License-Identifier: MIT
 *
 * The terminal; see screen.h. Whoever enters, leaves or draws holds the screen, with all signals blocked, so a signal
 * handler on another thread can wait for it, and one on the same thread never has to. Handlers call nothing but system
 * calls. A child process that inherits all this leaves the terminal alone. */
#define _GNU_SOURCE
#include "live/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[?25l\033[2J"
#define LEAVE "\033[0m\033[?25h\033[?1049l"

enum { WAIT_MS_MAX = 2000 };

typedef enum screen_state { SCREEN_OFF, SCREEN_SHOWN, SCREEN_STOPPED, SCREEN_OVER } screen_state;

static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
static const int dies[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT };
enum { N_ENDS = sizeof(ends) / sizeof(ends[0]), N_DIES = sizeof(dies) / sizeof(dies[0]) };

static struct {
	_Atomic int state;
	atomic_flag held;
	pid_t owner;
	int terminal, kept; /**< the terminal; what is printed meanwhile */
	int out, err;       /**< stdout and stderr as they were; out -1: it is no terminal and stays */
	struct termios modes;
	bool modes_known;
	struct sigaction ends_before[N_ENDS], dies_before[N_DIES], stop_before;
} screen = { .held = ATOMIC_FLAG_INIT, .terminal = -1, .kept = -1, .out = -1, .err = -1 };

/* In handlers too. @return false: somebody holds it for too long, such as a terminal that is halted by Ctrl-S */
static bool screen_hold(void)
{
	for (unsigned waited_ms = 0; atomic_flag_test_and_set(&screen.held); waited_ms++) {
		if (waited_ms == WAIT_MS_MAX)
			return false;
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return true;
}

static void screen_release(void)
{
	atomic_flag_clear(&screen.held);
}

static bool terminal_write(const char *text, size_t bytes)
{
	while (bytes > 0) {
		ssize_t n_written = write(screen.terminal, text, bytes);
		if (n_written < 0 && errno != EINTR)
			return false;
		text += n_written > 0 ? n_written : 0;
		bytes -= n_written > 0 ? (size_t)n_written : 0;
	}
	return true;
}

static bool in_foreground(int terminal)
{
	return tcgetpgrp(terminal) == getpgrp();
}

/* What was printed meanwhile, to where stderr goes; in handlers too. */
static void kept_print(void)
{
	char part[4096];
	off_t at = 0;
	for (ssize_t n_read; (n_read = pread(screen.kept, part, sizeof(part), at)) > 0; at += n_read)
		if (!terminal_write(part, (size_t)n_read))
			break;
	if (ftruncate(screen.kept, 0) == 0)
		lseek(screen.kept, 0, SEEK_SET);
}

static void enter_held(void)
{
	screen.modes_known = tcgetattr(screen.terminal, &screen.modes) == 0;
	struct termios modes = screen.modes;
	modes.c_lflag &= ~(tcflag_t)ECHO; /* typing must not scribble over the screen; it is kept for the shell */
	if (screen.modes_known)
		tcsetattr(screen.terminal, TCSANOW, &modes);
	screen.err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	screen.out = isatty(STDOUT_FILENO) ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3) : -1;
	if (screen.err >= 0)
		dup2(screen.kept, STDERR_FILENO);
	if (screen.out >= 0)
		dup2(screen.kept, STDOUT_FILENO);
	atomic_store(&screen.state, SCREEN_SHOWN);
	terminal_write(ENTER, sizeof(ENTER) - 1);
}

static void leave_held(screen_state next)
{
	if (atomic_load(&screen.state) != SCREEN_SHOWN) {
		if (atomic_load(&screen.state) != SCREEN_OVER)
			atomic_store(&screen.state, next);
		return;
	}
	atomic_store(&screen.state, next);
	terminal_write(LEAVE, sizeof(LEAVE) - 1);
	/* from the background this would stop the program; the shell sets modes of its own there */
	if (screen.modes_known && in_foreground(screen.terminal))
		tcsetattr(screen.terminal, TCSANOW, &screen.modes);
	if (screen.err >= 0) {
		dup2(screen.err, STDERR_FILENO);
		close(screen.err);
	}
	if (screen.out >= 0) {
		dup2(screen.out, STDOUT_FILENO);
		close(screen.out);
	}
	screen.err = screen.out = -1;
	kept_print();
}

/* In a handler: leave, if this is the process that entered. */
static void leave_now(screen_state next)
{
	if (getpid() != screen.owner || !screen_hold())
		return;
	leave_held(next);
	screen_release();
}

/* The program was to end: the screen is left at once, what the program does then is its own affair. */
static void on_end(int number)
{
	int error = errno;
	struct sigaction before = { .sa_handler = SIG_DFL };
	for (int at = 0; at < N_ENDS; at++)
		if (ends[at] == number)
			before = screen.ends_before[at];
	if (before.sa_handler != SIG_IGN)
		leave_now(SCREEN_OVER);
	if (before.sa_handler == SIG_DFL) {
		sigaction(number, &before, NULL);
		raise(number); /* when this handler returns */
	} else if (before.sa_handler != SIG_IGN) {
		before.sa_handler(number);
	}
	errno = error;
}

/* The program dies: whoever was to handle this handles it, with the terminal as it was. */
static void on_death(int number, siginfo_t *info, void *context)
{
	(void)context;
	leave_now(SCREEN_OVER);
	for (int at = 0; at < N_DIES; at++)
		if (dies[at] == number)
			sigaction(number, &screen.dies_before[at], NULL);
	if (info->si_code <= 0) /* sent by somebody: a fault happens again by itself */
		raise(number);
}

/* Ctrl-Z: stop for the shell, and show the screen again when in the foreground; the next drawing sees to that. */
static void on_stop(int number)
{
	int error = errno;
	struct sigaction ours;
	sigset_t this_one;
	leave_now(SCREEN_STOPPED);
	sigaction(number, &screen.stop_before, &ours);
	sigemptyset(&this_one);
	sigaddset(&this_one, number);
	raise(number);
	pthread_sigmask(SIG_UNBLOCK, &this_one, NULL); /* stops here */
	pthread_sigmask(SIG_BLOCK, &this_one, NULL);
	sigaction(number, &ours, NULL);
	errno = error;
}

static void handlers_set(void)
{
	struct sigaction end = { .sa_handler = on_end, .sa_flags = SA_RESTART };
	struct sigaction stop = { .sa_handler = on_stop, .sa_flags = SA_RESTART };
	struct sigaction death = { .sa_sigaction = on_death, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	for (int at = 0; at < N_ENDS; at++)
		sigaction(ends[at], &end, &screen.ends_before[at]);
	for (int at = 0; at < N_DIES; at++)
		sigaction(dies[at], &death, &screen.dies_before[at]);
	sigaction(SIGTSTP, &stop, &screen.stop_before);
}

/* Only what is ours still: a first Ctrl-C has made the second one deadly. */
static void handler_restore(int number, const struct sigaction *before)
{
	struct sigaction now;
	if (sigaction(number, NULL, &now) != 0)
		return;
	if (now.sa_handler == on_end || now.sa_handler == on_stop || now.sa_sigaction == on_death)
		sigaction(number, before, NULL);
}

bool hv_screen_possible(void)
{
	const char *kind = getenv("TERM");
	return kind != NULL && kind[0] != '\0' && strcmp(kind, "dumb") != 0 && isatty(STDERR_FILENO) &&
	       in_foreground(STDERR_FILENO);
}

static void at_exit(void)
{
	if (getpid() == screen.owner)
		hv_screen_close();
}

bool hv_screen_open(void)
{
	static bool exit_known;
	sigset_t all, before;
	if (!hv_screen_possible())
		return false;
	screen.terminal = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	screen.kept = memfd_create("printed beside the screen", MFD_CLOEXEC);
	if (screen.terminal < 0 || screen.kept < 0 || fcntl(screen.kept, F_SETFL, O_APPEND) != 0)
		return false;
	screen.owner = getpid();
	fflush(NULL);
	setvbuf(stdout, NULL, _IOLBF, 0); /* as on a terminal, whatever it is when it is first used */
	if (!exit_known)
		exit_known = atexit(at_exit) == 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	atomic_store(&screen.state, SCREEN_OFF);
	handlers_set();
	if (screen_hold()) {
		enter_held();
		screen_release();
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return true;
}

void hv_screen_close(void)
{
	sigset_t all, before;
	if (screen.terminal < 0)
		return;
	fflush(NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	leave_now(SCREEN_OVER);
	for (int at = 0; at < N_ENDS; at++)
		handler_restore(ends[at], &screen.ends_before[at]);
	for (int at = 0; at < N_DIES; at++)
		handler_restore(dies[at], &screen.dies_before[at]);
	handler_restore(SIGTSTP, &screen.stop_before);
	close(screen.kept);
	close(screen.terminal);
	screen.kept = screen.terminal = -1;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void hv_screen_size(unsigned *columns, unsigned *rows)
{
	struct winsize size = { 0 };
	bool known = ioctl(screen.terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0;
	*columns = known ? size.ws_col : 80;
	*rows = known ? size.ws_row : 24;
}

bool hv_screen_draw(const char *frame, size_t bytes)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	bool shown = screen_hold();
	if (shown) {
		if (atomic_load(&screen.state) == SCREEN_STOPPED && in_foreground(screen.terminal))
			enter_held();
		shown = atomic_load(&screen.state) == SCREEN_SHOWN && terminal_write(frame, bytes);
		screen_release();
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return shown;
}
