/* SPDX-License-Identifier: MIT
 *
 * recovery: how long it takes to make an allocator's state whole again after its users have gone, by an orderly end or
 * by SIGKILL in the middle of allocation. After each recovery everything is looked at: no frame that the dead process
 * owned may be free, and what is lost is at most what one operation had in its hands; it is put back. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench_clock.h"
#include "bench_team.h"

enum { CYCLES = 5, CHILD_OPS = 2000, CHILD_EXTRA = 64, IN_HAND_FRAMES = 64, KILLED = 1000, POLL_US = 200 };
#define CHILD_TIMEOUT_NS UINT64_C(120000000000)

/* Seen by parent and child. A block is marked after its get and before its put: who is marked was owned. */
typedef struct recovery_log {
	uint64_t ops;
	uint32_t failed;
	uint8_t owned[]; /* by number of the block */
} recovery_log;

typedef struct recovery_state {
	recovery_log *log;
	size_t log_bytes;
	uint64_t n_blocks, lost_frames;
	uint32_t cycle;
} recovery_state;

static uint32_t recovery_variants(const bench_options *options, bench_variant *variants)
{
	static const uint32_t levels[] = { 0, 50, 100 };

	(void)options;
	for (uint32_t i = 0; i < 6; i++) {
		variants[i].value = levels[i / 2] + (i % 2 ? KILLED : 0);
		snprintf(variants[i].suffix, sizeof(variants[i].suffix), "full:%u/end:%s", levels[i / 2],
			 i % 2 ? "killed" : "clean");
	}
	return 6;
}

static bool recovery_missing(const bench_options *options, const bench_allocator *allocator, char *why,
			     size_t why_bytes)
{
	(void)options;
	snprintf(why, why_bytes, "nothing of it survives its process or thread");
	return !allocator->recovery;
}

static bool recovery_applies(const bench_options *options, const bench_allocator *allocator, uint32_t order)
{
	(void)options, (void)order;
	return allocator->recovery != NULL;
}

static uint64_t recovery_blocks(const bench_row *row)
{
	return bench_row_frames(row) >> row->order;
}

static uint8_t *mark_of(const bench_row *row, uint64_t block)
{
	return &((recovery_state *)row->extra)->log->owned[block >> row->order];
}

/* --- the process that dies ---------------------------------------------------------------------------------------- */

static bool child_put(const bench_row *row, uint64_t *blocks, uint64_t *n_owned, uint64_t place)
{
	uint64_t block = blocks[place];

	blocks[place] = blocks[--*n_owned];
	__atomic_store_n(mark_of(row, block), 0, __ATOMIC_SEQ_CST);
	return row->allocator->table.put(row->state, llfree_current_cpu(), row->order, block);
}

static bool child_get(const bench_row *row, uint64_t *blocks, uint64_t *n_owned)
{
	const recovery_state *recovery = row->extra;
	uint64_t block;

	if (!row->allocator->table.get(row->state, llfree_current_cpu(), row->order, &block))
		return true; /* all is taken */
	if (block >> row->order >= recovery->n_blocks)
		return false;
	blocks[(*n_owned)++] = block;
	return !__atomic_exchange_n(mark_of(row, block), 1, __ATOMIC_SEQ_CST);
}

/* Puts and gets at random around the level, until it is killed. */
__attribute__((noreturn)) static void child_main(const bench_row *row, pid_t parent, uint64_t *blocks, uint64_t n_owned)
{
	recovery_state *recovery = row->extra;
	bench_rng rng = bench_rng_make(row->options->seed, recovery->cycle);
	uint64_t most = n_owned + CHILD_EXTRA < recovery->n_blocks ? n_owned + CHILD_EXTRA : recovery->n_blocks;
	bool ok = true;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (ok && getppid() == parent) {
		if (n_owned && (n_owned >= most || bench_rng_below(&rng, 2)))
			ok = child_put(row, blocks, &n_owned, bench_rng_below(&rng, n_owned));
		else
			ok = child_get(row, blocks, &n_owned);
		__atomic_add_fetch(&recovery->log->ops, 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&recovery->log->failed, 1, __ATOMIC_SEQ_CST);
	_exit(1);
}

/* Start it, wait until it is busy, kill it. */
static bool run_and_kill(bench_row *row, uint64_t n_owned)
{
	recovery_state *recovery = row->extra;
	uint64_t *ops = &recovery->log->ops, begin_ns = bench_now_ns();
	pid_t parent = getpid(), child;
	int status;

	*ops = 0;
	fflush(NULL);
	child = fork();
	if (child == 0)
		child_main(row, parent, bench_team_worker(row->team, 0)->blocks, n_owned);
	if (child < 0)
		return bench_row_fail(row, "fork failed");
	while (__atomic_load_n(ops, __ATOMIC_RELAXED) < CHILD_OPS && bench_now_ns() - begin_ns < CHILD_TIMEOUT_NS &&
	       !__atomic_load_n(&recovery->log->failed, __ATOMIC_SEQ_CST))
		usleep(POLL_US);
	kill(child, SIGKILL);
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return bench_row_fail(row, "the child is gone");
	}
	if (recovery->log->failed)
		return bench_row_fail(row, "an operation of the child failed, or gave it a block that it had");
	return *ops >= CHILD_OPS ||
	       bench_row_fail(row, "the child did %llu operations in two minutes", (unsigned long long)*ops);
}

/* --- afterwards --------------------------------------------------------------------------------------------------- */

