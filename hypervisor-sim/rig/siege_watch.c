/* SPDX-License-Identifier: MIT
 *
 * The parent of a siege; see siege_watch.h. */
#define _GNU_SOURCE
#include "rig/siege_watch.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_NS UINT64_C(5000000)

static void failure_note(hv_siege_outcome *outcome, uint64_t input, const char *what)
{
	if (outcome->host_failures++ > 0)
		return;
	outcome->input = input;
	snprintf(outcome->failure, sizeof(outcome->failure), "%s", what);
}

static _Noreturn void besiege(const hv_siege_config *config, hv_siege_board *board)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGINT, SIG_IGN); /* the parent says when to stop */
	signal(SIGTERM, SIG_DFL);
	hv_siege_run(config, board);
	_exit(0);
}

/* Until the child ends, or does nothing for too long. @return true: it was killed, because it hung */
static bool watch(const hv_siege_guard *guard, hv_siege_board *board, pid_t child, int *status)
{
	uint64_t seen = UINT64_MAX, seen_ns = 0;
	bool hangs = false;
	while (waitpid(child, status, WNOHANG) == 0) {
		uint64_t heartbeat = atomic_load(&board->heartbeat), now_ns = hv_now_ns();
		if (heartbeat != seen) {
			seen = heartbeat;
			seen_ns = now_ns;
		}
		if (guard->stop != NULL && guard->stop())
			atomic_store(&board->stop, true);
		if (!hangs && now_ns - seen_ns > guard->bound_ns) {
			hangs = true;
			kill(child, SIGKILL);
		}
		if (guard->progress != NULL)
			guard->progress(guard->context, board);
		hv_sleep_ns(LOOK_NS);
	}
	return hangs;
}

static void verdict(const hv_siege_board *board, bool hangs, int status, hv_siege_outcome *outcome)
{
	char what[200];
	uint64_t input = atomic_load(&board->input);
	const char *step = hv_siege_step_text((hv_siege_step)atomic_load(&board->step));
	if (board->failures != 0)
		failure_note(outcome, board->failure_input, board->failure);
	if (hangs)
		snprintf(what, sizeof(what), "%s: the host hangs", step);
	else if (WIFSIGNALED(status))
		snprintf(what, sizeof(what), "%s: the host crashed: %s", step, strsignal(WTERMSIG(status)));
	else
		snprintf(what, sizeof(what), "%s: the host ended with %d", step, WEXITSTATUS(status));
	if (hangs || WIFSIGNALED(status) || WEXITSTATUS(status) != 0)
		failure_note(outcome, input, what);
	else if (!board->over && outcome->host_failures == 0)
		failure_note(outcome, input, "the run did not come to its end");
}

hv_err hv_siege_watch(const hv_siege_config *config, const hv_siege_guard *guard, hv_siege_board **board,
		      hv_siege_outcome *outcome)
{
	void *memory = mmap(NULL, sizeof(**board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 0;
	if (memory == MAP_FAILED)
		return HV_ERR_SYSTEM;
	*board = memory;
	*outcome = (hv_siege_outcome){ 0 };
	fflush(NULL);
	pid_t child = fork();
	if (child < 0) {
		hv_siege_board_free(*board);
		return HV_ERR_SYSTEM;
	}
	if (child == 0)
		besiege(config, *board);
	bool hangs = watch(guard, *board, child, &status);
	verdict(*board, hangs, status, outcome);
	return HV_OK;
}

void hv_siege_board_free(hv_siege_board *board)
{
	munmap(board, sizeof(*board));
}