/* Frames of one block that are taken although nobody owns it go back. */
static bool put_lost(bench_row *row, uint64_t first)
{
	recovery_state *recovery = row->extra;

	for (uint64_t frame = first; frame < first + (UINT64_C(1) << row->order); frame++) {
		if (row->allocator->recovery->is_free(row->state, frame))
			continue;
		recovery->lost_frames++;
		if (!row->allocator->table.put(row->state, 0, 0, frame))
			return bench_row_fail(row, "frame %llu is taken, and its put is refused",
					      (unsigned long long)frame);
	}
	return true;
}

static bool check_block(bench_row *row, uint64_t first)
{
	if (!*mark_of(row, first))
		return put_lost(row, first);
	for (uint64_t frame = first; frame < first + (UINT64_C(1) << row->order); frame++) {
		if (row->allocator->recovery->is_free(row->state, frame))
			return bench_row_fail(row, "frame %llu had an owner, and is free after the recovery",
					      (unsigned long long)frame);
	}
	return true;
}

/* Compare with the log; blocks is the list of those that have an owner. */
static bool check_all(bench_row *row, bool killed, uint64_t *n_owned)
{
	recovery_state *recovery = row->extra;
	uint64_t *blocks = bench_team_worker(row->team, 0)->blocks, free_frames;
	uint64_t most_lost = killed ? (UINT64_C(1) << row->order) + IN_HAND_FRAMES : 0;

	if (!row->allocator->recovery->audit(row->state, &free_frames))
		return bench_row_fail(row, "the audit after the recovery finds contradictions");
	*n_owned = 0;
	recovery->lost_frames = 0;
	for (uint64_t i = 0; i < recovery->n_blocks; i++) {
		if (!check_block(row, i << row->order))
			return false;
		if (recovery->log->owned[i])
			blocks[(*n_owned)++] = i << row->order;
	}
	if (recovery->lost_frames > most_lost)
		return bench_row_fail(row, "%llu frames were lost; one operation has %llu in its hands at most",
				      (unsigned long long)recovery->lost_frames, (unsigned long long)most_lost);
	row->allocator->table.drain(row->state);
	if (!row->allocator->recovery->audit(row->state, &free_frames) ||
	    free_frames + (*n_owned << row->order) != bench_row_frames(row))
		return bench_row_fail(row, "%llu frames are free beside %llu blocks with an owner",
				      (unsigned long long)free_frames, (unsigned long long)*n_owned);
	return true;
}

static bool one_cycle(bench_row *row, uint64_t *n_owned, double *seconds)
{
	recovery_state *recovery = row->extra;
	bool killed = row->variant.value >= KILLED;
	double gib = (double)bench_row_frames(row) * LLFREE_FRAME_BYTES / (1 << 30);
	uint64_t start_ns;

	recovery->cycle++;
	if (killed && !run_and_kill(row, *n_owned))
		return false;
	if (!killed)
		row->allocator->recovery->close(row->state);
	start_ns = bench_now_ns();
	if (!row->allocator->recovery->recover(row->state))
		return bench_row_fail(row, "the recovery is refused");
	*seconds = (double)(bench_now_ns() - start_ns) * 1e-9;
	bench_metric_add(row, "recover_us", *seconds * 1e6);
	bench_metric_add(row, "us_per_gib", *seconds * 1e6 / gib);
	if (!check_all(row, killed, n_owned))
		return false;
	bench_metric_add(row, "lost_frames", (double)recovery->lost_frames);
	return true;
}

static bool recovery_pass(bench_row *row)
{
	uint64_t n_owned = 0;
	double seconds = 0;

	row->pass_seconds = 0;
	if (!check_all(row, false, &n_owned))
		return false;
	for (uint32_t i = 0; i < CYCLES; i++) {
		if (!one_cycle(row, &n_owned, &seconds))
			return false;
		row->pass_seconds += seconds / CYCLES;
	}
	return true;
}

static bool recovery_setup(bench_row *row)
{
	recovery_state *recovery = calloc(1, sizeof(*recovery));
	uint64_t n_blocks = recovery_blocks(row);

	row->extra = recovery;
	row->pass_ops = 1;
	if (!recovery)
		return bench_row_fail(row, "out of memory");
	recovery->n_blocks = n_blocks;
	recovery->log_bytes = sizeof(*recovery->log) + n_blocks;
	recovery->log = mmap(NULL, recovery->log_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (recovery->log == MAP_FAILED) {
		recovery->log = NULL;
		return bench_row_fail(row, "out of memory");
	}
	for (uint64_t i = 0; i < n_blocks * (row->variant.value % KILLED) / 100; i++) {
		uint64_t block;

		if (!row->allocator->table.get(row->state, 0, row->order, &block) || block >> row->order >= n_blocks)
			return bench_row_fail(row, "can't fill the memory to %llu %%",
					      (unsigned long long)row->variant.value % KILLED);
		*mark_of(row, block) = 1;
	}
	return true;
}

static void recovery_teardown(bench_row *row)
{
	recovery_state *recovery = row->extra;

	if (recovery && recovery->log)
		munmap(recovery->log, recovery->log_bytes);
	free(recovery);
}

const bench_case bench_case_recovery = {
	.name = "recovery",
	.question =
		"make the allocator's state whole again after an orderly end and after SIGKILL, then audit; us per GiB",
	.rank = 85,
	.one_thread = true,
	.frames_known = true,
	.shared = true,
	.once = true,
	.variants = recovery_variants,
	.applies = recovery_applies,
	.missing = recovery_missing,
	.blocks = recovery_blocks,
	.setup = recovery_setup,
	.pass = recovery_pass,
	.teardown = recovery_teardown,
};
